//! Numbers: integers and doubles in the encodings that blocks use, and columns with one of them per row.

use parquet::basic::Type as Physical;

use super::{Body, delta, encoding};
use crate::{error::Damage, schema::Column};

/// A type that list elements have here.
pub(crate) trait Number: Copy + Default {
    /// Decodes exactly `count` values of the column's type.
    fn decode(body: &Body, column: Column, count: usize) -> Result<Vec<Self>, Damage>;
}

impl Number for i64 {
    fn decode(body: &Body, column: Column, count: usize) -> Result<Vec<Self>, Damage> {
        let data = body.values();
        match (body.encoding, column.physical()) {
            (encoding::DELTA_BINARY_PACKED, Physical::INT64) => delta::decode(data, count),
            (encoding::DELTA_BINARY_PACKED, Physical::INT32) => {
                let mut values = delta::decode(data, count)?;
                // Deltas of narrow integers may wrap around.
                values.iter_mut().for_each(|value| *value = i64::from(*value as i32));
                Ok(values)
            }
            (encoding::PLAIN, Physical::INT64) => plain(data, count, i64::from_le_bytes),
            (encoding::PLAIN, Physical::INT32) => {
                plain(data, count, |bytes| i64::from(i32::from_le_bytes(bytes)))
            }
            (encoding::BYTE_STREAM_SPLIT, Physical::INT64) => split(data, count, |bits| bits as i64),
            (other, _) => Err(unsupported(other)),
        }
    }
}

impl Number for f64 {
    fn decode(body: &Body, column: Column, count: usize) -> Result<Vec<Self>, Damage> {
        match (body.encoding, column.physical()) {
            (encoding::PLAIN, Physical::DOUBLE) => plain(body.values(), count, f64::from_le_bytes),
            (encoding::BYTE_STREAM_SPLIT, Physical::DOUBLE) => split(body.values(), count, f64::from_bits),
            (other, _) => Err(unsupported(other)),
        }
    }
}

pub(super) fn unsupported(encoding: i32) -> Damage {
    Damage::new(format!("a page has encoding {encoding}, which blocks do not use there"))
}

fn plain<T, const N: usize>(
    data: &[u8],
    count: usize,
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Damage> {
    let (chunks, rest) = data.as_chunks::<N>();
    if chunks.len() != count || !rest.is_empty() {
        return Err(Damage::new("a page holds another number of values than it says"));
    }
    Ok(chunks.iter().map(|chunk| read(*chunk)).collect())
}

/// Values that are put together from their streams at a time, so that they stay in the nearest cache.
const SPLIT_BLOCK: usize = 2048;

/// Byte `i` of all values, then byte `i + 1` of all values.
fn split<T>(data: &[u8], count: usize, read: impl Fn(u64) -> T) -> Result<Vec<T>, Damage> {
    if count.checked_mul(8) != Some(data.len()) {
        return Err(Damage::new("a page holds another number of values than it says"));
    }
    let mut out = Vec::with_capacity(count);
    let mut block = [0u64; SPLIT_BLOCK];
    for start in (0..count).step_by(SPLIT_BLOCK) {
        let length = SPLIT_BLOCK.min(count - start);
        let block = &mut block[..length];
        block.fill(0);
        for byte in 0..8 {
            let stream = &data[byte * count + start..][..length];
            // Upper bytes of small integers are all zero.
            if stream.iter().fold(0, |all, byte| all | byte) != 0 {
                for (value, part) in block.iter_mut().zip(stream) {
                    *value |= u64::from(*part) << (8 * byte);
                }
            }
        }
        out.extend(block.iter().map(|value| read(*value)));
    }
    Ok(out)
}

/// A column with one integer per row, or none.
pub(crate) struct FlatPage {
    values: Vec<i64>,
    /// Which rows have one; empty where all have.
    present: Vec<bool>,
}

impl FlatPage {
    pub(crate) fn decode(body: &Body, column: Column) -> Result<Self, Damage> {
        if body.def.all_largest()? {
            return Ok(Self { values: i64::decode(body, column, body.count)?, present: Vec::new() });
        }
        let present: Vec<bool> = body.def.each()?.into_iter().map(|def| def > 0).collect();
        let count = present.iter().filter(|has| **has).count();
        let mut dense = i64::decode(body, column, count)?.into_iter();
        let values =
            present.iter().map(|has| if *has { dense.next().unwrap_or_default() } else { 0 }).collect();
        Ok(Self { values, present })
    }

    pub(crate) fn rows(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn get(&self, row: usize) -> Option<i64> {
        if self.present.get(row).copied().unwrap_or(true) { self.values.get(row).copied() } else { None }
    }
}

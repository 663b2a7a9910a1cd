//! Float samples column by column: all timestamps, then all values, each number in as few whole bytes as the widest of its column
//! needs. Made and read many times faster than the codec of single samples, which an open chunk needs and finished rows do not.
//!
//! ```text
//! count      LEB128
//! first      zig-zag LEB128: the first timestamp
//! step       LEB128: the least gap between timestamps
//! width      a byte: 0, 1, 2, 4 or 8
//! gaps       count - 1 numbers of that width: what each gap has above the least
//! exponent   a byte: of the decimals, or 255 for doubles
//! base       zig-zag LEB128: the least decimal; absent for doubles
//! width      a byte: 0, 1, 2, 4 or 8
//! values     count numbers of that width: what each decimal has above the least, or the bits of each double
//! ```
//!
//! A scrape at its pace and a value that stays take no bytes for each sample, so a chunk's count is bounded by
//! [`MAX_COLUMN_SAMPLES`], not by its size.

use crate::{
    ChunkError,
    bytes_io::{Cursor, push_varint, unzigzag, zigzag},
    decimal::{MAX_EXPONENT, from_decimal, to_decimal},
};

/// Largest exponent of decimals that come with one; [`MAX_EXPONENT`] is the largest that is looked for.
const MAX_GIVEN_EXPONENT: u8 = 15;

/// Floats, in the form that they have at hand.
#[derive(Debug, Clone, Copy)]
pub enum Floats<'a> {
    /// Each is `decimal / 10^exponent`, the exponent is at most 15.
    Decimals {
        /// The integers.
        decimals: &'a [i64],
        /// The number of decimal places.
        exponent: u8,
    },
    /// Doubles.
    Doubles(&'a [f64]),
}

impl Floats<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Decimals { decimals, .. } => decimals.len(),
            Self::Doubles(doubles) => doubles.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those from a place on.
    #[must_use]
    pub fn from(self, start: usize) -> Self {
        match self {
            Self::Decimals { decimals, exponent } => {
                Self::Decimals { decimals: &decimals[start..], exponent }
            }
            Self::Doubles(doubles) => Self::Doubles(&doubles[start..]),
        }
    }
}

/// Most samples of a chunk.
pub const MAX_COLUMN_SAMPLES: usize = 4096;

/// In the place of an exponent: values are doubles.
const DOUBLES: u8 = 255;

/// Writes samples whose timestamps ascend strictly: the first of them, and how many there were where those are more than a chunk
/// holds.
pub fn encode_columns(timestamps: &[i64], values: Floats<'_>) -> (usize, Vec<u8>) {
    let count = timestamps.len().min(values.len()).min(MAX_COLUMN_SAMPLES);
    let timestamps = &timestamps[..count];
    debug_assert!(timestamps.is_sorted_by(|a, b| a < b));
    let mut out = Vec::with_capacity(32 + 4 * count);
    push_varint(&mut out, count as u64);
    push_varint(&mut out, zigzag(timestamps.first().copied().unwrap_or_default()));
    let gap = |pair: &[i64]| pair[1].wrapping_sub(pair[0]) as u64;
    let gaps = timestamps.windows(2).map(gap);
    let (step, most) = gaps.clone().fold((u64::MAX, 0), |(least, most), gap| (least.min(gap), most.max(gap)));
    let step = step.min(most);
    push_varint(&mut out, step);
    put_packed(most - step, gaps.map(|gap| gap - step), &mut out);
    match values {
        Floats::Decimals { decimals, exponent } => put_decimals(&decimals[..count], exponent, &mut out),
        Floats::Doubles(doubles) => match decimals(&doubles[..count]) {
            Some((exponent, decimals)) => put_decimals(&decimals, exponent, &mut out),
            None => {
                out.extend([DOUBLES, 8]);
                out.extend(doubles[..count].iter().flat_map(|value| value.to_bits().to_le_bytes()));
            }
        },
    }
    (count, out)
}

/// The integers of all values under one exponent that restores each of them.
fn decimals(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut exponent = 0;
    let mut decimals = Vec::with_capacity(values.len());
    // The value that needs more places is mostly among the first, so starting over is cheaper than looking first.
    'again: loop {
        decimals.clear();
        for value in values {
            let bits = value.to_bits();
            let Some(decimal) = to_decimal(bits, exponent) else {
                exponent = (exponent + 1..=MAX_EXPONENT).find(|more| to_decimal(bits, *more).is_some())?;
                continue 'again;
            };
            decimals.push(decimal);
        }
        return Some((exponent, decimals));
    }
}

fn put_decimals(decimals: &[i64], exponent: u8, out: &mut Vec<u8>) {
    let range = |(least, most): (i64, i64), decimal: &i64| (least.min(*decimal), most.max(*decimal));
    let (least, most) = decimals.iter().fold((i64::MAX, i64::MIN), range);
    let base = least.min(most);
    out.push(exponent);
    push_varint(out, zigzag(base));
    let above = decimals.iter().map(|decimal| decimal.wrapping_sub(base) as u64);
    put_packed(most.wrapping_sub(base) as u64, above, out);
}

/// Writes numbers of which none is above `most`.
fn put_packed(most: u64, numbers: impl ExactSizeIterator<Item = u64>, out: &mut Vec<u8>) {
    let width =
        ((64 - most.leading_zeros() as usize).div_ceil(8)).next_power_of_two() * usize::from(most > 0);
    out.push(width as u8);
    let start = out.len();
    out.resize(start + width * numbers.len(), 0);
    let places = &mut out[start..];
    // A loop for each width, without branches.
    match width {
        0 => {}
        1 => places.iter_mut().zip(numbers).for_each(|(place, number)| *place = number as u8),
        2 => put_each(places, numbers, |number| (number as u16).to_le_bytes()),
        4 => put_each(places, numbers, |number| (number as u32).to_le_bytes()),
        _ => put_each(places, numbers, u64::to_le_bytes),
    }
}

fn put_each<const N: usize>(
    places: &mut [u8],
    numbers: impl Iterator<Item = u64>,
    bytes: impl Fn(u64) -> [u8; N],
) {
    places.as_chunks_mut().0.iter_mut().zip(numbers).for_each(|(place, number)| *place = bytes(number));
}

/// Numbers of one width.
#[derive(Debug, Clone, Copy)]
struct Packed<'a> {
    width: u8,
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Packed<'a> {
    fn read(cursor: &mut Cursor<'a>, count: usize) -> Option<Self> {
        let width = cursor.byte().filter(|width| matches!(width, 0 | 1 | 2 | 4 | 8))?;
        Some(Self { width, count, bytes: cursor.take(usize::from(width) * count)? })
    }

    /// Appends what becomes of each number: a loop for each width, without branches.
    #[inline]
    fn extend<T: Clone>(self, out: &mut Vec<T>, each: impl Fn(u64) -> T) {
        match self.width {
            0 => out.resize(out.len() + self.count, each(0)),
            1 => out.extend(self.bytes.iter().map(|byte| each(u64::from(*byte)))),
            2 => out
                .extend(self.bytes.as_chunks().0.iter().map(|two| each(u64::from(u16::from_le_bytes(*two))))),
            4 => out.extend(
                self.bytes.as_chunks().0.iter().map(|four| each(u64::from(u32::from_le_bytes(*four)))),
            ),
            _ => out.extend(self.bytes.as_chunks().0.iter().map(|eight| each(u64::from_le_bytes(*eight)))),
        }
    }
}

/// A chunk of columns whose parts have their sizes.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    first: i64,
    step: u64,
    gaps: Packed<'a>,
    exponent: u8,
    base: i64,
    values: Packed<'a>,
}

impl<'a> Columns<'a> {
    /// Takes the bytes of a chunk apart.
    pub fn parse(data: &'a [u8]) -> Result<Self, ChunkError> {
        Self::read(data).ok_or(ChunkError::Malformed)
    }

    fn read(data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor(data);
        let count = usize::try_from(cursor.varint()?).ok()?;
        if count == 0 || count > MAX_COLUMN_SAMPLES {
            return None;
        }
        let (first, step) = (unzigzag(cursor.varint()?), cursor.varint()?);
        let gaps = Packed::read(&mut cursor, count - 1)?;
        let exponent =
            cursor.byte().filter(|exponent| *exponent <= MAX_GIVEN_EXPONENT || *exponent == DOUBLES)?;
        let base = if exponent == DOUBLES { 0 } else { unzigzag(cursor.varint()?) };
        let values = Packed::read(&mut cursor, count)?;
        let whole = cursor.is_empty() && (exponent != DOUBLES || values.width == 8);
        whole.then_some(Self { first, step, gaps, exponent, base, values })
    }

    /// Number of samples, at least one.
    pub fn count(&self) -> usize {
        self.values.count
    }

    /// Appends all samples to two columns. Fails, with nothing of use appended, where timestamps do not ascend.
    pub fn append(&self, timestamps: &mut Vec<i64>, values: &mut Vec<f64>) -> Result<(), ChunkError> {
        match i64::try_from(self.step) {
            Ok(step) if self.gaps.width == 0 => self.append_steady(step, timestamps)?,
            _ => self.append_gaps(timestamps)?,
        }
        values.reserve(self.count());
        let decimal = |number: u64| self.base.wrapping_add(number as i64);
        match self.exponent {
            DOUBLES => self.values.extend(values, f64::from_bits),
            0 => self.values.extend(values, |number| decimal(number) as f64),
            exponent => {
                self.values.extend(values, |number| f64::from_bits(from_decimal(decimal(number), exponent)));
            }
        }
        Ok(())
    }

    /// Timestamps of which each is a step after the one before.
    fn append_steady(&self, step: i64, timestamps: &mut Vec<i64>) -> Result<(), ChunkError> {
        let steps = self.count() as i64 - 1;
        let last = step.checked_mul(steps).and_then(|all| self.first.checked_add(all));
        if last.is_none() || (step == 0 && steps > 0) {
            return Err(ChunkError::Malformed);
        }
        timestamps.extend((0..=steps).map(|at| self.first + at * step));
        Ok(())
    }

    fn append_gaps(&self, timestamps: &mut Vec<i64>) -> Result<(), ChunkError> {
        let start = timestamps.len();
        timestamps.reserve(self.count());
        timestamps.push(self.first);
        // Gaps first; in their places then the sums, which must not wrap around.
        self.gaps.extend(timestamps, |gap| self.step.wrapping_add(gap).cast_signed());
        let (mut at, mut ascends) = (self.first, true);
        for place in &mut timestamps[start + 1..] {
            let next = at.wrapping_add(*place);
            ascends &= next > at;
            *place = next;
            at = next;
        }
        if ascends { Ok(()) } else { Err(ChunkError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn read(data: &[u8]) -> Result<(Vec<i64>, Vec<u64>), ChunkError> {
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        Columns::parse(data)?.append(&mut timestamps, &mut values)?;
        Ok((timestamps, values.into_iter().map(f64::to_bits).collect()))
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            6 => (0u32..2_000).prop_map(f64::from),
            2 => (-1_000_000i32..1_000_000).prop_map(|value| f64::from(value) / 1_000.0),
            1 => any::<u64>().prop_map(f64::from_bits),
        ]
    }

    proptest! {
        #[test]
        fn every_bit_is_kept(
            start in any::<i64>(),
            gaps in prop_oneof![vec(Just(15_000u64), 0..50), vec(1u64..100_000, 0..50), vec(any::<u64>(), 0..5)],
            values in vec(value(), 51),
        ) {
            let mut timestamps = BTreeSet::from([start]);
            let mut at = start;
            for gap in gaps {
                at = at.wrapping_add_unsigned(gap);
                timestamps.insert(at);
            }
            let timestamps: Vec<i64> = timestamps.into_iter().collect();
            let values = &values[..timestamps.len()];
            let (count, data) = encode_columns(&timestamps, Floats::Doubles(values));
            prop_assert_eq!(count, timestamps.len());
            let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(read(&data), Ok((timestamps, bits)));
            for cut in 0..data.len() {
                prop_assert!(read(&data[..cut]).is_err(), "cut off after {cut}");
            }
        }

        #[test]
        fn decimals_become_the_doubles_that_they_stand_for(
            decimals in prop_oneof![vec(any::<i64>(), 1..50), vec(-1_000i64..1_000, 1..50)],
            exponent in 0u8..=15,
        ) {
            let timestamps: Vec<i64> = (0..decimals.len() as i64).map(|at| at * at).collect();
            let (count, data) = encode_columns(&timestamps, Floats::Decimals { decimals: &decimals, exponent });
            prop_assert_eq!(count, decimals.len());
            let power = 10f64.powi(exponent.into());
            let bits = decimals.iter().map(|decimal| (*decimal as f64 / power).to_bits()).collect();
            prop_assert_eq!(read(&data), Ok((timestamps, bits)));
        }

        #[test]
        fn hostile_bytes_never_panic_and_stay_bounded(data in vec(any::<u8>(), 0..100)) {
            if let Ok((timestamps, values)) = read(&data) {
                prop_assert!(timestamps.is_sorted_by(|a, b| a < b));
                prop_assert!(timestamps.len() == values.len() && values.len() <= MAX_COLUMN_SAMPLES);
            }
        }
    }

    #[test]
    fn a_steady_series_takes_no_bytes_for_its_samples_and_chunks_are_bounded() {
        let timestamps: Vec<i64> = (0..5_000).map(|at| at * 60_000).collect();
        let (count, data) = encode_columns(&timestamps, Floats::Doubles(&[7.5; 5_000]));
        assert_eq!(count, MAX_COLUMN_SAMPLES);
        assert!(data.len() < 16, "{} bytes", data.len());
        assert_eq!(read(&data).expect("reads").0, timestamps[..count]);
    }

    #[test]
    fn times_that_stand_still_or_end_are_refused() {
        let (_, mut data) = encode_columns(&[5, 10, 15], Floats::Doubles(&[1.0; 3]));
        assert_eq!(data[..4], [3, 10, 5, 0]);
        data[2] = 0;
        assert_eq!(read(&data), Err(ChunkError::Malformed), "no gap");
        let (_, mut data) = encode_columns(&[i64::MAX - 1, i64::MAX], Floats::Doubles(&[1.0; 2]));
        let step = data.iter().position(|byte| *byte == 1).expect("the step");
        data[step] = 2;
        assert_eq!(read(&data), Err(ChunkError::Malformed), "beyond the end of time");
    }
}

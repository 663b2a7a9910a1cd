//! Ways to lay out the numbers of a page, all of them standard encodings; which of them is smallest depends on the data.
//!
//! All work on plain little-endian values of eight bytes, and none takes part in what a reader needs to know.

use parquet::basic::Encoding;

/// A way to lay out 64-bit values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// One behind the other: what repeats is found whole.
    Plain,
    /// Byte 0 of all values, then byte 1 of all: neighbours share their upper bytes, which then cost almost nothing.
    Split,
    /// Differences, packed in blocks of so many, a multiple of 128.
    Packed { block: usize },
}

impl Coding {
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Self::Plain => Encoding::PLAIN,
            Self::Split => Encoding::BYTE_STREAM_SPLIT,
            Self::Packed { .. } => Encoding::DELTA_BINARY_PACKED,
        }
    }

    /// Appends the encoded form of plain values.
    pub(crate) fn encode(self, values: &[[u8; 8]], out: &mut Vec<u8>) {
        match self {
            Self::Plain => out.extend_from_slice(values.as_flattened()),
            Self::Split => {
                out.reserve(values.len() * 8);
                for byte in 0..8 {
                    out.extend(values.iter().map(|value| value[byte]));
                }
            }
            Self::Packed { block } => pack(values, block, out),
        }
    }
}

/// Differences of a mini-block, which share a width.
const MINI: usize = 32;

/// DELTA_BINARY_PACKED with widths of whole bytes only, and with bases that stay the same from block to block where that costs no
/// width: odd widths and bases are a little smaller by themselves, but hide repetition from the compressor. The first sample
/// of a series is far from the last one of the series before; it wraps around rather than widen its whole block.
fn pack(values: &[[u8; 8]], block: usize, out: &mut Vec<u8>) {
    varint(block as u64, out);
    varint((block / MINI) as u64, out);
    varint(values.len() as u64, out);
    let first = values.first().map_or(0, |value| i64::from_le_bytes(*value));
    zigzag(first, out);
    let mut previous = first;
    let mut deltas = Vec::with_capacity(block);
    let mut sorted = Vec::with_capacity(block);
    for values in values.get(1..).unwrap_or_default().chunks(block) {
        deltas.clear();
        deltas.extend(values.iter().map(|value| {
            let value = i64::from_le_bytes(*value);
            value.wrapping_sub(std::mem::replace(&mut previous, value))
        }));
        sorted.clone_from(&deltas);
        let middle = sorted.len() / 2;
        let median = *sorted.select_nth_unstable(middle).1;
        let base = base(&deltas, median);
        zigzag(base, out);
        let minis = deltas.chunks(MINI);
        let absent = block / MINI - minis.len();
        out.extend(minis.clone().map(|mini| 8 * bytes_of(mini, base) as u8));
        out.resize(out.len() + absent, 0);
        for mini in minis {
            let bytes = bytes_of(mini, base);
            if bytes > 0 {
                mini.iter().for_each(|delta| {
                    out.extend_from_slice(&delta.wrapping_sub(base).to_le_bytes()[..bytes]);
                });
                out.resize(out.len() + (MINI - mini.len()) * bytes, 0);
            }
        }
    }
}

/// The first of a few likely bases that needs the fewest bytes: none for what only grows, half of a width for what goes up and
/// down, and the median for what keeps its pace.
fn base(deltas: &[i64], median: i64) -> i64 {
    let candidates = [0, -(1 << 7), -(1 << 15), -(1 << 23), -(1 << 31), median, median.wrapping_sub(1 << 7)];
    let cost = |base: &i64| deltas.chunks(MINI).map(|mini| bytes_of(mini, *base)).sum::<usize>();
    candidates.into_iter().min_by_key(cost).unwrap_or_default()
}

/// Bytes that the largest of some differences above a base takes.
fn bytes_of(mini: &[i64], base: i64) -> usize {
    let all = mini.iter().fold(0, |all, delta| all | delta.wrapping_sub(base).cast_unsigned());
    (64 - all.leading_zeros() as usize).div_ceil(8)
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

//! The byte form of histograms: LEB128, floats and lists of them, written and read.

use super::{BucketSpan, CounterResetHint, Counts, Histogram};

/// Set beside the reset hint where counts are floats.
pub(super) const FLOAT_COUNTS: u8 = 0x80;

pub(super) fn put_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    put_uint(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(super) fn put_floats(out: &mut Vec<u8>, values: &[f64]) {
    put_uint(out, values.len() as u64);
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

/// The number of eight groups of seven bits, the lowest first, each in a byte.
const fn gathered(word: u64) -> u64 {
    let pairs = (word & 0x007F_007F_007F_007F) | ((word & 0x7F00_7F00_7F00_7F00) >> 1);
    let fours = (pairs & 0x0000_3FFF_0000_3FFF) | ((pairs & 0x3FFF_0000_3FFF_0000) >> 2);
    (fours & 0x0FFF_FFFF) | ((fours & 0x0FFF_FFFF_0000_0000) >> 4)
}

/// Whether any signed number that ends within the word `now` is less than the one in the same place of `before`, or either is negative.
/// `ends` has the highest bit of each byte that ends a number, in both words; the first byte begins one.
const fn any_falls(now: u64, before: u64, ends: u64) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The lowest bit of a number in zig-zag form is its sign.
    let signs = ((ends >> 7) << 8 | 1) & (u64::MAX >> ends.leading_zeros());
    // In the highest bit of each byte: how the seven bits below compare.
    let at_least = ((now | HIGH) - (before & !HIGH)) & HIGH;
    let at_most = ((before | HIGH) - (now & !HIGH)) & HIGH;
    let equal = at_least & at_most;
    let mut less = at_most & !at_least;
    // The last byte of a number that differs decides: one that is less is carried up through those that are equal.
    while less != 0 {
        if less & ends != 0 {
            return true;
        }
        less = (less << 8) & equal;
    }
    (now | before) & signs != 0
}

/// A reading position. Methods return `None` where the bytes end early or say what cannot be.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn histogram(&mut self) -> Option<Histogram> {
        let schema = self.byte()? as i8;
        let flags = self.byte()?;
        let (zero_threshold, sum) = (self.float()?, self.float()?);
        let (positive_spans, negative_spans) = (self.spans()?, self.spans()?);
        let custom_bounds = self.floats()?;
        let counts = if flags & FLOAT_COUNTS == 0 {
            let (zero, total) = (self.uint()?, self.uint()?);
            Counts::Int { zero, total, positive: self.ints()?, negative: self.ints()? }
        } else {
            let (zero, total) = (self.float()?, self.float()?);
            Counts::Float { zero, total, positive: self.floats()?, negative: self.floats()? }
        };
        let reset_hint = CounterResetHint::from_wire(flags & !FLOAT_COUNTS);
        Some(Histogram {
            schema,
            reset_hint,
            zero_threshold,
            sum,
            positive_spans,
            negative_spans,
            custom_bounds,
            counts,
        })
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn uint(&mut self) -> Option<u64> {
        if let Some((word, ends)) = self.word().filter(|(_, ends)| *ends != 0) {
            self.skip(ends.trailing_zeros() as usize / 8 + 1)?;
            // All bits up to the first end.
            return Some(gathered(word & (ends ^ (ends - 1))));
        }
        self.long_uint()
    }

    /// Passes over so many LEB128 numbers.
    pub(super) fn skip_uints(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let (_, ends) = self.word().unwrap_or_default();
            let ended = ends.count_ones() as usize;
            if (1..=count).contains(&ended) {
                self.skip(8 - ends.leading_zeros() as usize / 8)?;
                count -= ended;
            } else {
                self.uint()?;
                count -= 1;
            }
        }
        Some(())
    }

    /// Whether of so many bucket counts none is less than the one in the same place of another list; both lists are passed over, if so.
    /// False, too, where one is negative.
    pub(super) fn no_count_falls(&mut self, other: &mut Self, mut count: usize) -> Option<bool> {
        while count > 0 {
            let ((mine, ends), (theirs, other_ends)) =
                (self.word().unwrap_or_default(), other.word().unwrap_or_default());
            let ended = ends.count_ones() as usize;
            if ends == other_ends && (1..=count).contains(&ended) {
                // The numbers lie alike in both words.
                if any_falls(mine, theirs, ends) {
                    return Some(false);
                }
                let bytes = 8 - ends.leading_zeros() as usize / 8;
                self.skip(bytes)?;
                other.skip(bytes)?;
                count -= ended;
            } else {
                let (mine, theirs) = (self.int()?, other.int()?);
                if mine < theirs || theirs < 0 {
                    return Some(false);
                }
                count -= 1;
            }
        }
        Some(true)
    }

    /// The next eight bytes, where there are so many, and the highest bit of each that ends a LEB128 number. Nearly all numbers are
    /// shorter than that, and looking at them byte by byte is what reading a histogram costs.
    fn word(&self) -> Option<(u64, u64)> {
        let word = u64::from_le_bytes(*self.0.first_chunk::<8>()?);
        Some((word, !word & 0x8080_8080_8080_8080))
    }

    fn long_uint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn int(&mut self) -> Option<i64> {
        let raw = self.uint()?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    pub(super) fn float(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    pub(super) fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    /// A count of elements that need at least `size` bytes each: bounded by what is left, so that a lie costs no memory.
    pub(super) fn count(&mut self, size: usize) -> Option<usize> {
        let count = usize::try_from(self.uint()?).ok()?;
        (count <= self.0.len() / size).then_some(count)
    }

    pub(super) fn span(&mut self) -> Option<BucketSpan> {
        let offset = i32::try_from(self.int()?).ok()?;
        let length = u32::try_from(self.uint()?).ok()?;
        Some(BucketSpan { offset, length })
    }

    fn spans(&mut self) -> Option<Vec<BucketSpan>> {
        let count = self.count(2)?;
        (0..count).map(|_| self.span()).collect()
    }

    fn ints(&mut self) -> Option<Vec<i64>> {
        let count = self.count(1)?;
        (0..count).map(|_| self.int()).collect()
    }

    pub(super) fn floats(&mut self) -> Option<Vec<f64>> {
        let count = self.count(8)?;
        (0..count).map(|_| self.float()).collect()
    }
}

//! The RLE and bit-packing hybrid: levels, and indices into a dictionary.

use bytes::Bytes;

use super::delta::varint;
use crate::error::Damage;

/// A run of the hybrid.
enum Run<'a> {
    Repeat { value: u32, count: usize },
    Packed { bytes: &'a [u8], count: usize },
}

struct Runs<'a> {
    input: &'a [u8],
    width: usize,
    left: usize,
}

impl<'a> Runs<'a> {
    /// The next run, cut to what is wanted.
    fn next(&mut self) -> Option<Run<'a>> {
        let head = varint(&mut self.input)?;
        let length = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 {
            let bytes = self.width.div_ceil(8);
            let (packed, rest) = self.input.split_at_checked(bytes)?;
            self.input = rest;
            let mut value = [0; 4];
            value.get_mut(..bytes)?.copy_from_slice(packed);
            let count = length.min(self.left);
            self.left -= count;
            return (count > 0).then_some(Run::Repeat { value: u32::from_le_bytes(value), count });
        }
        let count = length.checked_mul(8)?.min(self.left);
        // The last group may be cut off after its last value.
        let stored = length.checked_mul(self.width)?.min(self.input.len());
        if stored * 8 < count * self.width || count == 0 {
            return None;
        }
        let (bytes, rest) = self.input.split_at_checked(stored)?;
        self.input = rest;
        self.left -= count;
        Some(Run::Packed { bytes, count })
    }
}

/// The levels of a page, still encoded. Most are one long run, or a short pattern per row, which is told without writing them out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Levels {
    data: Bytes,
    max: u8,
    count: usize,
}

impl Levels {
    /// Levels of a column whose largest is `max`; without one there is nothing to decode.
    pub(super) fn new(data: Bytes, max: u8, count: usize) -> Self {
        Self { data, max, count }
    }

    fn width(&self) -> usize {
        (8 - self.max.leading_zeros()) as usize
    }

    fn visit(&self, mut visit: impl FnMut(Run<'_>)) -> Result<(), Damage> {
        let mut runs = Runs { input: &self.data, width: self.width(), left: self.count };
        while runs.left > 0 {
            let run = runs.next().ok_or_else(|| Damage::new("levels are malformed"))?;
            if matches!(run, Run::Repeat { value, .. } if value > u32::from(self.max)) {
                return Err(Damage::new("a level is larger than its column allows"));
            }
            visit(run);
        }
        Ok(())
    }

    /// Whether all levels are the largest. A page without levels counts as such.
    pub(crate) fn all_largest(&self) -> Result<bool, Damage> {
        let mut all = true;
        if self.max > 0 {
            self.visit(|run| {
                all &= match run {
                    Run::Repeat { value, .. } => value == u32::from(self.max),
                    Run::Packed { bytes, count } => self.unpack(bytes, count).all(|level| level == self.max),
                };
            })?;
        }
        Ok(all)
    }

    /// The places of levels that are 0, which is where rows begin.
    pub(crate) fn zeros(&self) -> Result<Vec<u32>, Damage> {
        let (mut zeros, mut at) = (Vec::new(), 0u32);
        self.visit(|run| match run {
            Run::Repeat { value, count } => {
                if value == 0 {
                    zeros.extend(at..at + count as u32);
                }
                at += count as u32;
            }
            Run::Packed { bytes, count } => {
                for level in self.unpack(bytes, count) {
                    if level == 0 {
                        zeros.push(at);
                    }
                    at += 1;
                }
            }
        })?;
        Ok(zeros)
    }

    /// All levels.
    pub(crate) fn each(&self) -> Result<Vec<u8>, Damage> {
        let mut out: Vec<u8> = Vec::with_capacity(self.count);
        if self.max > 0 {
            self.visit(|run| match run {
                Run::Repeat { value, count } => out.resize(out.len() + count, value as u8),
                Run::Packed { bytes, count } => out.extend(self.unpack(bytes, count)),
            })?;
        }
        if out.iter().copied().max().is_some_and(|level| level > self.max) {
            return Err(Damage::new("a level is larger than its column allows"));
        }
        Ok(out)
    }

    /// Levels are of one or two bits, so none crosses a byte.
    fn unpack<'a>(&self, bytes: &'a [u8], count: usize) -> impl Iterator<Item = u8> + use<'a> {
        let width = self.width();
        let mask = (1u8 << width) - 1;
        (0..count).map(move |at| (bytes[at * width / 8] >> (at * width % 8)) & mask)
    }
}

/// Decodes exactly `count` indices into a dictionary of `entries`. The first byte is their width.
pub(super) fn indices(data: &[u8], entries: usize, count: usize) -> Result<Vec<u32>, Damage> {
    let malformed = || Damage::new("dictionary indices are malformed");
    if count == 0 {
        return Ok(Vec::new());
    }
    let (width, input) = data.split_first().ok_or_else(malformed)?;
    let width = usize::from(*width);
    if width > 32 {
        return Err(malformed());
    }
    let mut out: Vec<u32> = Vec::with_capacity(count);
    let mut runs = Runs { input, width, left: count };
    while out.len() < count {
        match runs.next().ok_or_else(malformed)? {
            Run::Repeat { value, count } => out.resize(out.len() + count, value),
            Run::Packed { bytes, count } => {
                let mask = if width == 32 { u32::MAX } else { (1 << width) - 1 };
                out.extend((0..count).map(|at| (bits(bytes, at * width) >> (at * width % 8)) as u32 & mask));
            }
        }
    }
    if out.iter().any(|index| *index as usize >= entries) {
        return Err(Damage::new("a dictionary has fewer entries than are used"));
    }
    Ok(out)
}

/// The eight bytes, or what is left of them, from the one that holds a bit.
fn bits(bytes: &[u8], bit: usize) -> u64 {
    let from = bytes.get(bit / 8..).unwrap_or_default();
    match from.first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => {
            let mut chunk = [0; 8];
            chunk[..from.len()].copy_from_slice(from);
            u64::from_le_bytes(chunk)
        }
    }
}

//! Tags of the encodings, a chunk with its description, and the reader of chunks from outside.

use std::sync::Arc;

use bytes::Bytes;
use narthex_model::{Histogram, Value};

use crate::{Columns, FloatIter, HistogramIter, RawIter};

/// Bytes that are no chunk of the stated encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A record that is cut off, goes back in time or uses an undefined code.
    #[error("chunk is damaged")]
    Malformed,
    /// A tag that this version does not know.
    #[error("chunk has the unknown encoding {0}")]
    UnknownEncoding(u32),
    /// Another number of samples, or other times, than the description says.
    #[error("chunk does not hold what its description says")]
    Mismatch,
}

/// How a chunk's samples are written. The numbers are on the wire and on disks: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// Floats, compressed: [`FloatIter`].
    Floats = 1,
    /// Floats, 16 bytes each: [`RawIter`].
    RawFloats = 2,
    /// Native histograms: [`HistogramIter`].
    Histograms = 3,
    /// Floats, column by column: [`Columns`].
    Columns = 4,
}

impl Encoding {
    /// The number on the wire.
    pub const fn tag(self) -> u32 {
        self as u32
    }

    /// The encoding with this number.
    pub const fn from_tag(tag: u32) -> Result<Self, ChunkError> {
        match tag {
            1 => Ok(Self::Floats),
            2 => Ok(Self::RawFloats),
            3 => Ok(Self::Histograms),
            4 => Ok(Self::Columns),
            other => Err(ChunkError::UnknownEncoding(other)),
        }
    }
}

/// A run of samples of one series, strictly ascending. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// How the data is written.
    pub encoding: Encoding,
    /// Number of samples.
    pub samples: u32,
    /// Timestamp of the first sample in milliseconds.
    pub min_ms: i64,
    /// Timestamp of the last sample in milliseconds.
    pub max_ms: i64,
    /// The encoded samples.
    pub data: Bytes,
}

impl Chunk {
    /// Calls `visit` with every float sample; a chunk of histograms has none.
    pub fn for_each_float(&self, mut visit: impl FnMut(i64, f64)) -> Result<(), ChunkError> {
        match self.encoding {
            Encoding::Floats => {
                FloatIter::new(&self.data).try_for_each(|sample| sample.map(|(at, value)| visit(at, value)))
            }
            Encoding::RawFloats => {
                RawIter::new(&self.data).try_for_each(|sample| sample.map(|(at, value)| visit(at, value)))
            }
            Encoding::Columns => {
                let (mut timestamps, mut values) = (Vec::new(), Vec::new());
                Columns::parse(&self.data)?.append(&mut timestamps, &mut values)?;
                timestamps.into_iter().zip(values).for_each(|(at, value)| visit(at, value));
                Ok(())
            }
            Encoding::Histograms => Ok(()),
        }
    }

    /// Calls `visit` with the byte form of every histogram sample; a chunk of floats has none.
    pub fn for_each_histogram(&self, mut visit: impl FnMut(i64, &[u8])) -> Result<(), ChunkError> {
        if self.encoding == Encoding::Histograms {
            let mut iter = HistogramIter::new(&self.data);
            while let Some(sample) = iter.next_sample() {
                let (timestamp, bytes) = sample?;
                visit(timestamp, bytes);
            }
        }
        Ok(())
    }

    /// All samples with their values; convenient rather than fast.
    pub fn samples(&self) -> Result<Vec<(i64, Value)>, ChunkError> {
        let mut out = Vec::new();
        self.for_each_float(|at, value| out.push((at, Value::Float(value))))?;
        let mut damaged = false;
        self.for_each_histogram(|at, bytes| match Histogram::from_bytes(bytes) {
            Ok(histogram) => out.push((at, Value::Histogram(Arc::new(histogram)))),
            Err(_) => damaged = true,
        })?;
        if damaged { Err(ChunkError::Malformed) } else { Ok(out) }
    }
}

/// Reads a whole chunk from outside, of any encoding, and compares it with its description. Pure: the entry for fuzzing, and
/// what a receiver calls before it trusts a chunk.
pub fn check_chunk(
    tag: u32,
    samples: u32,
    min_ms: i64,
    max_ms: i64,
    data: Bytes,
) -> Result<Chunk, ChunkError> {
    let chunk = Chunk { encoding: Encoding::from_tag(tag)?, samples, min_ms, max_ms, data };
    let (mut count, mut first, mut last, mut damaged) = (0u32, None, None, false);
    chunk.for_each_float(|at, _| {
        count = count.saturating_add(1);
        first.get_or_insert(at);
        last = Some(at);
    })?;
    chunk.for_each_histogram(|at, bytes| {
        count = count.saturating_add(1);
        first.get_or_insert(at);
        last = Some(at);
        damaged |= Histogram::from_bytes(bytes).is_err();
    })?;
    if damaged {
        return Err(ChunkError::Malformed);
    }
    let agrees = count == samples && first == Some(min_ms) && last == Some(max_ms);
    if agrees { Ok(chunk) } else { Err(ChunkError::Mismatch) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Floats, HistogramState, encode_columns, encode_floats, encode_raw};

    #[test]
    fn descriptions_must_agree() {
        let data: Bytes = encode_floats([(5, 1.0), (9, 2.0)]).expect("ascends").into();
        assert!(check_chunk(1, 2, 5, 9, data.clone()).is_ok());
        for (tag, samples, min, max, error) in [
            (1, 3, 5, 9, ChunkError::Mismatch),
            (1, 2, 4, 9, ChunkError::Mismatch),
            (1, 2, 5, 10, ChunkError::Mismatch),
            (9, 2, 5, 9, ChunkError::UnknownEncoding(9)),
        ] {
            assert_eq!(check_chunk(tag, samples, min, max, data.clone()), Err(error));
        }
    }

    #[test]
    fn every_encoding_gives_its_samples() {
        let raw: Bytes = encode_raw([(1, -0.0)]).into();
        let chunk = check_chunk(Encoding::RawFloats.tag(), 1, 1, 1, raw).expect("raw");
        assert_eq!(chunk.samples(), Ok(vec![(1, Value::Float(-0.0))]));
        let columns: Bytes = encode_columns(&[3, 9], Floats::Doubles(&[1.5, 2.5])).1.into();
        let chunk = check_chunk(Encoding::Columns.tag(), 2, 3, 9, columns).expect("columns");
        assert_eq!(chunk.samples(), Ok(vec![(3, Value::Float(1.5)), (9, Value::Float(2.5))]));
        let histogram = Histogram { sum: 3.0, ..Histogram::default() };
        let mut state = HistogramState::default();
        state.append(7, &histogram.to_bytes()).expect("first");
        let chunk =
            check_chunk(Encoding::Histograms.tag(), 1, 7, 7, state.take().into()).expect("histograms");
        assert_eq!(chunk.samples(), Ok(vec![(7, Value::Histogram(Arc::new(histogram)))]));
    }

    proptest! {
        #[test]
        fn outside_bytes_never_panic(tag in 0u32..6, data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_chunk(tag, 1, 0, 0, data.into());
        }
    }
}

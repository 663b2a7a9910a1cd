//! The codec of native histograms: byte forms of [`narthex_model::Histogram`], each against the one before it.
//!
//! Neighbouring histograms of a series mostly share schema, spans and most counts, and so most bytes at the same place. A
//! record is the timestamp's delta (zig-zag LEB128, for the first the timestamp itself), the length of the byte form and,
//! if that length is the one before, alternating lengths of equal and of new bytes; otherwise the byte form whole. Every
//! bit is kept (W-5). The reader holds one histogram at a time, at most [`MAX_HISTOGRAM_BYTES`].

use narthex_model::MAX_HISTOGRAM_BYTES;

use crate::{
    ChunkError, Refused,
    bytes_io::{Cursor, push_varint, unzigzag, zigzag},
};

/// Shorter runs of equal bytes are not worth their two lengths.
const MIN_RUN: usize = 3;

/// An open chunk of histograms: its bytes, and the last histogram, which the next is compared to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramState {
    data: Vec<u8>,
    last: Vec<u8>,
    last_timestamp: i64,
    samples: u16,
}

impl HistogramState {
    /// Samples in the chunk.
    pub const fn samples(&self) -> u16 {
        self.samples
    }

    /// Timestamp of the last sample in milliseconds; 0 while there is none.
    pub const fn last_timestamp(&self) -> i64 {
        self.last_timestamp
    }

    /// Byte form of the last histogram.
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    /// The chunk so far.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Continues a chunk that was stored, or begins one after a sample at `last_timestamp` if it is empty; fails where its
    /// bytes are damaged.
    pub fn resume(data: Vec<u8>, last_timestamp: i64) -> Result<Self, ChunkError> {
        let mut iter = HistogramIter::new(&data);
        let mut state = Self { last_timestamp, ..Self::default() };
        while let Some(sample) = iter.next_sample() {
            let (timestamp, _) = sample?;
            state.last_timestamp = timestamp;
            state.samples = state.samples.checked_add(1).ok_or(ChunkError::Malformed)?;
        }
        state.last = iter.last;
        state.data = data;
        Ok(state)
    }

    /// Appends a histogram in its byte form.
    pub fn append(&mut self, timestamp: i64, histogram: &[u8]) -> Result<(), Refused> {
        let delta = if self.samples == 0 {
            timestamp
        } else {
            timestamp.checked_sub(self.last_timestamp).filter(|delta| *delta > 0).ok_or(Refused)?
        };
        self.samples = self.samples.checked_add(1).ok_or(Refused)?;
        push_varint(&mut self.data, zigzag(delta));
        push_varint(&mut self.data, histogram.len() as u64);
        if self.samples > 1 && self.last.len() == histogram.len() {
            push_difference(&mut self.data, &self.last, histogram);
        } else {
            self.data.extend_from_slice(histogram);
        }
        self.last.clear();
        self.last.extend_from_slice(histogram);
        self.last_timestamp = timestamp;
        Ok(())
    }

    /// Ends the chunk: gives its bytes away and begins the next.
    pub fn take(&mut self) -> Vec<u8> {
        self.samples = 0;
        std::mem::take(&mut self.data)
    }
}

fn push_difference(out: &mut Vec<u8>, before: &[u8], now: &[u8]) {
    let mut at = 0;
    while at < now.len() {
        let equal = common_prefix(&before[at..], &now[at..]);
        let start = at + equal;
        let mut end = start;
        let mut run = 0;
        while end < now.len() && run < MIN_RUN {
            run = if before[end] == now[end] { run + 1 } else { 0 };
            end += 1;
        }
        end -= run;
        push_varint(out, equal as u64);
        push_varint(out, (end - start) as u64);
        out.extend_from_slice(&now[start..end]);
        at = end;
    }
}

/// How many bytes at the beginning are the same.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (words, others) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let mut same = 0;
    for (word, other) in words.iter().zip(others) {
        let difference = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if difference != 0 {
            return same + difference.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}

/// Reads a chunk of histograms in their byte form. After an error it ends.
#[derive(Debug, Clone)]
pub struct HistogramIter<'a> {
    cursor: Cursor<'a>,
    last: Vec<u8>,
    timestamp: i64,
    first: bool,
}

impl<'a> HistogramIter<'a> {
    /// Reads from the first record on.
    pub fn new(data: &'a [u8]) -> Self {
        Self { cursor: Cursor(data), last: Vec::new(), timestamp: 0, first: true }
    }

    /// The next sample, borrowed until the one after it.
    pub fn next_sample(&mut self) -> Option<Result<(i64, &[u8]), ChunkError>> {
        if self.cursor.is_empty() {
            return None;
        }
        if self.record().is_some() {
            Some(Ok((self.timestamp, &self.last)))
        } else {
            self.cursor = Cursor(&[]);
            Some(Err(ChunkError::Malformed))
        }
    }

    fn record(&mut self) -> Option<()> {
        let delta = unzigzag(self.cursor.varint()?);
        let length =
            usize::try_from(self.cursor.varint()?).ok().filter(|length| *length <= MAX_HISTOGRAM_BYTES)?;
        if self.first {
            self.timestamp = delta;
        } else {
            self.timestamp = self.timestamp.checked_add(delta).filter(|_| delta > 0)?;
        }
        if self.first || length != self.last.len() {
            self.last.clear();
            self.last.extend_from_slice(self.cursor.take(length)?);
        } else {
            let mut at = 0usize;
            while at < length {
                let equal = usize::try_from(self.cursor.varint()?).ok()?;
                let fresh = usize::try_from(self.cursor.varint()?).ok()?;
                let start = at.checked_add(equal)?;
                let end = start.checked_add(fresh).filter(|end| *end > at && *end <= length)?;
                self.last[start..end].copy_from_slice(self.cursor.take(fresh)?);
                at = end;
            }
        }
        self.first = false;
        Some(())
    }
}

impl Iterator for HistogramIter<'_> {
    type Item = Result<(i64, Vec<u8>), ChunkError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_sample().map(|sample| sample.map(|(timestamp, bytes)| (timestamp, bytes.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(0u8..3, 12),
            proptest::collection::vec(any::<u8>(), 0..40),
            Just(vec![7; 60])
        ]
    }

    proptest! {
        #[test]
        fn every_histogram_reads_back(start: i32, steps in proptest::collection::vec((1i64..100_000, histogram()), 0..40), cut in 0usize..40) {
            let mut state = HistogramState::default();
            let mut at = i64::from(start);
            let mut expected = Vec::new();
            for (number, (step, bytes)) in steps.into_iter().enumerate() {
                if number == cut {
                    let resumed = HistogramState::resume(state.data().to_vec(), state.last_timestamp()).expect("well-formed");
                    prop_assert_eq!(&resumed, &state);
                    state = resumed;
                }
                at += step;
                state.append(at, &bytes).expect("ascends");
                prop_assert_eq!(state.append(at, &bytes), Err(Refused));
                expected.push((at, bytes));
            }
            let read: Result<Vec<_>, _> = HistogramIter::new(state.data()).collect();
            prop_assert_eq!(read.expect("well-formed"), expected);
        }

        #[test]
        fn hostile_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(HistogramIter::new(&data).count() <= data.len());
        }
    }

    #[test]
    fn equal_histograms_cost_a_few_bytes() {
        let mut state = HistogramState::default();
        (0..10).for_each(|n| state.append(n * 15_000, &[9; 200]).expect("ascends"));
        assert!(state.data().len() < 300, "{}", state.data().len());
    }
}

//! Float samples without compression: 8 bytes of timestamp and 8 bytes of value each, little-endian.
//!
//! For samples that did not come in order and for tools that want no codec.

use crate::ChunkError;

const SAMPLE_BYTES: usize = 16;

/// Writes samples, which the caller gives in ascending order.
pub fn encode_raw(samples: impl IntoIterator<Item = (i64, f64)>) -> Vec<u8> {
    let samples = samples.into_iter();
    let mut out = Vec::with_capacity(samples.size_hint().0 * SAMPLE_BYTES);
    for (timestamp, value) in samples {
        out.extend_from_slice(&timestamp.to_le_bytes());
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
    out
}

/// Reads what [`encode_raw`] wrote. After an error it ends.
#[derive(Debug, Clone)]
pub struct RawIter<'a> {
    data: &'a [u8],
    last: Option<i64>,
}

impl<'a> RawIter<'a> {
    /// Reads from the first sample on.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, last: None }
    }
}

impl Iterator for RawIter<'_> {
    type Item = Result<(i64, f64), ChunkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.data.is_empty() {
            return None;
        }
        let sample = self.data.split_first_chunk::<8>().and_then(|(timestamp, rest)| {
            let (bits, rest) = rest.split_first_chunk::<8>()?;
            let timestamp = i64::from_le_bytes(*timestamp);
            self.last.is_none_or(|last| last < timestamp).then_some((
                timestamp,
                u64::from_le_bytes(*bits),
                rest,
            ))
        });
        match sample {
            Some((timestamp, bits, rest)) => {
                self.data = rest;
                self.last = Some(timestamp);
                Some(Ok((timestamp, f64::from_bits(bits))))
            }
            None => {
                self.data = &[];
                Some(Err(ChunkError::Malformed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn samples_read_back(timestamps: std::collections::BTreeSet<i64>, bits: u64) {
            let samples: Vec<_> = timestamps.iter().map(|at| (*at, f64::from_bits(bits ^ *at as u64))).collect();
            let read: Result<Vec<_>, _> = RawIter::new(&encode_raw(samples.clone())).collect();
            let same = read.expect("well-formed").iter().map(|s| (s.0, s.1.to_bits())).eq(samples.iter().map(|s| (s.0, s.1.to_bits())));
            prop_assert!(same);
        }

        #[test]
        fn hostile_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(RawIter::new(&data).count() <= data.len() / 16 + 1);
        }
    }
}

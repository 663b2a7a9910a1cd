//! The samples of one series that go into the block: what the sealed owners hold together.

use narthex_block::OwnedSamples;
use narthex_chunk::{Chunk, ChunkError, Encoding};
use narthex_model::{Histogram, Sample, TimestampMs, Value};

use crate::recovery::{normalise, settle};

/// The union of up to three owners' samples. Where values compete, the one that two hold wins, else the greatest by `resolve`.
/// Also tells whether any two values competed that a third owner could decide about.
pub fn union(owners: [&[Sample]; 3]) -> (Vec<Sample>, bool) {
    let mut rest = owners.map(|samples| samples.iter().peekable());
    let mut all = Vec::with_capacity(owners.iter().map(|samples| samples.len()).max().unwrap_or(0));
    let mut contested = false;
    while let Some(at) = rest.iter_mut().filter_map(|samples| samples.peek().map(|s| s.timestamp)).min() {
        let held = rest
            .each_mut()
            .map(|samples| samples.next_if(|sample| sample.timestamp == at).map(|sample| &sample.value));
        let mut values = held.iter().flatten();
        let first = values.next();
        contested |= values.any(|value| Some(value) != first);
        if let Some(value) = settle(held) {
            all.push(Sample { timestamp: at, value: value.clone() });
        }
    }
    (all, contested)
}

/// Samples as columns.
pub(crate) fn columns(samples: Vec<Sample>) -> OwnedSamples {
    let mut columns = OwnedSamples::default();
    for Sample { timestamp: TimestampMs(at), value } in samples {
        match value {
            Value::Float(value) => {
                columns.timestamps.push(at);
                columns.values.push(value);
            }
            Value::Histogram(histogram) => columns.histograms.push((at, histogram)),
        }
    }
    columns
}

/// The samples in a series' chunks, as the block takes them. Chunks that follow each other, the usual case, are decoded
/// straight into columns; others are sorted and settled first.
pub(crate) fn columns_of(chunks: &[Chunk]) -> Result<OwnedSamples, ChunkError> {
    let follow = chunks.windows(2).all(|pair| pair[0].max_ms < pair[1].min_ms);
    if !follow || chunks.iter().any(|chunk| chunk.encoding == Encoding::Histograms) {
        return Ok(columns(samples_of(chunks)?));
    }
    let count = chunks.iter().map(|chunk| chunk.samples as usize).sum();
    let mut columns = OwnedSamples {
        timestamps: Vec::with_capacity(count),
        values: Vec::with_capacity(count),
        histograms: Vec::new(),
    };
    for chunk in chunks {
        chunk.for_each_float(|at, value| {
            columns.timestamps.push(at);
            columns.values.push(value);
        })?;
    }
    Ok(columns)
}

/// The samples in a series' chunks, ascending, one value a timestamp.
pub(crate) fn samples_of(chunks: &[Chunk]) -> Result<Vec<Sample>, ChunkError> {
    let mut samples = Vec::with_capacity(chunks.iter().map(|chunk| chunk.samples as usize).sum());
    for chunk in chunks {
        chunk.for_each_float(|at, value| {
            samples.push(Sample { timestamp: TimestampMs(at), value: Value::Float(value) });
        })?;
        let mut damaged = false;
        chunk.for_each_histogram(|at, bytes| match Histogram::from_bytes(bytes) {
            Ok(histogram) => {
                let value = Value::Histogram(histogram.into());
                samples.push(Sample { timestamp: TimestampMs(at), value });
            }
            Err(_) => damaged = true,
        })?;
        if damaged {
            return Err(ChunkError::Malformed);
        }
    }
    normalise(&mut samples);
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use narthex_chunk::encode_floats;
    use proptest::{collection::btree_map, prelude::*};

    use super::*;

    type Held = BTreeMap<i64, u8>;

    fn held() -> impl Strategy<Value = Held> {
        btree_map(0i64..30, 0u8..3, 0..20)
    }

    fn samples(held: &Held) -> Vec<Sample> {
        let sample = |(at, value): (&i64, &u8)| Sample {
            timestamp: TimestampMs(*at),
            value: Value::Float(f64::from(*value)),
        };
        held.iter().map(sample).collect()
    }

    fn chunk(held: &Held) -> Option<Chunk> {
        let (first, last) = (held.first_key_value()?, held.last_key_value()?);
        let data = encode_floats(held.iter().map(|(at, value)| (*at, f64::from(*value)))).expect("ascends");
        let (encoding, samples) = (Encoding::Floats, held.len() as u32);
        Some(Chunk { encoding, samples, min_ms: *first.0, max_ms: *last.0, data: data.into() })
    }

    proptest! {
        #[test]
        fn nothing_is_missing_and_what_two_hold_wins(owners in [held(), held(), held()]) {
            let lists = owners.each_ref().map(samples);
            let (all, contested) = union([&lists[0], &lists[1], &lists[2]]);
            let times: BTreeSet<i64> = owners.iter().flat_map(|held| held.keys().copied()).collect();
            prop_assert_eq!(all.iter().map(|sample| sample.timestamp.0).collect::<BTreeSet<_>>(), times);
            let mut differ = false;
            for Sample { timestamp, value } in &all {
                let values: Vec<u8> =
                    owners.iter().filter_map(|held| held.get(&timestamp.0).copied()).collect();
                let winner = values.iter().max_by_key(|value| {
                    (values.iter().filter(|other| other == value).count() > 1, **value)
                });
                prop_assert_eq!(value, &Value::Float(f64::from(*winner.expect("somebody holds it"))));
                differ |= values.iter().any(|value| *value != values[0]);
            }
            prop_assert_eq!(contested, differ);
        }

        #[test]
        fn columns_are_the_samples_whatever_the_chunks(parts in proptest::collection::vec(held(), 0..4)) {
            let chunks: Vec<Chunk> = parts.iter().filter_map(chunk).collect();
            let expected = columns(samples_of(&chunks).expect("intact"));
            prop_assert_eq!(columns_of(&chunks).expect("intact"), expected);
        }
    }
}

//! Rows of samples as chunks: pure.
//!
//! A row is a series in a window, so chunks made of one never cross a window. Rows of several blocks that overlap in time are made
//! one first: of values that compete for a timestamp, the one that `resolve` prefers stays.

use std::{cmp::Ordering, sync::Arc};

use bytes::Bytes;
use narthex_block::OwnedSamples;
use narthex_chunk::{Encoding, FloatState, HistogramState, MAX_RECORD_BYTES};
use narthex_model::{Histogram, Value, resolve};
use narthex_rpc::v1::Chunk;

/// Most samples of a chunk.
const CHUNK_SAMPLES: usize = 4096;
/// Bytes after which a chunk of histograms ends: one of them can be as large as all others of a series.
const HISTOGRAM_CHUNK_BYTES: usize = 256 << 10;

/// First and last timestamp; `None` without samples.
pub(super) fn time_of(samples: &OwnedSamples) -> Option<(i64, i64)> {
    let histograms = &samples.histograms;
    let first = [samples.timestamps.first(), histograms.first().map(|(at, _)| at)];
    let last = [samples.timestamps.last(), histograms.last().map(|(at, _)| at)];
    Some((*first.into_iter().flatten().min()?, *last.into_iter().flatten().max()?))
}

/// Rows of one series that overlap in time, as one row.
pub(super) fn merge_rows(mut rows: Vec<OwnedSamples>) -> OwnedSamples {
    if rows.len() == 1
        && let Some(row) = rows.pop()
    {
        return row;
    }
    let mut all: Vec<(i64, Value)> = Vec::with_capacity(rows.iter().map(OwnedSamples::len).sum());
    for row in rows {
        let floats = row.timestamps.into_iter().zip(row.values);
        all.extend(floats.map(|(at, value)| (at, Value::Float(value))));
        all.extend(row.histograms.into_iter().map(|(at, histogram)| (at, Value::Histogram(histogram))));
    }
    // The preferred value last, so that it is the one that stays.
    all.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| resolve(left, right)));
    let mut merged = OwnedSamples::default();
    let mut all = all.into_iter().peekable();
    while let Some((at, value)) = all.next() {
        if all.peek().is_some_and(|(next, _)| at.cmp(next) == Ordering::Equal) {
            continue;
        }
        match value {
            Value::Float(value) => {
                merged.timestamps.push(at);
                merged.values.push(value);
            }
            Value::Histogram(histogram) => merged.histograms.push((at, histogram)),
        }
    }
    merged
}

/// Appends the chunks of a row.
pub(super) fn encode_row(series: u32, row: &OwnedSamples, chunks: &mut Vec<Chunk>) {
    let mut rest: (&[i64], &[f64]) = (&row.timestamps, &row.values);
    while !rest.0.is_empty() {
        let (taken, data) = float_chunk(rest.0, rest.1);
        chunks.push(chunk(series, Encoding::Floats, (rest.0[0], rest.0[taken - 1]), taken, data));
        rest = (&rest.0[taken..], &rest.1[taken..]);
    }
    let mut rest: &[(i64, Arc<Histogram>)] = &row.histograms;
    while !rest.is_empty() {
        let (taken, data) = histogram_chunk(rest);
        chunks.push(chunk(series, Encoding::Histograms, (rest[0].0, rest[taken - 1].0), taken, data));
        rest = &rest[taken..];
    }
}

fn chunk(series: u32, encoding: Encoding, time: (i64, i64), samples: usize, data: Vec<u8>) -> Chunk {
    Chunk {
        series,
        encoding: encoding.tag(),
        samples: samples as u32,
        min_ms: time.0,
        max_ms: time.1,
        data: Bytes::from(data),
    }
}

/// A chunk of the first samples, at least of one, and their number.
fn float_chunk(timestamps: &[i64], values: &[f64]) -> (usize, Vec<u8>) {
    let (mut state, mut record) = (FloatState::default(), [0; MAX_RECORD_BYTES]);
    let mut data = Vec::with_capacity(timestamps.len().min(CHUNK_SAMPLES) * 3);
    let mut taken = 0;
    for (at, value) in timestamps.iter().zip(values).take(CHUNK_SAMPLES) {
        // A first sample is never refused, so a chunk that is refused one has some.
        let Ok(length) = state.append(*at, value.to_bits(), &mut record) else { break };
        data.extend_from_slice(&record[..length]);
        taken += 1;
    }
    (taken.max(1), data)
}

fn histogram_chunk(samples: &[(i64, Arc<Histogram>)]) -> (usize, Vec<u8>) {
    let mut state = HistogramState::default();
    let mut taken = 0;
    for (at, histogram) in samples.iter().take(CHUNK_SAMPLES) {
        let full = taken > 0 && state.data().len() >= HISTOGRAM_CHUNK_BYTES;
        if full || state.append(*at, &histogram.to_bytes()).is_err() {
            break;
        }
        taken += 1;
    }
    (taken.max(1), state.take())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use narthex_chunk::check_chunk;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            4 => any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
            4 => (0u32..4).prop_map(|value| Value::Float(value.into())),
            1 => Just(Value::Float(narthex_model::stale_marker())),
            1 => (0u32..4).prop_map(|sum| {
                Value::Histogram(Arc::new(Histogram { sum: sum.into(), ..Histogram::default() }))
            }),
        ]
    }

    fn row(samples: &BTreeMap<i64, Value>) -> OwnedSamples {
        let mut row = OwnedSamples::default();
        for (at, value) in samples {
            match value {
                Value::Float(value) => {
                    row.timestamps.push(*at);
                    row.values.push(*value);
                }
                Value::Histogram(histogram) => row.histograms.push((*at, Arc::clone(histogram))),
            }
        }
        row
    }

    fn decoded(chunks: &[Chunk]) -> BTreeMap<i64, Value> {
        let mut all = BTreeMap::new();
        for chunk in chunks {
            let Chunk { encoding, samples, min_ms, max_ms, data, .. } = chunk.clone();
            let chunk = check_chunk(encoding, samples, min_ms, max_ms, data).expect("sound");
            all.extend(chunk.samples().expect("sound"));
        }
        all
    }

    proptest! {
        #[test]
        fn of_rows_that_overlap_the_preferred_values_stay(rows in vec(vec((0i64..40, value()), 1..30), 1..4)) {
            let rows: Vec<BTreeMap<i64, Value>> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
            let mut expected = BTreeMap::<i64, Value>::new();
            for (at, value) in rows.iter().flatten() {
                let best = expected.entry(*at).or_insert_with(|| value.clone());
                if resolve(value, best).is_gt() {
                    *best = value.clone();
                }
            }
            let merged = merge_rows(rows.iter().map(row).collect());
            prop_assert_eq!(time_of(&merged), expected.keys().next().copied().zip(expected.keys().last().copied()));
            let mut chunks = Vec::new();
            encode_row(7, &merged, &mut chunks);
            prop_assert!(chunks.iter().all(|chunk| chunk.series == 7));
            // Values are equal by their bits.
            prop_assert_eq!(decoded(&chunks), expected);
        }
    }

    #[test]
    fn long_rows_are_several_chunks() {
        let samples = 3 * CHUNK_SAMPLES + 1;
        let row = OwnedSamples {
            timestamps: (0..samples as i64).collect(),
            values: (0..samples).map(|at| at as f64).collect(),
            histograms: Vec::new(),
        };
        let mut chunks = Vec::new();
        encode_row(0, &row, &mut chunks);
        assert_eq!(chunks.len(), 4);
        assert_eq!(chunks.iter().map(|chunk| chunk.samples as usize).sum::<usize>(), samples);
        assert_eq!(decoded(&chunks).len(), samples);
    }

    #[test]
    fn no_samples_have_no_time_and_no_chunk() {
        let mut chunks = Vec::new();
        encode_row(0, &OwnedSamples::default(), &mut chunks);
        assert!(chunks.is_empty());
        assert_eq!(time_of(&OwnedSamples::default()), None);
    }
}

//! Samples of a series as chunks: pure.

use std::iter::Peekable;

use bytes::Bytes;
use narthex_block::{StoredFloats, StoredSamples};
use narthex_chunk::{Encoding, Floats, HistogramState, encode_columns};
use narthex_rpc::v1::Chunk;

/// Most histograms of a chunk.
const CHUNK_HISTOGRAMS: usize = 4096;
/// Bytes after which a chunk of histograms ends: one of them can be as large as all others of a series.
const HISTOGRAM_CHUNK_BYTES: usize = 256 << 10;

/// Appends the chunks of samples.
pub(super) fn encode(series: u32, samples: StoredSamples<'_>, chunks: &mut Vec<Chunk>) {
    let (mut timestamps, mut floats) = (samples.timestamps, floats_of(samples.floats));
    while !timestamps.is_empty() {
        let (taken, data) = encode_columns(timestamps, floats);
        let time = (timestamps[0], timestamps[taken - 1]);
        chunks.push(chunk(series, Encoding::Columns, time, taken, data));
        (timestamps, floats) = (&timestamps[taken..], floats.from(taken));
    }
    let mut histograms = samples.histograms.iter().peekable();
    while let Some((first, _)) = histograms.peek().copied() {
        let (taken, last, data) = histogram_chunk(&mut histograms);
        chunks.push(chunk(series, Encoding::Histograms, (first, last), taken, data));
    }
}

fn floats_of(stored: StoredFloats<'_>) -> Floats<'_> {
    match stored {
        StoredFloats::Decimals { decimals, exponent } => Floats::Decimals { decimals, exponent },
        StoredFloats::Doubles(doubles) => Floats::Doubles(doubles),
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

/// Takes as many histograms as a chunk holds: how many, when the last one is, and the chunk.
fn histogram_chunk<'a>(
    histograms: &mut Peekable<impl Iterator<Item = (i64, &'a [u8])>>,
) -> (usize, i64, Vec<u8>) {
    let mut state = HistogramState::default();
    while let Some((at, form)) = histograms.peek() {
        let full =
            usize::from(state.samples()) >= CHUNK_HISTOGRAMS || state.data().len() >= HISTOGRAM_CHUNK_BYTES;
        if full || state.append(*at, form).is_err() {
            break;
        }
        histograms.next();
    }
    (state.samples().into(), state.last_timestamp(), state.take())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use narthex_block::{OwnedSamples, SampleBatch};
    use narthex_chunk::{MAX_COLUMN_SAMPLES, check_chunk};
    use narthex_model::{Histogram, Value, resolve};
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
            let merged = OwnedSamples::merged(rows.iter().map(row).collect());
            let time = merged.as_samples().time_range().map(|time| (time.min.0, time.max.0));
            prop_assert_eq!(time, expected.keys().next().copied().zip(expected.keys().last().copied()));
            let mut chunks = Vec::new();
            encode(7, SampleBatch::from(&merged).slice(0..1).samples, &mut chunks);
            prop_assert!(chunks.iter().all(|chunk| chunk.series == 7));
            // Values are equal by their bits.
            prop_assert_eq!(decoded(&chunks), expected);
        }
    }

    #[test]
    fn long_rows_are_several_chunks() {
        let samples = 3 * MAX_COLUMN_SAMPLES + 1;
        let row = OwnedSamples {
            timestamps: (0..samples as i64).collect(),
            values: (0..samples).map(|at| at as f64).collect(),
            histograms: Vec::new(),
        };
        let mut chunks = Vec::new();
        encode(0, SampleBatch::from(&row).slice(0..1).samples, &mut chunks);
        assert_eq!(chunks.len(), 4);
        assert_eq!(chunks.iter().map(|chunk| chunk.samples as usize).sum::<usize>(), samples);
        assert_eq!(decoded(&chunks).len(), samples);
    }

    #[test]
    fn no_samples_have_no_time_and_no_chunk() {
        let mut chunks = Vec::new();
        encode(0, SampleBatch::from(&OwnedSamples::default()).slice(0..1).samples, &mut chunks);
        assert!(chunks.is_empty());
        assert_eq!(OwnedSamples::default().as_samples().time_range(), None);
    }
}

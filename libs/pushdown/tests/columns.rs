//! A chunk of columns gives what a chunk of the same samples in another encoding gives, whatever part of it is asked for.

use std::collections::BTreeMap;

use narthex_chunk::{Chunk, Encoding, Floats, encode_columns, encode_floats};
use narthex_model::TimeRange;
use narthex_promql::SeriesData;
use narthex_pushdown::append;
use proptest::prelude::*;

/// What two chunks after each other give of a range.
fn appended(chunks: &[Chunk], range: TimeRange) -> (Vec<i64>, Vec<u64>) {
    let mut series = SeriesData::default();
    chunks.iter().for_each(|chunk| append(chunk, range, &mut series).expect("a sound chunk"));
    (series.timestamps, series.values.into_iter().map(f64::to_bits).collect())
}

proptest! {
    #[test]
    fn columns_are_cut_to_the_range_as_single_samples_are(
        samples in proptest::collection::btree_map(0i64..200, any::<f64>(), 2..40),
        start in -20i64..220,
        length in 0i64..220,
    ) {
        let range: TimeRange = (start..=start + length).into();
        let samples: Vec<(i64, f64)> = samples.into_iter().collect();
        let halves = samples.split_at(samples.len() / 2);
        let chunk = |samples: &[(i64, f64)], encoding| {
            let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
            let data = match encoding {
                Encoding::Columns => encode_columns(&timestamps, Floats::Doubles(&values)).1,
                _ => encode_floats(samples.iter().copied()).expect("ascends"),
            };
            let (min_ms, max_ms) = (timestamps[0], timestamps[timestamps.len() - 1]);
            Chunk { encoding, samples: samples.len() as u32, min_ms, max_ms, data: data.into() }
        };
        let both = |encoding| [chunk(halves.0, encoding), chunk(halves.1, encoding)];
        prop_assert_eq!(
            appended(&both(Encoding::Columns), range),
            appended(&both(Encoding::Floats), range)
        );
        let wanted: BTreeMap<i64, u64> = samples
            .iter()
            .filter(|(at, _)| (start..=start + length).contains(at))
            .map(|(at, value)| (*at, value.to_bits()))
            .collect();
        prop_assert_eq!(appended(&both(Encoding::Columns), range), wanted.into_iter().unzip());
    }
}

#[test]
fn a_description_that_lies_is_refused() {
    let data = encode_columns(&[10, 20, 30], Floats::Doubles(&[1.0, 2.0, 3.0])).1;
    let sound = Chunk { encoding: Encoding::Columns, samples: 3, min_ms: 10, max_ms: 30, data: data.into() };
    let refused = |chunk: &Chunk| append(chunk, TimeRange::ALL, &mut SeriesData::default()).is_err();
    assert!(!refused(&sound));
    for lie in [
        Chunk { samples: 4, ..sound.clone() },
        Chunk { samples: 2, ..sound.clone() },
        Chunk { min_ms: 9, ..sound.clone() },
        Chunk { max_ms: 20, ..sound.clone() },
    ] {
        assert!(refused(&lie), "{lie:?}");
    }
}

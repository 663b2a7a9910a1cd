//! Streams that break the protocol, and outside bytes.

use narthex_chunk::{Encoding, encode_raw};
use narthex_model::{Labels, TimeRange};
use narthex_rpc::v1::{self, select_response::Part};
use proptest::prelude::*;

use super::{AnswerBuilder, Budget, Failure, Limits, failure::OwnerError};

fn builder() -> AnswerBuilder {
    AnswerBuilder::new(
        TimeRange::ALL,
        Budget::new(Limits { series: 10, samples: 1_000, bytes: 100_000, chunks: 1_000 }),
    )
}

fn state() -> Part {
    Part::State(v1::SourceState { epoch: 3, ..v1::SourceState::default() })
}

fn series(names: &[&str]) -> Part {
    let labels =
        names.iter().map(|name| Labels::from_pairs([("__name__", name)]).as_bytes().clone()).collect();
    Part::Series(v1::SeriesBatch { labels })
}

fn raw(series: u32, samples: &[(i64, f64)]) -> v1::Chunk {
    v1::Chunk {
        series,
        encoding: Encoding::RawFloats.tag(),
        samples: samples.len() as u32,
        min_ms: samples[0].0,
        max_ms: samples[samples.len() - 1].0,
        data: encode_raw(samples.iter().copied()).into(),
    }
}

fn chunks(chunks: Vec<v1::Chunk>) -> Part {
    Part::Chunks(v1::ChunkBatch { chunks })
}

fn build(parts: Vec<Part>) -> Result<Vec<Vec<(i64, f64)>>, OwnerError> {
    let mut answer = builder();
    for part in parts {
        answer.push(v1::SelectResponse { part: Some(part) })?;
    }
    let answer = answer.finish()?;
    let samples = answer.data.into_iter().map(|s| s.timestamps.into_iter().zip(s.values).collect());
    Ok(samples.collect())
}

#[test]
fn overlapping_chunks_of_a_series_become_one_column() {
    let parts = vec![
        state(),
        series(&["a"]),
        series(&["b"]),
        chunks(vec![raw(1, &[(1, 1.0), (3, 3.0)]), raw(1, &[(2, 2.0), (3, 4.0)])]),
        chunks(vec![raw(0, &[(5, 5.0)])]),
    ];
    assert_eq!(build(parts), Ok(vec![vec![(5, 5.0)], vec![(1, 1.0), (2, 2.0), (3, 4.0)]]));
}

#[test]
fn answers_that_break_the_protocol_do_not_count() {
    let lying = |change: fn(&mut v1::Chunk)| {
        let mut chunk = raw(0, &[(1, 1.0), (2, 2.0)]);
        change(&mut chunk);
        vec![state(), series(&["a"]), chunks(vec![chunk])]
    };
    for (what, parts) in [
        ("no state", vec![]),
        ("series before the state", vec![series(&["a"])]),
        ("two states", vec![state(), state()]),
        ("series out of order", vec![state(), series(&["b", "a"])]),
        ("a series twice", vec![state(), series(&["a"]), series(&["a"])]),
        ("digests", vec![state(), Part::Digests(v1::DigestBatch::default())]),
        ("labels that are none", vec![state(), Part::Series(v1::SeriesBatch { labels: vec!["x".into()] })]),
        ("unknown series", lying(|chunk| chunk.series = 1)),
        ("unknown encoding", lying(|chunk| chunk.encoding = 99)),
        ("fewer samples", lying(|chunk| chunk.samples = 3)),
        ("more samples", lying(|chunk| chunk.samples = 1)),
        ("other times", lying(|chunk| chunk.max_ms = 7)),
        ("cut off", lying(|chunk| chunk.data.truncate(20))),
    ] {
        let built = build(parts);
        assert!(matches!(built, Err(OwnerError::Failed(Failure::Malformed(_)))), "{what}: {built:?}");
    }
}

proptest! {
    #[test]
    fn outside_bytes_never_panic(encoding in 0u32..5, samples in 0u32..20, data in proptest::collection::vec(any::<u8>(), 0..100)) {
        let chunk = v1::Chunk { series: 0, encoding, samples, min_ms: 0, max_ms: 0, data: data.clone().into() };
        let _ = build(vec![state(), series(&["a"]), chunks(vec![chunk])]);
        let _ = build(vec![state(), Part::Series(v1::SeriesBatch { labels: vec![data.into()] })]);
    }
}

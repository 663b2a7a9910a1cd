//! Matchers, time ranges, label interfaces and budgets, against the plainest implementation.

use std::collections::{BTreeMap, BTreeSet};

use narthex_block::{BatchLimits, BlockError, Budget, OwnedSamples, SampleBatch, SeriesSlice};
use narthex_model::{MatchOp, Matcher, TimeRange};
use proptest::{collection::vec, prelude::*};

use crate::{naive, support::*};

fn matcher() -> impl Strategy<Value = Matcher> {
    let name = prop_oneof![
        Just("__name__"),
        Just("A"),
        Just("ab"),
        Just("b"),
        Just("job"),
        Just("z z"),
        Just("never")
    ];
    let op = prop_oneof![
        3 => Just(MatchOp::Equal), 1 => Just(MatchOp::NotEqual), 1 => Just(MatchOp::Regex), 1 => Just(MatchOp::NotRegex)
    ];
    let value = prop_oneof![
        Just(""),
        Just("a"),
        Just("m"),
        Just("n"),
        Just("ab"),
        Just("a|m|n"),
        Just(".+"),
        Just(".*"),
        Just("x+a"),
        Just("ä\u{1F600}")
    ];
    (name, op, value).prop_map(|(name, op, value)| Matcher::new(name, op, value).expect("compiles"))
}

fn range() -> impl Strategy<Value = TimeRange> {
    prop_oneof![
        1 => Just(TimeRange::ALL),
        3 => (-26_000i64..26_000, 0i64..30_000).prop_map(|(start, length)| (start..=start + length).into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_selection_is_the_naive_filter(
        content in content(0..16),
        schema in schema(),
        matchers in vec(matcher(), 0..4),
        range in range(),
        small: bool,
    ) {
        let settings = if small { small_pages() } else { Default::default() };
        let (bytes, meta) = write(&content, schema, settings);
        let expected = naive::select(&content, &matchers, range);
        prop_assert!(expected.is_empty() || meta.may_match(&matchers, range), "never planned away");
        let touching = naive::touching(&content, &matchers, range);
        let block = bytes.clone();
        let (found, names, values, series) = block_on(async {
            let reader = open(bytes, meta.footer_length).await.expect("opens");
            let budget = Budget::default();
            (
                select(&reader, &matchers, range).await.expect("selected"),
                reader.label_names(&matchers, range, budget).await.expect("names"),
                [
                    reader.label_values("ab", &matchers, range, budget).await.expect("values"),
                    reader.label_values("z z", &matchers, range, budget).await.expect("values"),
                ],
                reader.series(&matchers, range, budget).await.expect("series"),
            )
        });
        prop_assert_eq!(&found, &expected);
        let kept = block_on(async {
            let reader = open(block, meta.footer_length).await.expect("opens");
            let whole = reader.select(&matchers, TimeRange::ALL, Budget::default()).await.expect("selected");
            let kept = reader.select_found(&whole.found(), range, Budget::default()).expect("in budget");
            let fresh = reader.select(&matchers, range, Budget::default()).await.expect("selected");
            assert_eq!((kept.series(), kept.samples(), kept.bytes()), (fresh.series(), fresh.samples(), fresh.bytes()));
            kept.collect().await.expect("read")
        });
        prop_assert_eq!(kept, expected, "of what an earlier selection found");
        prop_assert_eq!(series.iter().collect::<Vec<_>>(), touching.clone());
        let all = touching.iter().flat_map(|labels| labels.iter());
        prop_assert_eq!(names, all.clone().map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>());
        for (name, values) in ["ab", "z z"].into_iter().zip(values) {
            let expected = all.clone().filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
            prop_assert_eq!(values, expected.collect::<BTreeSet<_>>());
        }
    }

    #[test]
    fn batches_of_any_size_give_the_same_rows(content in content(0..10), schema in schema(), samples in 0u64..8, bytes in 0u64..400) {
        let (block, meta) = write(&content, schema, small_pages());
        let (rows, batches) = block_on(async {
            let reader = open(block, meta.footer_length).await.expect("opens");
            let find = || reader.select(&[], TimeRange::ALL, Budget::default());
            let mut whole = find().await.expect("selected").into_samples();
            let mut rows = Vec::new();
            let rows_of = |batch: &SampleBatch| -> Vec<_> {
                batch.slices().map(|slice| (slice.series, slice.samples.to_owned())).collect()
            };
            while let Some(batch) = whole.next_batch().await.expect("read") {
                rows.extend(rows_of(&batch));
            }
            let mut selection = find().await.expect("selected");
            let series = selection.take_series();
            assert!(selection.series().is_empty() && series.len() == content.values().filter(|samples| !samples.is_empty()).count());
            let mut parts = selection.into_batches(BatchLimits { bytes, samples });
            let mut batches = Vec::new();
            while let Some(batch) = parts.next_batch().await.expect("read") {
                batches.push(rows_of(&batch));
            }
            (rows, batches)
        });
        prop_assert!(batches.iter().all(|batch| !batch.is_empty()));
        prop_assert_eq!(batches.concat(), rows);
    }

    #[test]
    fn rows_of_a_series_are_taken_as_one(content in content(0..10), schema in schema()) {
        let (block, meta) = write(&content, schema, small_pages());
        block_on(async {
            let reader = open(block, meta.footer_length).await.expect("opens");
            let selection = reader.select(&[], TimeRange::ALL, Budget::default()).await.expect("selected");
            let mut samples = selection.into_samples();
            while let Some(batch) = samples.next_batch().await.expect("read") {
                let (mut single, mut joined) = (BTreeMap::new(), BTreeMap::new());
                let add = |all: &mut BTreeMap<usize, OwnedSamples>, slice: SeriesSlice<'_>| {
                    all.entry(slice.series).or_default().append(slice.samples.to_owned());
                };
                batch.slices().for_each(|slice| add(&mut single, slice));
                let mut row = 0;
                while row < batch.len() {
                    let run = batch.run(row);
                    assert!(run.start == row && row < run.end && run.end <= batch.len());
                    row = run.end;
                    add(&mut joined, batch.slice(run));
                }
                assert_eq!(joined, single);
            }
        });
    }

    #[test]
    fn a_budget_is_exact(content in content(2..10)) {
        let schema = narthex_block::BlockSchema::with_labels(["ab"], |_| false, true);
        let (bytes, meta) = write(&content, schema, small_pages());
        let try_with = |budget: Budget| block_on(async {
            let reader = open(bytes.clone(), meta.footer_length).await.expect("opens");
            reader.select(&[], TimeRange::ALL, budget).await
        });
        let exact = Budget { series: meta.series, samples: meta.samples, ..Budget::default() };
        let selection = try_with(exact).expect("fits");
        prop_assert_eq!((selection.samples(), selection.series().len() as u64), (meta.samples, meta.series));
        if meta.samples > 0 {
            for (budget, what) in [
                (Budget { series: meta.series - 1, ..exact }, "series"),
                (Budget { samples: meta.samples - 1, ..exact }, "samples"),
                (Budget { bytes: 1, ..exact }, "bytes"),
            ] {
                match try_with(budget) {
                    Err(BlockError::Budget { what: found, .. }) => prop_assert_eq!(found, what),
                    other => prop_assert!(false, "{:?} for {}", other.map(|_| ()), what),
                }
            }
        }
    }
}

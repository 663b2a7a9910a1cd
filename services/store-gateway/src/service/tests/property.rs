//! Whatever the blocks hold, answers are what a plain filter over the same samples gives.

use std::{collections::BTreeSet, sync::Arc};

use narthex_model::{Histogram, Labels, MatchOp, Matcher, TimeRange, Value};
use narthex_rpc::v1::{
    LabelNamesRequest, LabelValuesRequest, LabelsResponse, SeriesRequest, series_response::Part,
    series_source_server::SeriesSource,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use tonic::Request;

use futures::StreamExt;

use super::super::fixture::{Content, TestGateway, context, filter, select, series, union, wire};

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (0u32..5).prop_map(|value| Value::Float(value.into())),
        2 => any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        1 => Just(Value::Float(narthex_model::stale_marker())),
        1 => (0u32..3).prop_map(|sum| {
            Value::Histogram(Arc::new(Histogram { sum: sum.into(), ..Histogram::default() }))
        }),
    ]
}

/// Blocks whose series and windows partly overlap.
fn content() -> impl Strategy<Value = Content> {
    let labels = ("[abc]", "[xyz]").prop_map(|(name, job)| series(&name, &job));
    btree_map(labels, btree_map(-30_000i64..30_000, value(), 1..12), 0..8)
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let op = prop_oneof![
        Just(MatchOp::Equal),
        Just(MatchOp::NotEqual),
        Just(MatchOp::Regex),
        Just(MatchOp::NotRegex)
    ];
    let name = prop_oneof![Just("__name__"), Just("job"), Just("instance"), Just("none")];
    (name, op, prop_oneof![Just("a"), Just("x"), Just("a|b"), Just(""), Just("a:1"), Just(".*")])
        .prop_map(|(name, op, value)| Matcher::new(name, op, value).expect("compiles"))
}

fn range() -> impl Strategy<Value = TimeRange> {
    (-35_000i64..35_000, 0i64..40_000).prop_map(|(from, length)| (from..=from + length).into())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Label sets that blocks may name for a range: matching ones with a window that the range touches; those with samples in it
/// for certain.
fn series_bounds(
    blocks: &[Content],
    matchers: &[Matcher],
    range: TimeRange,
) -> (BTreeSet<Labels>, BTreeSet<Labels>) {
    let all = union(blocks);
    let certain = filter(&all, matchers, range).into_keys().collect();
    let possible = filter(&all, matchers, TimeRange::ALL).into_keys().collect();
    (certain, possible)
}

fn values_of(answer: Result<tonic::Response<LabelsResponse>, tonic::Status>) -> BTreeSet<String> {
    let values = answer.expect("answered").into_inner().values;
    assert!(values.is_sorted_by(|a, b| a < b));
    values.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_select_over_blocks_is_the_plain_filter(
        blocks in vec(content(), 0..5),
        matchers in vec(matcher(), 0..3),
        range in range(),
    ) {
        let expected = filter(&union(&blocks), &matchers, range);
        let found = block_on(async {
            let gateway = TestGateway::new().await;
            let mut refs = Vec::new();
            for (number, block) in blocks.iter().enumerate() {
                refs.push(gateway.put(number as u128, block).await);
            }
            gateway.content(select(&refs, &matchers, range)).await.expect("answered")
        });
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn label_interfaces_name_what_series_have(
        blocks in vec(content(), 1..4),
        matchers in vec(matcher(), 0..2),
        other in vec(matcher(), 1..2),
        range in range(),
    ) {
        let (names, values, found) = block_on(async {
            let gateway = TestGateway::new().await;
            let mut refs = Vec::new();
            for (number, block) in blocks.iter().enumerate() {
                refs.push(gateway.put(number as u128, block).await);
            }
            let (service, selectors) = (gateway.service(), vec![wire(&matchers), wire(&other)]);
            let context = context(&refs, range);
            let names = LabelNamesRequest { context: context.clone(), selectors: selectors.clone(), limit: 0 };
            let names = values_of(service.label_names(Request::new(names)).await);
            let values = LabelValuesRequest {
                context: context.clone(), selectors: selectors.clone(), name: "job".into(), limit: 0,
            };
            let values = values_of(service.label_values(Request::new(values)).await);
            let series = SeriesRequest { context, selectors, limit: 0 };
            let stream = service.series(Request::new(series)).await.expect("answered").into_inner();
            let mut found = BTreeSet::new();
            for message in stream.collect::<Vec<_>>().await {
                if let Some(Part::Series(batch)) = message.expect("sent").part {
                    for labels in batch.labels {
                        assert!(found.insert(Labels::from_canonical(labels).expect("sound")), "each once");
                    }
                }
            }
            (names, values, found)
        });
        let (one, two) = (series_bounds(&blocks, &matchers, range), series_bounds(&blocks, &other, range));
        let certain: BTreeSet<_> = one.0.union(&two.0).cloned().collect();
        let possible: BTreeSet<_> = one.1.union(&two.1).cloned().collect();
        prop_assert!(certain.is_subset(&found) && found.is_subset(&possible), "{:?}", found);
        let pairs = || found.iter().flat_map(Labels::iter);
        prop_assert_eq!(names, pairs().map(|(name, _)| name.to_owned()).collect());
        let jobs = pairs().filter(|(name, _)| *name == "job").map(|(_, value)| value.to_owned());
        prop_assert_eq!(values, jobs.collect());
    }
}

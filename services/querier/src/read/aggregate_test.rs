//! Aggregations by owners against the same aggregations of what is read, over owners that each miss something.

use std::{sync::Arc, time::Duration};

use narthex_cluster::{Cluster, Snapshot};
use narthex_model::{Labels, TimeRange, TimestampMs, WorkspaceId};
use narthex_promql::{Control, Engine, EngineConfig, QueryResult, Reservation, parse};
use narthex_ring::Replication;
use narthex_rpc::RpcError;
use narthex_service::Components;
use proptest::prelude::*;

use super::{
    Limits, Reader, ReaderParts,
    fake_owners::{Conduct, Fake, FakeOwners, Held, ring},
};
use crate::{
    metrics::{Metrics, Reason},
    reads::Reads,
};

const WORKSPACE: WorkspaceId = WorkspaceId::from_u128(7);
const MINUTE: i64 = 60_000;
const NAMES: [&str; 6] = ["a-0", "b-0", "c-0", "a-1", "b-1", "c-1"];

const QUERIES: [&str; 10] = [
    "sum by (zone) (rate(m[3m]))",
    "sum(m)",
    "avg by (zone) (m)",
    "max(max_over_time(m[5m]))",
    "min by (zone) (m offset 1m)",
    "count(m)",
    "group by (pod) (m)",
    "topk(2, m)",
    "bottomk by (zone) (1, increase(m[4m]))",
    "limitk(3, m) or sum(m)",
];

fn reader(owners: &FakeOwners) -> (Reader, Metrics) {
    let bytes = u64::MAX / 16;
    reader_with(owners, Duration::from_secs(20), bytes)
}

fn reader_with(owners: &FakeOwners, hedge_after: Duration, bytes: u64) -> (Reader, Metrics) {
    let components = Components::from_system(None);
    let metrics = Metrics::register(&mut components.registry.lock());
    let all = u64::MAX / 16;
    let snapshot =
        Snapshot { revision: 1, ring: Arc::new(ring(1, 2)), ..Snapshot::empty(Replication::Three) };
    let reader = Reader::new(ReaderParts {
        cluster: Cluster::new(snapshot, None),
        owners: Arc::new(owners.clone()),
        catalogue: None,
        clock: components.clock,
        random: components.random,
        metrics: metrics.clone(),
        zone: "a".into(),
        limits: Limits { series: all, samples: all, bytes, chunks: all },
        hedge_after,
    });
    (reader, metrics)
}

fn answer(reader: &Reader, query: &str, push_down: bool) -> Result<QueryResult, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let engine = Engine::new(EngineConfig { push_down, ..EngineConfig::default() });
    let expr = parse(query).expect("a query");
    let (start, end) = (TimestampMs(4 * MINUTE), TimestampMs(9 * MINUTE));
    let source = reader.source(WORKSPACE, TimeRange { min: start, max: end }, Reservation::default());
    let control = Control::default();
    let result = engine.range(&*source, &expr, start, end, MINUTE, &control);
    runtime.block_on(result).map_err(|error| error.to_string())
}

fn same(reader: &Reader, query: &str) {
    let pushed = answer(reader, query, true).expect("answered");
    let read = answer(reader, query, false).expect("answered");
    assert_eq!(format!("{:?}", pushed.value), format!("{:?}", read.value), "{query}");
    assert_eq!(pushed.stats.total_queryable_samples, read.stats.total_queryable_samples, "{query}");
}

fn labels(pod: usize) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("pod", &pod.to_string()), ("zone", &(pod % 3).to_string())])
}

/// For each series its partition and samples; for each sample its value and which owner misses it, if any.
type Data = Vec<(usize, Vec<(f64, Option<usize>)>)>;

fn data() -> impl Strategy<Value = Data> {
    let value = prop_oneof![4 => (0..50i32).prop_map(f64::from), 1 => -1e3..1e3f64, 1 => Just(f64::NAN)];
    let sample = (value, proptest::option::weighted(0.05, 0..3usize));
    proptest::collection::vec((0..2usize, proptest::collection::vec(sample, 1..20)), 0..40)
}

fn owners(data: &Data) -> FakeOwners {
    let mut fakes: Vec<Fake> = NAMES.iter().map(|_| Fake::default()).collect();
    for (pod, (partition, samples)) in data.iter().enumerate() {
        for owner in 0..3 {
            let held = samples.iter().enumerate().filter(|(_, (_, missed_by))| *missed_by != Some(owner));
            let held: Vec<(i64, f64)> =
                held.map(|(at, (value, _))| (at as i64 * MINUTE / 2 + 1, *value)).collect();
            if !held.is_empty() {
                fakes[partition * 3 + owner].series.push((labels(pod), held) as Held);
            }
        }
    }
    FakeOwners::new(NAMES.into_iter().zip(fakes))
}

fn outcomes(metrics: &Metrics) -> (u64, u64) {
    let count = |reason| metrics.aggregations.get_or_create(&Reason { reason }).get();
    (count("answered"), count("refused"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn owners_answer_what_reading_them_would(data in data(), query in 0..QUERIES.len()) {
        let (reader, _) = reader(&owners(&data));
        same(&reader, QUERIES[query]);
    }
}

#[test]
fn equal_copies_are_aggregated_by_one_owner() {
    let data: Data = (0..30).map(|pod| (pod % 2, vec![(pod as f64, None); 19])).collect();
    let (reader, metrics) = reader(&owners(&data));
    for query in QUERIES {
        same(&reader, query);
    }
    let (answered, refused) = outcomes(&metrics);
    assert!(answered >= QUERIES.len() as u64 && refused == 0, "{answered} answered, {refused} refused");
}

#[test]
fn owners_that_refuse_or_fail_are_read() {
    let data: Data = (0..6).map(|pod| (pod % 2, vec![(pod as f64, None); 19])).collect();
    let foreign = owners(&data);
    let set_foreign = |value: bool| {
        let mut all = foreign.owners.lock();
        for name in ["a-1", "b-1", "c-1"] {
            all.get_mut(&name.into()).expect("an owner").foreign = value;
        }
    };
    set_foreign(true);
    let (reader, metrics) = reader(&foreign);
    same(&reader, "sum(m)");
    assert_eq!(outcomes(&metrics), (0, 1), "each series must count once");
    set_foreign(false);
    // One owner of each partition is down: two are a quorum.
    for name in ["a-0", "c-1"] {
        let down = Conduct::Refuses(RpcError::Unavailable("connection refused".into()));
        let mut all = foreign.owners.lock();
        all.get_mut(&name.into()).expect("an owner").conduct = down;
    }
    same(&reader, "sum by (zone) (rate(m[3m]))");
    assert_eq!(outcomes(&metrics), (1, 1));
}

#[test]
fn another_of_the_agreed_owners_is_asked_where_one_is_silent() {
    let data: Data = (0..6).map(|pod| (pod % 2, vec![(pod as f64, None); 19])).collect();
    let owners = owners(&data);
    // The reader is in their zone, so they are asked first.
    for name in ["a-0", "a-1"] {
        let mut all = owners.owners.lock();
        all.get_mut(&name.into()).expect("an owner").conduct = Conduct::HangsAggregating;
    }
    let (reader, metrics) = reader_with(&owners, Duration::from_millis(50), u64::MAX / 16);
    same(&reader, "sum by (zone) (rate(m[3m]))");
    assert_eq!(outcomes(&metrics), (1, 0));
    assert!(metrics.hedged.get() >= 2, "{} calls hedged", metrics.hedged.get());
}

#[test]
fn what_owners_look_at_counts_as_bytes_of_the_query() {
    let data: Data = (0..6).map(|pod| (pod % 2, vec![(pod as f64, None); 19])).collect();
    // Two copies of 6 series with 19 samples of 16 bytes.
    for (bytes, enough) in [(3 << 10, false), (8 << 10, true)] {
        let (reader, _) = reader_with(&owners(&data), Duration::from_secs(20), bytes);
        let answer = answer(&reader, "sum(m)", true);
        assert_eq!(answer.is_ok(), enough, "{answer:?}");
        if let Err(text) = answer {
            assert!(text.contains("the query hit the aggregated data size limit"), "{text}");
        }
    }
}

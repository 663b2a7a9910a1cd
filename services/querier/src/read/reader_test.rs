//! The reader over owners in memory: quorum, ring changes, slowness, contradiction, budget, cancellation.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use narthex_cluster::{CatchUp, Cluster, NotCurrent, Snapshot};
use narthex_model::{Labels, Matcher, TimeRange, TimestampMs, WorkspaceId};
use narthex_promql::{Reservation, SelectHints, SelectedSeries, Selection, SourceError};
use narthex_ring::{Replication, Ring};
use narthex_rpc::RpcError;
use narthex_service::{Components, SystemClock};

use super::{
    Limits, Reader, ReaderParts,
    fake_owners::{Conduct, Fake, FakeOwners, ring},
};
use crate::{
    memory::{MemoryLimits, QueryMemory},
    metrics::Metrics,
    reads::{Lookup, Reads},
};

const WORKSPACE: WorkspaceId = WorkspaceId::from_u128(7);
const LIMITS: Limits = Limits { series: 100, samples: 100, bytes: 10_000, chunks: 100 };
const AT_ONCE: TimeRange = TimeRange { min: TimestampMs(0), max: TimestampMs(0) };

fn snapshot(revision: u64, ring: Ring) -> Snapshot {
    Snapshot { revision, ring: Arc::new(ring), ..Snapshot::empty(Replication::Three) }
}

fn reader_of(
    owners: &FakeOwners,
    cluster: Cluster,
    limits: Limits,
    hedge_after: Duration,
) -> (Reader, Metrics) {
    let components = Components::from_system(None);
    let metrics = Metrics::register(&mut components.registry.lock());
    let parts = ReaderParts {
        cluster,
        owners: Arc::new(owners.clone()),
        catalogue: None,
        clock: components.clock,
        random: components.random,
        metrics: metrics.clone(),
        zone: "a".into(),
        limits,
        hedge_after,
    };
    (Reader::new(parts), metrics)
}

fn reader(owners: &FakeOwners, partitions: u32) -> (Reader, Metrics) {
    reader_of(owners, Cluster::new(snapshot(1, ring(1, partitions)), None), LIMITS, Duration::from_secs(20))
}

async fn select(reader: &Reader) -> Result<SelectedSeries, SourceError> {
    let selection = Selection {
        matchers: vec![Matcher::equal("x", "y")],
        range: TimeRange::from(0..=1_000),
        hints: SelectHints::default(),
    };
    reader.source(WORKSPACE, AT_ONCE, Reservation::default()).select(&selection).await
}

/// Names with their samples.
fn plain(selected: SelectedSeries) -> Vec<(String, Vec<(i64, f64)>)> {
    let samples = |times: Vec<i64>, values: Vec<f64>| times.into_iter().zip(values).collect();
    let one =
        |s: narthex_promql::SeriesData| (s.labels.metric_name().to_owned(), samples(s.timestamps, s.values));
    selected.series.into_iter().map(one).collect()
}

fn down() -> Conduct {
    Conduct::Refuses(RpcError::Unavailable("connection refused".into()))
}

fn up(samples: &[(i64, f64)]) -> Vec<(String, Vec<(i64, f64)>)> {
    vec![("up".into(), samples.to_vec())]
}

#[tokio::test]
async fn samples_of_any_two_owners_are_found_once() {
    let (older, newer) = (Fake::holding("up", &[(1, 1.0)]), Fake::holding("up", &[(1, 1.0), (2, 2.0)]));
    let owners = FakeOwners::new([("a-0", older.clone()), ("b-0", newer.clone()), ("c-0", newer)]);
    let (reader, _) = reader(&owners, 1);
    assert_eq!(select(&reader).await.map(plain), Ok(up(&[(1, 1.0), (2, 2.0)])));
    assert_eq!(owners.asked.lock().len(), 2, "two owners are enough");
    assert_eq!(owners.asked.lock()[0], "a-0", "the own zone comes first");
}

#[tokio::test]
async fn samples_outside_of_the_range_are_left_out() {
    let fake = Fake::holding("up", &[(-1, 0.0), (0, 1.0), (1_000, 2.0), (1_001, 3.0)]);
    let owners = FakeOwners::new([("a-0", fake.clone()), ("b-0", fake.clone()), ("c-0", fake)]);
    assert_eq!(select(&reader(&owners, 1).0).await.map(plain), Ok(up(&[(0, 1.0), (1_000, 2.0)])));
}

#[tokio::test]
async fn an_owner_that_refuses_breaks_off_or_is_confused_is_replaced() {
    let recovering = Conduct::Refuses(RpcError::Unavailable("RECOVERING".into()));
    for conduct in [down(), recovering, Conduct::BreaksOff, Conduct::Confused] {
        let full = Fake::holding("up", &[(1, 1.0)]);
        let mut bad = Fake::holding("wrong", &[(1, 7.0)]);
        bad.series.push((Labels::from_pairs([("__name__", "worse")]), vec![(1, 8.0)]));
        let owners = FakeOwners::new([("a-0", bad.acting(conduct)), ("b-0", full.clone()), ("c-0", full)]);
        let (reader, _) = reader(&owners, 1);
        assert_eq!(select(&reader).await.map(plain), Ok(up(&[(1, 1.0)])), "nothing of a half answer stays");
        assert_eq!(owners.asked.lock().len(), 3);
    }
}

#[tokio::test]
async fn without_a_quorum_of_every_partition_the_read_fails_and_says_where() {
    let full = Fake::holding("up", &[(1, 1.0)]);
    let healthy = ["a-0", "b-0", "c-0", "b-1"].map(|name| (name, full.clone()));
    let owners = FakeOwners::new(healthy.into_iter().chain([("a-1", full.clone().acting(down()))]));
    let (reader, metrics) = reader(&owners, 2);
    let Err(SourceError::Unavailable(text)) = select(&reader).await else {
        panic!("part of the data passed as all")
    };
    assert!(
        text.starts_with("partition 1 (ACTIVE) cannot be read: 2 complete answer(s) are needed; "),
        "{text}"
    );
    assert!(text.contains("a-1 unavailable: connection refused"), "{text}");
    assert!(text.contains("c-1 unavailable: nobody there"), "{text}");
    assert_eq!(metrics.no_quorum.get(), 1);
}

#[tokio::test]
async fn before_a_ring_is_known_nothing_is_answered() {
    let empty = Cluster::new(Snapshot::empty(Replication::Three), None);
    let (reader, _) = reader_of(&FakeOwners::default(), empty, LIMITS, Duration::from_secs(20));
    assert!(matches!(select(&reader).await, Err(SourceError::Unavailable(_))));
}

/// Installs a ring, or cannot reach the control plane.
struct Control(Option<Ring>);

#[async_trait]
impl CatchUp for Control {
    async fn catch_up(&self, cluster: &Cluster) -> Result<(), NotCurrent> {
        let ring = self.0.clone().ok_or_else(|| NotCurrent("no answer".into()))?;
        cluster.install(snapshot(ring.revision().0, ring));
        Ok(())
    }
}

#[tokio::test]
async fn a_newer_ring_makes_a_new_plan() {
    let first = Fake { ring_revision: 2, ..Fake::holding("a", &[(1, 1.0)]) };
    let second = Fake { ring_revision: 3, ..Fake::holding("b", &[(1, 2.0)]) };
    let of = |zone: [&'static str; 3], fake: &Fake| zone.map(|name| (name, fake.clone()));
    let all = || of(["a-0", "b-0", "c-0"], &first).into_iter().chain(of(["a-1", "b-1", "c-1"], &second));
    let cluster = |control| Cluster::new(snapshot(1, ring(1, 1)), Some(Arc::new(control)));
    let owners = FakeOwners::new(all());
    let (reader, metrics) =
        reader_of(&owners, cluster(Control(Some(ring(2, 2)))), LIMITS, Duration::from_secs(20));
    let found = select(&reader).await.map(plain);
    assert_eq!(found, Ok(vec![("a".into(), vec![(1, 1.0)]), ("b".into(), vec![(1, 2.0)])]));
    assert_eq!(metrics.replans.get(), 1, "revision 3 came after the catch-up, so the second plan stands");

    let (reader, _) = reader_of(&owners, cluster(Control(None)), LIMITS, Duration::from_secs(20));
    assert!(
        matches!(select(&reader).await, Err(SourceError::Unavailable(_))),
        "the new ring cannot be learned"
    );
}

#[tokio::test]
async fn a_silent_owner_is_hedged() {
    let full = Fake::holding("up", &[(1, 1.0)]);
    let silent = full.clone().acting(Conduct::Hangs);
    let owners = FakeOwners::new([("a-0", silent), ("b-0", full.clone()), ("c-0", full)]);
    let cluster = Cluster::new(snapshot(1, ring(1, 1)), None);
    let (reader, metrics) = reader_of(&owners, cluster, LIMITS, Duration::from_millis(20));
    assert_eq!(select(&reader).await.map(plain), Ok(up(&[(1, 1.0)])));
    assert_eq!(metrics.hedged.get(), 1);
}

#[tokio::test]
async fn a_contradiction_is_settled_by_the_third_owner() {
    let holding = |value| Fake::holding("up", &[(1, value)]);
    let owners = FakeOwners::new([("a-0", holding(9.0)), ("b-0", holding(1.0)), ("c-0", holding(1.0))]);
    let (reader, metrics) = reader(&owners, 1);
    assert_eq!(select(&reader).await.map(plain), Ok(up(&[(1, 1.0)])), "the value that two hold wins");
    assert_eq!((owners.asked.lock().len(), metrics.conflicts.get()), (3, 1));
    for name in ["b-0", "c-0"] {
        owners.owners.lock().insert(name.into(), holding(1.0));
    }
    owners.owners.lock().insert("c-0".into(), holding(1.0).acting(down()));
    assert_eq!(select(&reader).await.map(plain), Ok(up(&[(1, 9.0)])), "without the third the greatest wins");
}

#[tokio::test]
async fn one_series_in_two_partitions_is_one_series() {
    let of = |zone: [&'static str; 3], fake: Fake| zone.map(|name| (name, fake.clone()));
    let old = of(["a-0", "b-0", "c-0"], Fake::holding("up", &[(1, 1.0)]));
    let new = of(["a-1", "b-1", "c-1"], Fake::holding("up", &[(1, 1.0), (2, 2.0)]));
    let owners = FakeOwners::new(old.into_iter().chain(new));
    assert_eq!(select(&reader(&owners, 2).0).await.map(plain), Ok(up(&[(1, 1.0), (2, 2.0)])));
}

#[tokio::test]
async fn a_read_beyond_its_budget_fails() {
    let fake = Fake::holding("up", &[(1, 1.0), (2, 2.0)]);
    let owners = FakeOwners::new(["a-0", "b-0", "c-0"].map(|name| (name, fake.clone())));
    let cluster = || Cluster::new(snapshot(1, ring(1, 1)), None);
    for limits in [
        Limits { samples: 1, ..LIMITS },
        Limits { bytes: 10, ..LIMITS },
        Limits { series: 0, ..LIMITS },
        Limits { chunks: 0, ..LIMITS },
    ] {
        let (reader, _) = reader_of(&owners, cluster(), limits, Duration::from_secs(20));
        let found = select(&reader).await;
        assert!(matches!(found, Err(SourceError::LimitExceeded(_))), "{limits:?}: {found:?}");
    }
    let over = Fake::default().acting(Conduct::Refuses(RpcError::OverBudget("too many series".into())));
    owners.owners.lock().insert("a-0".into(), over);
    let found = select(&reader(&owners, 1).0).await;
    assert_eq!(found.map(plain), Err(SourceError::LimitExceeded("too many series".into())));
    let text = "series limit exceeded: more than 100";
    let over = Fake::default().acting(Conduct::Refuses(RpcError::OverBudget(text.into())));
    owners.owners.lock().insert("a-0".into(), over);
    let text = "the query reads more than 100 series, its limit; select fewer series or a shorter time";
    assert_eq!(select(&reader(&owners, 1).0).await.map(plain), Err(SourceError::LimitExceeded(text.into())));
}

#[tokio::test]
async fn dropping_a_read_ends_its_streams() {
    let silent = Fake::default().acting(Conduct::Hangs);
    let owners = FakeOwners::new(["a-0", "b-0", "c-0"].map(|name| (name, silent.clone())));
    let (reader, _) = reader(&owners, 1);
    let read = tokio::spawn(async move { select(&reader).await });
    let reaches = async |wanted: usize| {
        let clock = SystemClock::shared();
        let deadline = clock.monotonic() + Duration::from_secs(20);
        while owners.open.load(Ordering::SeqCst) != wanted {
            assert!(clock.monotonic() < deadline, "not {wanted} open streams in time");
            tokio::task::yield_now().await;
        }
    };
    reaches(2).await;
    read.abort();
    reaches(0).await;
}

#[tokio::test]
async fn names_values_and_series_are_unions() {
    let owners = FakeOwners::new([
        ("a-0", Fake::holding("m1", &[(1, 1.0)])),
        ("b-0", Fake::holding("m2", &[(1, 1.0)])),
        ("c-0", Fake::holding("m2", &[(1, 1.0)])),
    ]);
    let (reader, _) = reader(&owners, 1);
    let lookup = |limit| Lookup {
        selectors: Vec::new(),
        range: TimeRange::ALL,
        limit,
        memory: Reservation::default(),
    };
    assert_eq!(reader.label_names(WORKSPACE, &lookup(None)).await, Ok(vec!["m1".into(), "m2".into()]));
    assert_eq!(reader.label_values(WORKSPACE, "x", &lookup(Some(1))).await, Ok(vec!["m1".into()]));
    let named = |name: &str| Labels::from_pairs([("__name__", name)]);
    assert_eq!(reader.series(WORKSPACE, &lookup(None)).await, Ok(vec![named("m1"), named("m2")]));
    let metadata = reader.metadata(WORKSPACE, "m1").await.expect("quorum");
    assert_eq!(metadata.len(), 2, "what two owners say differently is both told");
    owners.owners.lock().clear();
    assert!(matches!(reader.label_names(WORKSPACE, &lookup(None)).await, Err(SourceError::Unavailable(_))));
}

#[tokio::test]
async fn what_answers_occupy_is_taken_while_they_are_read_and_held_with_the_series() {
    let samples: Vec<_> = (0..90).map(|at| (at, at as f64)).collect();
    let fake = Fake::holding("up", &samples);
    let owners = FakeOwners::new(["a-0", "b-0", "c-0"].map(|name| (name, fake.clone())));
    let (reader, metrics) = reader(&owners, 1);
    let bytes = 90 * 16;
    let within = |query| {
        let limits = MemoryLimits { process: 1 << 20, workspace: 1 << 20, query };
        QueryMemory::new(limits, metrics.clone())
    };
    let selection = Selection {
        matchers: vec![Matcher::equal("x", "y")],
        range: TimeRange::from(0..=1_000),
        hints: SelectHints::default(),
    };
    let memory = within(bytes);
    let source = reader.source(WORKSPACE, AT_ONCE, memory.reservation(WORKSPACE));
    let refused = source.select(&selection).await.expect_err("labels and a second copy are more");
    assert!(
        matches!(&refused, SourceError::LimitExceeded(text) if text.contains("--query.memory-per-query"))
    );
    drop(source);
    assert_eq!(metrics.memory.get(), 0, "a refused read leaves nothing");

    let memory = within(100 * bytes);
    let source = reader.source(WORKSPACE, AT_ONCE, memory.reservation(WORKSPACE));
    let selected = source.select(&selection).await.expect("enough");
    let held = metrics.memory.get() as u64;
    assert!((bytes..2 * bytes).contains(&held), "one of two copies is left: {held} of {bytes}");
    drop(selected);
    assert_eq!(metrics.memory.get(), 0);
}

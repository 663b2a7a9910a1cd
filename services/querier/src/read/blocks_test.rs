//! Reads over heads and blocks: cuts on their way, gateways and blocks that fail, budgets, and an oracle.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use narthex_cluster::{Cluster, Instance, Role, Snapshot};
use narthex_manifest::Freshness;
use narthex_model::{Labels, Matcher, TimeRange, TimestampMs, WorkspaceId, Zone};
use narthex_promql::{Reservation, SelectHints, Selection, SourceError};
use narthex_ring::{Replication, Ring};
use narthex_rpc::RpcError;
use narthex_service::Components;
use proptest::prelude::*;

use super::{
    Catalogue, Limits, Reader, ReaderParts,
    fake_blocks::{FakeCatalogue, Stored, block, held},
    fake_owners::{Conduct, Fake, FakeOwners, Held, ring},
};
use crate::{
    metrics::Metrics,
    reads::{Lookup, Reads},
};

const WORKSPACE: WorkspaceId = WorkspaceId::from_u128(7);
const LIMITS: Limits = Limits { series: 100, samples: 1_000, bytes: 100_000, chunks: 1_000 };
const AT_ONCE: TimeRange = TimeRange { min: TimestampMs(0), max: TimestampMs(0) };
const PATIENT: Duration = Duration::from_secs(20);

type Found = Result<Vec<(String, Vec<(i64, f64)>)>, SourceError>;

/// A cluster of three zones with a gateway in each.
struct Rig {
    owners: FakeOwners,
    catalogue: Arc<FakeCatalogue>,
    cluster: Cluster,
    limits: Limits,
    hedge_after: Duration,
}

fn snapshot(revision: u64, ring: Ring, gateways: &[&str]) -> Snapshot {
    let gateway = |name: &&str| Instance {
        id: (*name).into(),
        role: Role::StoreGateway,
        zone: Zone::from(&name[name.len() - 1..]),
        address: format!("{name}:1"),
        ordinal: 0,
        incarnation: None,
        leaving: false,
    };
    let instances = gateways.iter().map(gateway).map(|gateway| (gateway.id.clone(), gateway)).collect();
    Snapshot { revision, ring: Arc::new(ring), instances, ..Snapshot::empty(Replication::Three) }
}

impl Rig {
    fn new(gateways: &[&str]) -> Self {
        let owners = FakeOwners::default();
        let rig = Self {
            catalogue: FakeCatalogue::new(WORKSPACE, &owners.gateways),
            owners,
            cluster: Cluster::new(snapshot(1, ring(1, 1), gateways), None),
            limits: LIMITS,
            hedge_after: PATIENT,
        };
        rig.heads(Fake::default());
        rig
    }

    fn of_three_gateways() -> Self {
        Self::new(&["g-a", "g-b", "g-c"])
    }

    /// What all owners of partition 0 hold.
    fn heads(&self, fake: Fake) {
        for name in ["a-0", "b-0", "c-0"] {
            self.owners.owners.lock().insert(name.into(), fake.clone());
        }
    }

    fn holding(&self, held: &[Held], manifest_revision: u64) {
        self.heads(Fake { series: held.to_vec(), manifest_revision, ..Fake::default() });
    }

    fn conduct(&self, gateway: &str, conduct: Conduct) {
        self.owners.gateways.conduct.lock().insert(gateway.into(), conduct);
    }

    fn reader(&self) -> (Reader, Metrics) {
        self.reader_over(Some(Arc::clone(&self.catalogue) as Arc<dyn Catalogue>))
    }

    fn reader_over(&self, catalogue: Option<Arc<dyn Catalogue>>) -> (Reader, Metrics) {
        let components = Components::from_system(None);
        let metrics = Metrics::register(&mut components.registry.lock());
        let reader = Reader::new(ReaderParts {
            cluster: self.cluster.clone(),
            owners: Arc::new(self.owners.clone()),
            catalogue,
            clock: components.clock,
            random: components.random,
            metrics: metrics.clone(),
            zone: "a".into(),
            limits: self.limits,
            hedge_after: self.hedge_after,
        });
        (reader, metrics)
    }
}

async fn select(reader: &Reader, matchers: &[Matcher], range: std::ops::RangeInclusive<i64>) -> Found {
    let (matchers, range) = (matchers.to_vec(), TimeRange::from(range));
    let selection = Selection { matchers, range, hints: SelectHints::default() };
    let selected = reader.source(WORKSPACE, AT_ONCE, Reservation::default()).select(&selection).await?;
    let plain = |one: narthex_promql::SeriesData| {
        (one.labels.metric_name().to_owned(), one.timestamps.into_iter().zip(one.values).collect())
    };
    Ok(selected.series.into_iter().map(plain).collect())
}

async fn all(reader: &Reader) -> Found {
    select(reader, &[], 0..=1_000).await
}

fn up(samples: &[(i64, f64)]) -> Found {
    Ok(vec![("up".into(), samples.to_vec())])
}

fn down() -> Conduct {
    Conduct::Refuses(RpcError::Unavailable("connection refused".into()))
}

fn unavailable(found: Found) -> String {
    match found {
        Err(SourceError::Unavailable(text)) => text,
        other => panic!("part of the data passed as all: {other:?}"),
    }
}

#[tokio::test]
async fn a_cut_that_moved_to_a_block_is_seen_once() {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader();
    let (cut, hot) = ((1, 1.0), (2, 2.0));
    // In heads alone; then in both; then forgotten by the owners. The reader looked before all of it.
    rig.holding(&[held("up", &[cut, hot])], 0);
    assert_eq!(all(&reader).await, up(&[cut, hot]));
    let committed = rig.catalogue.commit(1, &[held("up", &[cut])]);
    assert_eq!(all(&reader).await, up(&[cut, hot]));
    rig.holding(&[held("up", &[hot])], committed);
    assert_eq!(all(&reader).await, up(&[cut, hot]));
    assert_eq!(rig.catalogue.known(WORKSPACE).map(|known| known.revision().0), Some(committed), "R-3");
    rig.heads(Fake { manifest_revision: committed, ..Fake::default() });
    assert_eq!(all(&reader).await, up(&[cut]), "from the block alone");
}

#[tokio::test]
async fn one_owner_that_forgot_is_enough_to_need_the_block() {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader();
    rig.holding(&[held("up", &[(1, 1.0)])], 0);
    assert_eq!(all(&reader).await, up(&[(1, 1.0)]));
    let committed = rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    for name in ["a-0", "b-0"] {
        let forgot = Fake { manifest_revision: if name == "b-0" { committed } else { 0 }, ..Fake::default() };
        rig.owners.owners.lock().insert(name.into(), forgot);
    }
    assert_eq!(all(&reader).await, up(&[(1, 1.0)]));
}

#[tokio::test]
async fn without_a_manifest_as_new_as_the_heads_the_read_fails() {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader();
    rig.holding(&[held("up", &[(2, 2.0)])], 1);
    let text = unavailable(all(&reader).await);
    assert!(text.contains("revision 0 in the bucket, and revision 1 is needed"), "{text}");
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    *rig.catalogue.away.lock() = true;
    let text = unavailable(all(&reader).await);
    assert!(text.starts_with("the list of blocks cannot be read: "), "{text}");
}

#[tokio::test]
async fn a_bucket_that_is_away_is_not_missed_while_the_manifest_is_known() {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader();
    rig.holding(&[held("up", &[(2, 2.0)])], 0);
    *rig.catalogue.away.lock() = true;
    unavailable(all(&reader).await);
    *rig.catalogue.away.lock() = false;
    assert_eq!(all(&reader).await, up(&[(2, 2.0)]));
    *rig.catalogue.away.lock() = true;
    assert_eq!(all(&reader).await, up(&[(2, 2.0)]));
    rig.cluster.hints().note(WORKSPACE, super::fake_blocks::revision(9));
    assert_eq!(all(&reader).await, up(&[(2, 2.0)]), "hints are no proof");
}

#[tokio::test]
async fn only_blocks_that_were_not_read_yet_are_read_for_a_newer_manifest() {
    let rig = Rig::of_three_gateways();
    let (reader, metrics) = rig.reader();
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    assert_eq!(all(&reader).await, up(&[(1, 1.0)]));
    rig.owners.gateways.asked.lock().clear();
    let newest = rig.catalogue.commit(2, &[held("up", &[(2, 2.0)])]);
    rig.holding(&[], newest);
    assert_eq!(all(&reader).await, up(&[(1, 1.0), (2, 2.0)]));
    assert_eq!(rig.owners.gateways.asked_for(), BTreeMap::from([(block(1), 1), (block(2), 1)]));
    assert_eq!((metrics.blocks_asked.get(), metrics.block_replans.get()), (3, 0));
}

#[tokio::test]
async fn blocks_that_were_compacted_meanwhile_make_one_new_plan() {
    let rig = Rig::of_three_gateways();
    let (reader, metrics) = rig.reader();
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    rig.catalogue.commit(2, &[held("up", &[(2, 2.0)])]);
    assert_eq!(all(&reader).await, up(&[(1, 1.0), (2, 2.0)]));
    rig.catalogue.compact(&[1, 2], 3);
    assert_eq!(
        all(&reader).await,
        up(&[(1, 1.0), (2, 2.0)]),
        "the known manifest names blocks that are gone"
    );
    assert_eq!(metrics.block_replans.get(), 1);
    assert_eq!(rig.catalogue.looks.lock().last(), Some(&Freshness::Listed));
}

#[tokio::test]
async fn a_missing_or_damaged_block_fails_what_needs_it_and_nothing_else() {
    let rig = Rig::of_three_gateways();
    let (reader, metrics) = rig.reader();
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    rig.catalogue.commit(2, &[held("up", &[(500, 2.0)])]);
    rig.catalogue.commit(3, &[held("zz", &[(1, 3.0)])]);
    rig.owners.gateways.bucket.lock().remove(&block(1));
    let text = unavailable(all(&reader).await);
    assert!(
        text.starts_with(&format!("block {} is missing: revision 3 of the manifest", block(1))),
        "{text}"
    );
    rig.owners.gateways.bucket.lock().insert(block(1), Stored::Damaged);
    let text = unavailable(all(&reader).await);
    assert!(text.starts_with(&format!("block {} is damaged (", block(1))), "{text}");
    assert!(text.contains("take the block out of the manifest"), "what to do: {text}");
    assert_eq!(metrics.blocks_unreadable.get(), 2);
    assert_eq!(select(&reader, &[], 400..=600).await, up(&[(500, 2.0)]), "another time");
    let zz = select(&reader, &[Matcher::equal("__name__", "zz")], 0..=1_000).await;
    assert_eq!(zz, Ok(vec![("zz".into(), vec![(1, 3.0)])]), "another name");
    assert_eq!(metrics.blocks_pruned.get(), 2);
}

#[tokio::test]
async fn the_next_gateway_takes_over_from_one_that_fails() {
    let recovering = Conduct::Refuses(RpcError::Internal("defect".into()));
    for conduct in [down(), recovering, Conduct::BreaksOff, Conduct::Confused] {
        let rig = Rig::of_three_gateways();
        let (reader, metrics) = rig.reader();
        let two = [held("up", &[(1, 1.0)]), held("zz", &[(1, 2.0)])];
        rig.catalogue.commit(1, &two);
        rig.conduct("g-a", conduct);
        let expected = Ok(vec![("up".into(), vec![(1, 1.0)]), ("zz".into(), vec![(1, 2.0)])]);
        assert_eq!(all(&reader).await, expected);
        assert_eq!(metrics.gateway_failovers.get(), 1);
        let asked: Vec<String> = rig.owners.gateways.asked.lock().drain(..).map(|(name, _)| name).collect();
        assert_eq!((asked.len(), &*asked[0]), (2, "g-a"), "the own zone's gateway comes first");
        assert_eq!(all(&reader).await, expected);
        assert_eq!(rig.owners.gateways.asked.lock()[0].0, asked[1], "it is not tried first again at once");
    }
}

#[tokio::test]
async fn without_any_gateway_the_blocks_and_what_was_said_are_named() {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader();
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    for gateway in ["g-a", "g-b", "g-c"] {
        rig.conduct(gateway, Conduct::Refuses(RpcError::Unavailable(format!("{gateway} has no bucket"))));
    }
    let text = unavailable(all(&reader).await);
    assert!(text.starts_with(&format!("block {} cannot be read: g-a unavailable: ", block(1))), "{text}");
    for gateway in ["g-a", "g-b", "g-c"] {
        assert!(text.contains(&format!("{gateway} has no bucket")), "{text}");
    }
    let none = Rig::new(&[]);
    let (reader, _) = none.reader();
    none.holding(&[held("up", &[(2, 2.0)])], 0);
    assert_eq!(all(&reader).await, up(&[(2, 2.0)]), "no block is needed");
    let committed = none.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    none.holding(&[held("up", &[(2, 2.0)])], committed);
    let text = unavailable(all(&reader).await);
    assert_eq!(text, format!("block {} cannot be read: no store-gateway is registered", block(1)));
}

#[tokio::test]
async fn a_silent_gateway_is_hedged() {
    let rig = Rig { hedge_after: Duration::from_millis(20), ..Rig::of_three_gateways() };
    let (reader, metrics) = rig.reader();
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    rig.conduct("g-a", Conduct::Hangs);
    assert_eq!(all(&reader).await, up(&[(1, 1.0)]));
    assert_eq!(metrics.hedged_gateways.get(), 1);
}

#[tokio::test]
async fn only_what_is_given_up_or_not_retained_changes_the_past() {
    let rig = Rig::of_three_gateways();
    let past = async || {
        // A reader that knows nothing, and so sees the newest manifest.
        let (reader, _) = rig.reader();
        let history = reader.history(WORKSPACE).await.expect("a catalogue");
        let looks = rig.catalogue.looks.lock().len();
        assert_eq!(reader.history(WORKSPACE).await, Some(history));
        assert_eq!(rig.catalogue.looks.lock().len(), looks, "the bucket is not asked again");
        history
    };
    let first = past().await;
    for number in 1..=3 {
        rig.catalogue.commit(number, &[held("up", &[(number as i64, 1.0)])]);
    }
    rig.catalogue.compact(&[1, 2], 4);
    assert_eq!(past().await, first, "blocks come and are replaced");
    rig.catalogue.give_up(3);
    let lost = past().await;
    assert!(!first.holds(&lost, TimestampMs(i64::MAX)));
    rig.catalogue.commit(5, &[held("up", &[(5, 1.0)])]);
    assert_eq!(past().await, lost);
    rig.catalogue.retain_from(1);
    let (retained, floor) = (past().await, 2 * 60 * 60 * 1000);
    assert!(lost.holds(&retained, TimestampMs(floor)) && !lost.holds(&retained, TimestampMs(floor - 1)));
    assert_eq!(rig.reader_over(None).0.history(WORKSPACE).await, None, "no catalogue, no history");
}

#[tokio::test]
async fn heads_alone_do_without_a_catalogue() {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader_over(None);
    rig.holding(&[held("up", &[(2, 2.0)])], 0);
    assert_eq!(all(&reader).await, up(&[(2, 2.0)]));
    rig.holding(&[held("up", &[(2, 2.0)])], 4);
    let text = unavailable(all(&reader).await);
    assert!(text.contains("manifest revision 4") && text.contains("--bucket.url"), "{text}");
}

#[tokio::test]
async fn a_partition_that_left_makes_the_reader_look_for_its_last_cuts() {
    let rig = Rig::of_three_gateways();
    rig.cluster.install(snapshot(2, ring(2, 2), &["g-a"]));
    let old = Fake { series: vec![held("up", &[(1, 1.0)])], ring_revision: 2, ..Fake::default() };
    rig.heads(Fake { ring_revision: 2, ..Fake::default() });
    for name in ["a-1", "b-1", "c-1"] {
        rig.owners.owners.lock().insert(name.into(), old.clone());
    }
    let (reader, _) = rig.reader();
    assert_eq!(all(&reader).await, up(&[(1, 1.0)]));
    // Its cut is committed and it goes; the owners that are left know nothing of this manifest.
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    rig.cluster.install(snapshot(3, ring(3, 1), &["g-a"]));
    assert_eq!(all(&reader).await, up(&[(1, 1.0)]));
    let looks = rig.catalogue.looks.lock().len();
    assert_eq!(all(&reader).await, up(&[(1, 1.0)]));
    assert_eq!(rig.catalogue.looks.lock().len(), looks, "once is enough");
}

#[tokio::test]
async fn hints_make_the_reader_look_in_time() {
    let rig = Rig::of_three_gateways();
    let (reader, metrics) = rig.reader();
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    rig.catalogue.commit(2, &[held("up", &[(2, 1.0)])]);
    assert_eq!(all(&reader).await, up(&[(1, 1.0), (2, 1.0)]));
    let newest = rig.catalogue.compact(&[1, 2], 3);
    rig.cluster.hints().note(WORKSPACE, super::fake_blocks::revision(newest));
    assert_eq!(all(&reader).await, up(&[(1, 1.0), (2, 1.0)]));
    assert_eq!(metrics.block_replans.get(), 0, "the plan began on the newest");
}

#[tokio::test]
async fn a_read_beyond_its_budget_fails_whatever_it_read() {
    let heads = held("a", &[(1, 1.0), (2, 2.0)]);
    let blocks = held("b", &[(1, 1.0), (2, 2.0)]);
    for (limits, fits) in [
        (Limits { series: 2, ..LIMITS }, true),
        (Limits { series: 1, ..LIMITS }, false),
        (Limits { samples: 4, ..LIMITS }, true),
        (Limits { samples: 3, ..LIMITS }, false),
        (Limits { bytes: 100, ..LIMITS }, false),
    ] {
        let rig = Rig { limits, ..Rig::of_three_gateways() };
        rig.catalogue.commit(1, std::slice::from_ref(&blocks));
        rig.holding(std::slice::from_ref(&heads), 1);
        let found = all(&rig.reader().0).await;
        match found {
            Ok(found) => assert!(fits && found.len() == 2, "{limits:?}"),
            Err(SourceError::LimitExceeded(_)) => assert!(!fits, "{limits:?}"),
            Err(other) => panic!("{other}"),
        }
    }
    let rig = Rig::of_three_gateways();
    let (reader, metrics) = rig.reader();
    rig.catalogue.commit(1, std::slice::from_ref(&blocks));
    all(&reader).await.expect("fits");
    assert!(metrics.gateway_bytes.get() > 0 && metrics.received_bytes.get() == 0);
}

#[tokio::test]
async fn requests_name_a_bounded_number_of_blocks() {
    let rig = Rig::new(&["g-a"]);
    for number in 1..=150 {
        rig.catalogue.commit(number, &[held("up", &[(number as i64, 1.0)])]);
    }
    let found = all(&rig.reader().0).await.expect("readable");
    assert_eq!(found[0].1.len(), 150);
    let sizes: Vec<usize> = rig.owners.gateways.asked.lock().iter().map(|(_, blocks)| blocks.len()).collect();
    assert_eq!((sizes.len(), sizes.iter().max()), (3, Some(&64)));
}

#[tokio::test]
async fn names_values_and_series_are_unions_of_heads_and_blocks() {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader();
    rig.catalogue.commit(1, &[held("a", &[(1, 1.0)]), held("c", &[(1, 1.0)])]);
    rig.holding(&[held("b", &[(1, 1.0)]), held("c", &[(1, 1.0)])], 0);
    let lookup = |limit| Lookup {
        selectors: Vec::new(),
        range: TimeRange::ALL,
        limit,
        memory: Reservation::default(),
    };
    let names = reader.label_names(WORKSPACE, &lookup(None)).await;
    assert_eq!(names, Ok(["a", "b", "c"].map(String::from).to_vec()));
    let values = reader.label_values(WORKSPACE, "x", &lookup(Some(2))).await;
    assert_eq!(values, Ok(["a", "b"].map(String::from).to_vec()));
    let series = reader.series(WORKSPACE, &lookup(None)).await;
    assert_eq!(series, Ok(["a", "b", "c"].map(|name| Labels::from_pairs([("__name__", name)])).to_vec()));
    rig.owners.gateways.asked.lock().clear();
    reader.metadata(WORKSPACE, "a").await.expect("quorum");
    assert!(rig.owners.gateways.asked.lock().is_empty(), "blocks keep no metadata");
    rig.owners.gateways.bucket.lock().clear();
    assert!(matches!(reader.label_names(WORKSPACE, &lookup(None)).await, Err(SourceError::Unavailable(_))));
}

#[tokio::test]
async fn dropping_a_read_ends_the_streams_of_gateways() {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader();
    rig.catalogue.commit(1, &[held("up", &[(1, 1.0)])]);
    rig.conduct("g-a", Conduct::Hangs);
    let open = Arc::clone(&rig.owners.open);
    let read = tokio::spawn(async move { all(&reader).await });
    let reaches = async |wanted: usize| {
        while open.load(std::sync::atomic::Ordering::SeqCst) != wanted {
            tokio::task::yield_now().await;
        }
    };
    while rig.owners.gateways.asked.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    reaches(1).await;
    read.abort();
    reaches(0).await;
}

/// One step in the life of a workspace.
#[derive(Debug, Clone)]
enum Life {
    /// Samples of a series arrive at a time.
    Write(u8, i64),
    /// Everything in heads is committed; the owners that know of it forget.
    Cut([bool; 3]),
    /// Two blocks become one; whether the old ones are deleted at once.
    Compact,
    /// A gateway breaks or recovers.
    Gateway(u8, bool),
    /// A query.
    Read,
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![
        3 => (0u8..4, 0i64..1_000).prop_map(|(series, at)| Life::Write(series, at)),
        2 => any::<[bool; 3]>().prop_map(Life::Cut),
        1 => Just(Life::Compact),
        1 => (0u8..2, any::<bool>()).prop_map(|(gateway, fails)| Life::Gateway(gateway, fails)),
        3 => Just(Life::Read),
    ]
}

type Model = BTreeMap<String, BTreeMap<i64, f64>>;

fn as_held(model: &Model) -> Vec<Held> {
    let samples =
        |samples: &BTreeMap<i64, f64>| samples.iter().map(|(at, value)| (*at, *value)).collect::<Vec<_>>();
    model.iter().map(|(name, all)| held(name, &samples(all))).collect()
}

/// Plays a life; after every step that asks for it, a read must find what was written, once.
async fn play(lives: Vec<Life>) -> Result<(), TestCaseError> {
    let rig = Rig::of_three_gateways();
    let (reader, _) = rig.reader();
    let (mut written, mut blocks, mut next) = (Model::new(), Vec::<u128>::new(), 1u128);
    let mut heads = [(Model::new(), 0), (Model::new(), 0), (Model::new(), 0)];
    for step in lives {
        match step {
            Life::Write(series, at) => {
                let name = format!("m{series}");
                for model in heads.iter_mut().map(|(head, _)| head).chain([&mut written]) {
                    model.entry(name.clone()).or_default().insert(at, at as f64);
                }
            }
            Life::Cut(seen) => {
                let mut cut = Model::new();
                for (name, samples) in heads.iter().flat_map(|(head, _)| head) {
                    cut.entry(name.clone()).or_default().extend(samples);
                }
                if cut.is_empty() {
                    continue;
                }
                let revision = rig.catalogue.commit(next, &as_held(&cut));
                blocks.push(next);
                next += 1;
                for (head, _) in heads.iter_mut().zip(seen).filter(|(_, seen)| *seen) {
                    *head = (Model::new(), revision);
                }
            }
            Life::Compact if blocks.len() >= 2 => {
                let inputs: Vec<u128> = blocks.drain(..2).collect();
                rig.catalogue.compact(&inputs, next);
                blocks.push(next);
                next += 1;
            }
            Life::Compact => {}
            Life::Gateway(gateway, fails) => {
                let name = ["g-a", "g-b"][usize::from(gateway)];
                rig.conduct(name, if fails { down() } else { Conduct::Answers });
            }
            Life::Read => {
                for (name, (head, manifest_revision)) in ["a-0", "b-0", "c-0"].iter().zip(&heads) {
                    let fake = Fake {
                        series: as_held(head),
                        manifest_revision: *manifest_revision,
                        ..Fake::default()
                    };
                    rig.owners.owners.lock().insert((*name).into(), fake);
                }
                let found = all(&reader).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
                let expected: Vec<(String, Vec<(i64, f64)>)> = written
                    .iter()
                    .map(|(name, samples)| (name.clone(), samples.clone().into_iter().collect()))
                    .collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_sample_is_seen_once_wherever_it_is(lives in prop::collection::vec(life(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(play(lives))?;
    }
}

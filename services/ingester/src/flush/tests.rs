//! Cuts of three real owners in one process, over manifests and blocks in memory.

use std::collections::BTreeMap;

use narthex_block::{BlockReader, Budget};
use narthex_bucket::{Bucket, layout};
use narthex_manifest::{Manifest, ManifestSettings, ManifestStore};
use narthex_model::{Cut, Epoch, Labels, PartitionId, TimeRange, TimestampMs, WindowLength};
use narthex_ring::PartitionState;
use narthex_service::Components;
use object_store::{ObjectStoreExt, memory::InMemory};

use super::{Cutter, FlushError};
use crate::service::{
    Phase,
    fixture::{NOW, TestOwner, WORKSPACE, frame, peers, snapshot},
};

/// Floats by series and time, as bits.
type Content = BTreeMap<(Labels, i64), u64>;

struct World {
    owners: Vec<TestOwner>,
    cutters: Vec<Cutter>,
    bucket: Bucket,
}

impl World {
    fn new() -> Self {
        let owners: Vec<_> = (0..3).map(TestOwner::new).collect();
        let numbered: Vec<_> = owners.iter().enumerate().map(|(zone, owner)| (zone as u64, owner)).collect();
        let peers = peers(&numbered);
        let bucket = Bucket::new(std::sync::Arc::new(InMemory::new()), owners[0].components.random.clone());
        let cutters = owners
            .iter()
            .map(|owner| {
                let Components { clock, random, .. } = &owner.components;
                Cutter {
                    service: owner.service.clone(),
                    peers: peers.clone(),
                    store: bucket.store(),
                    manifests: ManifestStore::new(
                        bucket.store(),
                        ManifestSettings::default(),
                        &owner.components,
                    ),
                    clock: clock.clone(),
                    random: random.clone(),
                }
            })
            .collect();
        Self { owners, cutters, bucket }
    }

    /// Pushes to some owners.
    async fn push(&self, zones: &[usize], name: &str, samples: &[(i64, f64)]) {
        for zone in zones {
            let pushed = self.owners[*zone].push(1, 1, frame(name, samples)).await;
            assert!(pushed.expect("taken").refusals.is_empty());
        }
    }

    /// Flushes with one owner and gives what is in the block of the cut.
    async fn flush(&self, zone: usize) -> Result<(std::sync::Arc<Manifest>, Content), FlushError> {
        let flushed = self.cutters[zone].flush(WORKSPACE, cut(), false).await?.expect("a sample");
        let content = self.content(&flushed.manifest).await;
        Ok((flushed.manifest, content))
    }

    async fn content(&self, manifest: &Manifest) -> Content {
        let mut content = Content::new();
        for entry in manifest.entries() {
            let path = layout::block_data(WORKSPACE, entry.id);
            let footer = u64::from(entry.footer_bytes);
            let reader = BlockReader::open(self.bucket.store(), path, entry.bytes, footer).await;
            let selection = reader
                .expect("a block")
                .select(&[], TimeRange::ALL, Budget { series: u64::MAX, samples: u64::MAX, bytes: u64::MAX })
                .await;
            for (labels, samples) in selection.expect("selected").collect().await.expect("read") {
                for (at, value) in samples.timestamps.iter().zip(&samples.values) {
                    let before = content.insert((labels.clone(), *at), value.to_bits());
                    assert!(
                        before.is_none_or(|before| before == value.to_bits()),
                        "blocks contradict each other"
                    );
                }
            }
        }
        content
    }

    async fn objects(&self) -> usize {
        use futures::TryStreamExt;
        let listed: Vec<_> = self.bucket.store().list(None).try_collect().await.expect("listed");
        listed.iter().filter(|object| object.location.as_ref().ends_with("data.parquet")).count()
    }
}

fn cut() -> Cut {
    let window = WindowLength::DEFAULT.window(TimestampMs(NOW));
    Cut { partition: PartitionId(0), epoch: Epoch(1), window }
}

fn content(series: &[(&str, &[(i64, f64)])]) -> Content {
    let one = |(name, samples): &(&str, &[(i64, f64)])| {
        let labels = Labels::from_pairs([("__name__", *name)]);
        let samples: Vec<_> = samples.iter().map(|(at, value)| (NOW + at, value.to_bits())).collect();
        samples.into_iter().map(move |(at, bits)| ((labels.clone(), at), bits)).collect::<Vec<_>>()
    };
    series.iter().flat_map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_holds_what_two_owners_hold_together() {
    let world = World::new();
    world.push(&[0, 1, 2], "a", &[(0, 1.0), (1, 2.0)]).await;
    world.push(&[0, 2], "b", &[(5, 0.5)]).await;
    world.push(&[0, 1], "c", &[(5, 0.25)]).await;
    world.push(&[1, 2], "d", &[(7, 8.0)]).await;
    world.push(&[1, 2], "a", &[(2, 3.0)]).await;
    let all = content(&[
        ("a", &[(0, 1.0), (1, 2.0), (2, 3.0)]),
        ("b", &[(5, 0.5)]),
        ("c", &[(5, 0.25)]),
        ("d", &[(7, 8.0)]),
    ]);
    let (manifest, flushed) = world.flush(1).await.expect("flushed");
    assert_eq!(flushed, all);
    assert!(manifest.is_committed(&cut()));
    let entry = manifest.entries().next().expect("one");
    assert_eq!((entry.series, entry.samples, manifest.len()), (4, 6, 1));
    // Whoever comes later finds it done.
    let again = world.cutters[0].flush(WORKSPACE, cut(), false).await.expect("known").expect("a manifest");
    assert_eq!((again.bytes, again.manifest.len(), world.objects().await), (None, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_flushers_at_once_commit_one_block() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.push(&[0, 1, 2], name, &[(0, 1.0)]).await;
    }
    world.push(&[2], "only here", &[(0, 1.0)]).await;
    let flush = |zone: usize| world.cutters[zone].flush(WORKSPACE, cut(), false);
    let (left, right) = tokio::join!(flush(0), flush(2));
    let (left, right) = (left.expect("flushed").expect("one"), right.expect("flushed").expect("one"));
    assert_eq!((left.manifest.len(), right.manifest.len()), (1, 1));
    let names = |manifest: &Manifest| manifest.entries().next().expect("one").id;
    assert_eq!(names(&left.manifest), names(&right.manifest));
    assert!(left.bytes.is_none() || right.bytes.is_none(), "both say that the block is theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_majority_holds_wins_where_values_compete() {
    for flusher in 0..3 {
        let world = World::new();
        // Acknowledged by zones 0 and 1; zone 2 had got another value first.
        world.push(&[2], "a", &[(0, 9.0), (1, 1.0)]).await;
        world.push(&[0, 1], "a", &[(0, 5.0), (1, 1.0)]).await;
        let (_, flushed) = world.flush(flusher).await.expect("flushed");
        assert_eq!(flushed, content(&[("a", &[(0, 5.0), (1, 1.0)])]), "flushed by {flusher}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn competing_values_wait_for_the_third_owner_unless_told_otherwise() {
    let world = World::new();
    world.push(&[2], "a", &[(0, 9.0)]).await;
    world.push(&[0, 1], "a", &[(0, 5.0)]).await;
    world.owners[0].service.phase().set(Phase::Stopping);
    let error = world.flush(1).await.expect_err("contested");
    assert!(matches!(error, FlushError::Contested { series: 1, .. }), "{error}");
    assert_eq!(world.objects().await, 0, "a block that waits is not left behind");
    assert!(!world.cutters[1].manifests.newest(WORKSPACE).await.expect("read").is_committed(&cut()));
    let settled = world.cutters[1].flush(WORKSPACE, cut(), true).await.expect("flushed").expect("a sample");
    assert_eq!((settled.unsettled, settled.manifest.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_owner_alone_commits_nothing() {
    let world = World::new();
    world.push(&[0, 1, 2], "a", &[(0, 5.0)]).await;
    world.owners[0].service.phase().set(Phase::Stopping);
    world.owners[2].service.phase().set(Phase::Recovering(crate::recovery::Doubt::NewDisk));
    let error = world.flush(1).await.expect_err("no quorum");
    assert!(matches!(error, FlushError::NoQuorum { .. }), "{error}");
    let why = error.to_string();
    assert!(why.contains("ingester-zone-0-0") && why.contains("ingester-zone-2-0"), "{why}");
    assert_eq!(world.objects().await, 0);
    // F-5: an incomplete owner does not cut either.
    let error = world.flush(2).await.expect_err("RECOVERING");
    assert!(matches!(error, FlushError::NotNow(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_of_another_epoch_is_no_quorum() {
    let world = World::new();
    world.push(&[0, 1, 2], "a", &[(0, 5.0)]).await;
    for zone in [0, 2] {
        world.owners[zone].cluster.install(snapshot(2, PartitionState::Active, 2));
        let read = world.owners[zone].samples().await;
        assert!(read.is_ok());
        world.owners[zone].service.phase().set(Phase::Serving);
        let adopted = world.owners[zone].push(2, 2, frame("b", &[(0, 1.0)])).await;
        assert!(adopted.is_ok());
    }
    let error = world.flush(1).await.expect_err("no quorum");
    assert!(matches!(error, FlushError::NoQuorum { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_cut_is_let_go_and_readers_are_told_the_revision() {
    let world = World::new();
    world.push(&[0, 1], "a", &[(0, 5.0)]).await;
    world.push(&[2], "a", &[(0, 5.0)]).await;
    let (manifest, _) = world.flush(0).await.expect("flushed");
    for owner in &world.owners {
        // Zones 0 and 1 have sealed the cut; zone 2 was not asked, and lets go of it all the same.
        owner.service.release_cut(WORKSPACE, cut(), manifest.revision()).await.expect("released");
        let storage = owner.service.storage().expect("open");
        assert!(storage.open_windows(WORKSPACE).is_empty());
        assert_eq!(storage.acted_revision(WORKSPACE), manifest.revision());
        let late = owner.push(1, 1, frame("a", &[(1, 6.0)])).await.expect("answered");
        assert_eq!(late.refusals.len(), 1, "F-4");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_epoch_keeps_its_samples_when_an_earlier_cut_goes() {
    let world = World::new();
    world.push(&[0, 1, 2], "a", &[(0, 5.0)]).await;
    let (manifest, _) = world.flush(0).await.expect("flushed");
    for owner in &world.owners {
        owner.cluster.install(snapshot(2, PartitionState::Active, 2));
        let pushed = owner.push(2, 2, frame("b", &[(0, 1.0)])).await.expect("answered");
        assert!(pushed.refusals.is_empty(), "another epoch, another cut");
        owner.service.release_cut(WORKSPACE, cut(), manifest.revision()).await.expect("released");
    }
    let later = Cut { epoch: Epoch(2), ..cut() };
    let flushed = world.cutters[1].flush(WORKSPACE, later, false).await.expect("flushed").expect("a sample");
    assert_eq!(flushed.manifest.len(), 2);
    assert_eq!(world.content(&flushed.manifest).await, content(&[("a", &[(0, 5.0)]), ("b", &[(0, 1.0)])]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_block_is_never_committed() {
    let world = World::new();
    world.push(&[0, 1, 2], "a", &[(0, 5.0)]).await;
    let manifests = &world.cutters[0].manifests;
    let sealed = world.cutters[0].seal(WORKSPACE, cut()).await.expect("sealed");
    let written = world.cutters[0].block(WORKSPACE, cut(), sealed, false).await.expect("written");
    let (entry, _) = written.expect("a sample");
    let path = layout::block_data(WORKSPACE, entry.id);
    world.bucket.store().delete(&path).await.expect("deleted");
    let error = world.cutters[0].commit(WORKSPACE, entry).await.expect_err("the HEAD finds nothing");
    assert!(matches!(error, FlushError::Rewrite(_)), "{error}");
    assert!(manifests.newest(WORKSPACE).await.expect("read").is_empty());
}

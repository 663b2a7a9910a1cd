use std::collections::BTreeMap;

use narthex_block::{BlockReader, BlockSchema, BlockUpload, Budget, OwnedSamples, WriterSettings};
use narthex_manifest::{CutSet, Entry, Manifest, ManifestSettings};
use narthex_model::{
    Cut, Epoch, Histogram, Labels, PartitionId, TimeRange, Value, Window, WindowLength, resolve, stale_marker,
};
use narthex_service::{ByteSize, HumanDuration};
use object_store::{ObjectStoreExt, PutPayload, memory::InMemory};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::metrics::ReasonLabel;

/// Every sample of a workspace.
type Samples = BTreeMap<(Labels, i64), Value>;

fn window() -> WindowLength {
    WindowLength::from_millis(10_000).expect("a length")
}

fn workspace() -> WorkspaceId {
    WorkspaceId::from_random(1 << 64)
}

struct World {
    store: Arc<dyn ObjectStore>,
    manifests: ManifestStore,
    merger: Merger,
    blocks: u64,
}

impl World {
    fn new(block_bytes: u64) -> Self {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let components = Components::from_system(None);
        let settings = ManifestSettings { window_length: window(), ..ManifestSettings::default() };
        let manifests = ManifestStore::new(Arc::clone(&store), settings, &components);
        let args = CompactArgs {
            compact_interval: HumanDuration::from_secs(60),
            compact_block_size: ByteSize(block_bytes),
        };
        let merger = Merger::new(Arc::clone(&store), manifests.clone(), &args, &components);
        Self { store, manifests, merger, blocks: 0 }
    }

    /// Commits the samples of a cut, which lie in its window, as one block.
    async fn cut(&mut self, partition: u32, number: i64, samples: &Samples) -> BlockId {
        self.blocks += 1;
        let id = BlockId::new(self.blocks, u128::from(self.blocks));
        // Blocks differ in the labels that have columns.
        let promoted: &[&str] = if self.blocks.is_multiple_of(2) { &["job"] } else { &["job", "zone"] };
        let schema = BlockSchema::with_labels(promoted.iter().copied(), |_| true, true);
        let path = layout::block_data(workspace(), id);
        let pages = WriterSettings {
            row_group_rows: 3,
            label_page_rows: 2,
            sample_page_rows: 2,
            ..WriterSettings::default()
        };
        let mut upload =
            BlockUpload::new(Arc::clone(&self.store), path, schema, window(), pages).expect("begun");
        let mut series: BTreeMap<Labels, OwnedSamples> = BTreeMap::new();
        for ((labels, at), value) in samples {
            let series = series.entry(labels.clone()).or_default();
            match value {
                Value::Float(value) => {
                    series.timestamps.push(*at);
                    series.values.push(*value);
                }
                Value::Histogram(histogram) => series.histograms.push((*at, Arc::clone(histogram))),
            }
        }
        for (labels, samples) in &series {
            upload.push(labels, labels.series_hash(), samples.as_samples()).await.expect("in order");
        }
        let meta = upload.finish().await.expect("written");
        let cut = Cut { partition: PartitionId(partition), epoch: Epoch(1), window: Window(number) };
        self.commit(Edit::Commit(Entry::of_block(id, cut.into(), &meta))).await;
        id
    }

    async fn commit(&self, edit: Edit) {
        let outcome = self.manifests.commit(workspace(), edit).await.expect("an outcome");
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    }

    async fn manifest(&self) -> Arc<Manifest> {
        self.manifests.newest(workspace()).await.expect("a manifest")
    }

    /// Every sample that readers find, each once.
    async fn read(&self) -> Samples {
        let mut all = Samples::new();
        for entry in self.manifest().await.entries() {
            let path = layout::block_data(workspace(), entry.id);
            let reader =
                BlockReader::open(Arc::clone(&self.store), path, entry.bytes, entry.footer_bytes.into());
            let selection = reader.await.expect("opens").select(&[], TimeRange::ALL, Budget::default()).await;
            for (labels, samples) in selection.expect("selected").collect().await.expect("read") {
                let floats = samples
                    .timestamps
                    .iter()
                    .zip(&samples.values)
                    .map(|(at, value)| (*at, Value::Float(*value)));
                let histograms =
                    samples.histograms.into_iter().map(|(at, histogram)| (at, Value::Histogram(histogram)));
                for (at, value) in floats.chain(histograms) {
                    assert!(all.insert((labels.clone(), at), value).is_none(), "{labels} has {at} twice");
                }
            }
        }
        all
    }

    /// A round that leaves nothing undone.
    async fn round(&self) {
        assert!(self.merger.round().await.expect("a bucket").is_none());
    }
}

fn series(name: u32) -> Labels {
    let zone = (!name.is_multiple_of(3)).then(|| ("zone", format!("z{name}")));
    let pairs = [("__name__", format!("m{}", name % 2)), ("job", format!("j{name}"))];
    Labels::from_pairs(pairs.into_iter().chain(zone))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0u32..50).prop_map(|value| Value::Float(f64::from(value) / 4.0)),
        1 => any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        1 => Just(Value::Float(stale_marker())),
        1 => (0u32..4).prop_map(|sum| Value::Histogram(Arc::new(Histogram { sum: sum.into(), ..Histogram::default() }))),
    ]
}

/// Cuts by partition and window, and the samples of each: series, milliseconds within the window, value.
type Cuts = BTreeMap<(u32, i64), Vec<(u32, i64, Value)>>;

fn cuts() -> impl Strategy<Value = Cuts> {
    let samples = vec((0u32..6, 0i64..10_000, value()), 1..12);
    proptest::collection::btree_map((0u32..2, 0i64..15), samples, 1..20)
}

async fn merges_keep_every_sample(cuts: Cuts, block_bytes: u64) {
    let mut world = World::new(block_bytes);
    let mut expected = Samples::new();
    let mut committed = CutSet::default();
    for ((partition, number), samples) in cuts {
        let start = window().start(Window(number)).0;
        let cut: Samples =
            samples.into_iter().map(|(name, at, value)| ((series(name), start + at), value)).collect();
        for (key, value) in &cut {
            let best = expected.entry(key.clone()).or_insert_with(|| value.clone());
            if resolve(value, best).is_gt() {
                *best = value.clone();
            }
        }
        world.cut(partition, number, &cut).await;
        committed.insert(Cut { partition: PartitionId(partition), epoch: Epoch(1), window: Window(number) });
    }
    for _ in 0..4 {
        world.round().await;
    }
    let manifest = world.manifest().await;
    assert!(jobs(&manifest, block_bytes).is_empty(), "something is left to merge");
    assert_eq!(manifest.committed(), &committed, "rule 4: cuts outlive merges");
    let found = world.read().await;
    // Blocks of a span that is not over may hold two values of one timestamp; readers settle those.
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_sample_is_there_once_and_as_it_was(mut cuts in cuts(), split in any::<bool>()) {
        // Everything of before is over.
        cuts.retain(|(partition, _), _| *partition == 0 || !split);
        for number in [24, 36] {
            cuts.insert((0, number), vec![(0, 5, Value::Float(1.0))]);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let bytes = if split { 8 << 10 } else { 1 << 30 };
        runtime.block_on(merges_keep_every_sample(cuts, bytes));
    }
}

/// The samples of one window: a few series, four samples each.
fn plain(number: i64, names: std::ops::Range<u32>) -> Samples {
    let start = window().start(Window(number)).0;
    let at = |name| (0..4).map(move |at| ((series(name), start + at * 1_000), Value::Float(at as f64)));
    names.flat_map(at).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_day_becomes_one_block_or_one_for_each_part_of_the_hash_space() {
    for blocks in [1, 4] {
        let mut world = World::new(1 << 30);
        for number in 0..13 {
            world.cut(0, number, &plain(number, 0..200)).await;
        }
        let before = world.read().await;
        let bytes: u64 = world.manifest().await.entries().map(|entry| entry.bytes).sum();
        // The thirteenth block is a thirteenth of it.
        world.merger.block_bytes = bytes * 12 / 13 / blocks + 100;
        world.round().await;
        let manifest = world.manifest().await;
        let merged: Vec<_> = manifest.entries().filter(|entry| entry.level > 0).collect();
        assert_eq!((merged.len() as u64, manifest.len() as u64), (blocks, blocks + 1));
        assert_eq!(world.read().await, before);
        let mut parts: Vec<_> = merged.iter().map(|entry| (entry.min_hash, entry.max_hash)).collect();
        parts.sort();
        assert!(parts.windows(2).all(|pair| pair[0].1 < pair[1].0), "parts overlap: {parts:?}");
        let windows = |entry: &Entry| {
            entry.cuts.ranges().map(|(_, _, range)| (range.first.0, range.last.0)).collect::<Vec<_>>()
        };
        assert!(merged.iter().all(|entry| windows(entry) == [(0, 11)]), "every part has all cuts");
        let has_column = |label| merged.iter().all(|entry| entry.column(label).is_some());
        assert!(
            has_column("job") && has_column("zone"),
            "also a label that only half of the inputs have in a column"
        );
        let metrics = &world.merger.metrics;
        assert_eq!((metrics.merges.get(), metrics.inputs.get()), (1, 12));
        assert_eq!(metrics.samples.get(), 12 * 200 * 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damaged_blocks_are_told_and_keep_no_other_span_from_its_turn() {
    let mut world = World::new(1 << 30);
    let mut ids = Vec::new();
    for number in 0..32 {
        ids.push(world.cut(0, number, &plain(number, 0..20)).await);
    }
    for damaged in [ids[0], ids[15]] {
        let path = layout::block_data(workspace(), damaged);
        let mut bytes = world.store.get(&path).await.expect("there").bytes().await.expect("read").to_vec();
        bytes[40..400].fill(0xA5);
        world.store.put(&path, PutPayload::from(bytes)).await.expect("put");
    }
    let failure = world.merger.round().await.expect("a bucket").expect("a failure");
    assert!(failure.to_string().contains(&ids[0].to_string()), "{failure}");
    let failures = &world.merger.metrics.failures;
    assert_eq!(failures.get_or_create(&ReasonLabel { reason: "block" }).get(), 2, "none hides another");
    let manifest = world.manifest().await;
    assert!(manifest.names(ids[0]) && manifest.names(ids[15]), "what cannot be read stays");
    assert_eq!(manifest.entries().filter(|entry| entry.level > 0).count(), 1, "windows 24 to 29");
    assert_eq!(manifest.len(), 24 + 1 + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_commits_second_leaves_only_an_orphan() {
    let mut world = World::new(1 << 30);
    for number in 0..13 {
        world.cut(0, number, &plain(number, 0..5)).await;
    }
    let before = world.read().await;
    let job = jobs(&*world.manifest().await, 1 << 30).remove(0);
    world.round().await;
    let late = world.merger.merge(workspace(), job).await.expect_err("the inputs are gone");
    assert!(matches!(late, MergeError::Refused(_)), "{late}");
    assert_eq!(world.manifest().await.len(), 2);
    assert_eq!(world.read().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_block_that_does_not_hold_what_the_manifest_says_is_not_merged() {
    let mut world = World::new(1 << 30);
    for number in 0..13 {
        world.cut(0, number, &plain(number, 0..5)).await;
    }
    let mut job = jobs(&*world.manifest().await, 1 << 30).remove(0);
    let claims = Entry { samples: 21, ..Entry::clone(&job.inputs[3]) };
    job.inputs[3] = Arc::new(claims);
    let error = world.merger.merge(workspace(), job).await.expect_err("a sample is missing");
    assert!(matches!(error, MergeError::Samples { found: 20, stated: 21, .. }), "{error}");
    assert_eq!(world.manifest().await.len(), 13);
}

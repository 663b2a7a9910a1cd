//! The shell over a store in memory, with faults in front: it asks for what the core wants, and no more.

use std::pin::Pin;

use futures::future::join_all;
use narthex_bucket::{
    Operation,
    faulty::{Failure, Fault, Faults, Faulty, Keys, Rule},
    layout,
};
use narthex_model::{Cut, TimestampMs};
use narthex_service::{Clock, SystemClock};
use object_store::{ObjectStoreExt, PutPayload, memory::InMemory};

use super::*;
use crate::{
    BucketTime, Edit, FormatError, Freshness, Outcome, Refused, Rewrite,
    model::{block, cut, entry, workspace},
};

const WS: fn() -> WorkspaceId = workspace;

fn store(store: Arc<dyn ObjectStore>, seed: u64) -> ManifestStore {
    let components = Components::new(SystemClock::shared(), Random::from_seed(seed), None);
    ManifestStore::new(store, ManifestSettings::default(), &components)
}

fn faulty() -> (ManifestStore, Faults, Arc<Faulty>) {
    let (bucket, faults) =
        Faulty::new(Arc::new(InMemory::new()), SystemClock::shared(), Random::from_seed(1));
    (store(Arc::<Faulty>::clone(&bucket), 2), faults, bucket)
}

async fn put_block(bucket: &dyn ObjectStore, id: u128) {
    let path = layout::block_data(WS(), block(id));
    bucket.put(&path, PutPayload::from_static(b"rows")).await.expect("put");
}

async fn flush(manifests: &ManifestStore, id: u128, cut: Cut) -> Result<Outcome, ManifestError> {
    put_block(&*manifests.0.store, id).await;
    manifests.commit(WS(), Edit::Commit(entry(id, [cut]))).await
}

async fn committed(manifests: &ManifestStore, id: u128, cut: Cut) -> Arc<Manifest> {
    match flush(manifests, id, cut).await.expect("the bucket works") {
        Outcome::Committed(manifest) => manifest,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_commit_costs_one_root_and_two_questions() {
    let (manifests, faults, _) = faulty();
    committed(&manifests, 1, cut(0, 1)).await;
    faults.reset_counts();
    let manifest = committed(&manifests, 2, cut(0, 2)).await;
    let count = |operation| faults.count(operation, &Keys::Any);
    let asked = [Operation::Put, Operation::Head, Operation::PutIfAbsent, Operation::List, Operation::Get];
    assert_eq!(asked.map(count), [1, 1, 1, 1, 0], "the block, its HEAD, the root, the LIST of rule 5");
    assert_eq!(manifests.known(WS()), Some(Arc::clone(&manifest)));
    // Another process finds it with a LIST and a GET, and then asks for the next one by name.
    let other = store(Arc::clone(&manifests.0.store), 3);
    faults.reset_counts();
    assert_eq!(other.newest(WS()).await.expect("readable"), manifest);
    assert_eq!([Operation::List, Operation::Get].map(count), [1, 1]);
    assert_eq!(other.follow(WS(), Freshness::Newest).await.expect("readable"), manifest);
    assert_eq!([Operation::List, Operation::Get].map(count), [1, 2]);
    other.follow(WS(), Freshness::AtLeast(manifest.revision())).await.expect("known");
    assert_eq!([Operation::List, Operation::Get].map(count), [1, 2], "what is known is asked of nobody");
}

#[tokio::test]
async fn writers_of_many_processes_lose_nothing() {
    let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let processes: Vec<_> = (0..4).map(|seed| store(Arc::clone(&bucket), seed)).collect();
    let commits = processes.iter().enumerate().flat_map(|(at, manifests)| {
        // Two processes compete for every cut.
        (0..6).map(move |window| {
            flush(manifests, (at * 100 + window) as u128, cut(at as u32 / 2, window as i64))
        })
    });
    let outcomes = join_all(commits).await;
    let committed = |outcome: &Result<Outcome, _>| matches!(outcome, Ok(Outcome::Committed(_)));
    assert_eq!(outcomes.iter().filter(|outcome| committed(outcome)).count(), 12, "F-1: {outcomes:?}");
    for outcome in outcomes.iter().filter(|outcome| !committed(outcome)) {
        let refused = matches!(outcome, Ok(Outcome::Refused { refused: Refused::CutCommitted(_), .. }));
        assert!(refused, "{outcome:?}");
    }
    let newest = processes[0].newest(WS()).await.expect("readable");
    assert_eq!((newest.revision().0, newest.len()), (12, 12), "one root for each cut");
    newest.check();
}

#[tokio::test]
async fn faults_of_every_kind_end_in_one_commit() {
    let (root, any) = ([Operation::PutIfAbsent], [Operation::List, Operation::Get, Operation::Head]);
    let faults_of = |operations: &[Operation], fault| Rule::new(fault).on(operations.to_vec());
    for rule in [
        faults_of(&root, Fault::After(Failure::Unavailable)),
        faults_of(&root, Fault::Before(Failure::Unavailable)),
        faults_of(&root, Fault::After(Failure::AlreadyExists)),
        faults_of(&root, Fault::Before(Failure::AlreadyExists)),
        faults_of(&any, Fault::Before(Failure::TimedOut)),
    ] {
        for skip in 0..3 {
            let (manifests, faults, _) = faulty();
            committed(&manifests, 1, cut(0, 1)).await;
            let id = faults.add(rule.clone().skip(skip).times(2));
            for window in 2..5 {
                let manifest = committed(&manifests, window as u128, cut(0, window)).await;
                assert_eq!(manifest.revision().0, window as u64, "no root too many: {rule:?}");
            }
            assert!(faults.struck(id) > 0, "{rule:?}");
            let newest = manifests.newest(WS()).await.expect("readable");
            assert_eq!(newest.len(), 4);
        }
    }
}

/// A clock on which every wait is over at once.
#[derive(Debug, Default)]
struct Impatient(AtomicU64);

impl Clock for Impatient {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.load(Ordering::Relaxed) as i64)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.fetch_add(duration.as_millis() as u64, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn a_bucket_that_is_away_leaves_commits_undecided_and_the_same_edit_goes_on() {
    let (_, faults, bucket) = faulty();
    let components = Components::new(Arc::new(Impatient::default()), Random::from_seed(3), None);
    let manifests =
        ManifestStore::new(Arc::<Faulty>::clone(&bucket), ManifestSettings::default(), &components);
    put_block(&*bucket, 1).await;
    let id = faults.add(Rule::new(Fault::Before(Failure::Unavailable)));
    let edit = Edit::Commit(entry(1, [cut(0, 1)]));
    let error = manifests.commit(WS(), edit.clone()).await.expect_err("away");
    assert!(matches!(&error, ManifestError::Undecided { why, .. } if why.contains("503")), "{error}");
    faults.remove(id);
    // The root is written and everything after it fails: undecided, yet committed.
    let roots = Rule::new(Fault::After(Failure::TimedOut)).on([Operation::PutIfAbsent]);
    let reads = Rule::new(Fault::Before(Failure::TimedOut)).on([Operation::Get, Operation::List]).skip(1);
    let ids = [faults.add(roots), faults.add(reads)];
    let error = manifests.commit(WS(), edit.clone()).await.expect_err("no reply");
    assert!(matches!(error, ManifestError::Undecided { .. }), "{error}");
    ids.iter().for_each(|id| faults.remove(*id));
    let outcome = manifests.commit(WS(), edit).await.expect("back");
    let Outcome::Committed(manifest) = outcome else { panic!("{outcome:?}") };
    assert_eq!(manifest.revision().0, 1, "the first try counts");
}

#[tokio::test]
async fn a_block_that_is_not_there_is_not_committed() {
    let (manifests, ..) = faulty();
    let outcome = manifests.commit(WS(), Edit::Commit(entry(1, [cut(0, 1)]))).await.expect("answers");
    assert!(matches!(outcome, Outcome::Rewrite(Rewrite::Missing(id)) if id == block(1)), "{outcome:?}");
    assert_eq!(manifests.newest(WS()).await.expect("readable").revision().0, 0);
}

#[tokio::test]
async fn five_thousand_blocks_are_read_with_a_handful_of_requests() {
    let (manifests, faults, bucket) = faulty();
    // As if committed one by one, without five thousand requests: the core is the same.
    let mut manifest = Manifest::empty(WS(), WindowLength::DEFAULT);
    let mut largest = 0;
    for at in 0..5_000u32 {
        let edit = Edit::Commit(entry(u128::from(at) + 1, [cut(at % 5, i64::from(at / 5))]));
        let attempt = crate::Attempt {
            writer: crate::Nonce(u128::from(at) << 64),
            window_length: WindowLength::DEFAULT,
            limits: Limits::DEFAULT,
            put: Some(BucketTime(1)),
            segments_named: 0,
        };
        let applied = manifest.apply(&edit, &attempt).expect("applies");
        for new in &applied.segments {
            let path = layout::segment(WS(), new.segment.id());
            bucket.put(&path, PutPayload::from(new.file.clone())).await.expect("put");
        }
        largest = largest.max(applied.file.len());
        manifest = Manifest::clone(&applied.manifest);
        if at == 4_999 {
            let path = layout::manifest_root(WS(), manifest.revision());
            bucket.put(&path, PutPayload::from(applied.file)).await.expect("put");
        }
    }
    faults.reset_counts();
    let newest = manifests.newest(WS()).await.expect("readable");
    assert_eq!(newest.len(), 5_000);
    let gets = faults.count(Operation::Get, &Keys::Any);
    assert!(gets <= 6, "{gets} requests for {} segments", newest.segments().len());
    assert!(largest <= Limits::DEFAULT.root_bytes, "a root of {largest} bytes");
    let history = newest.committed().ranges().count();
    assert_eq!(history, 5, "the history is a range for each partition");
}

#[tokio::test]
async fn garbage_goes_and_what_is_named_stays() {
    let (manifests, faults, bucket) = faulty();
    for window in 1..4 {
        committed(&manifests, window as u128, cut(0, window)).await;
    }
    put_block(&*bucket, 10).await;
    let edit = Edit::Compact { inputs: [block(1), block(2)].into(), outputs: vec![entry(10, [])] };
    assert!(matches!(manifests.commit(WS(), edit).await, Ok(Outcome::Committed(_))));
    put_block(&*bucket, 99).await;
    bucket.put(&layout::workspace_prefix(WS()).join("readme"), PutPayload::new()).await.expect("put");
    let hour = Duration::from_secs(3_600);
    let now = manifests.bucket_time().await.expect("answers");
    let young = manifests.collect(WS(), now.after(hour * 23)).await.expect("answers");
    assert_eq!(young, Collected { strays: 1, ..Collected::default() });
    let old = manifests.collect(WS(), now.after(hour * 25)).await.expect("answers");
    assert_eq!(old, Collected { roots: 3, segments: 0, blocks: 3, strays: 1 }, "1, 2 and 99");
    for (id, there) in [(1, false), (2, false), (99, false), (3, true), (10, true)] {
        let head = bucket.head(&layout::block_data(WS(), block(id))).await;
        assert_eq!(head.is_ok(), there, "block {id}");
    }
    let roots = faults.count(Operation::PutIfAbsent, &Keys::Roots);
    assert_eq!(roots, 5, "one to give up what is old");
    // A writer that slept since before: its block is as old as what was given up.
    let outcome = manifests.commit(WS(), Edit::Commit(entry(99, [cut(0, 9)]))).await.expect("answers");
    assert!(matches!(outcome, Outcome::Rewrite(Rewrite::Missing(_))), "{outcome:?}");
    put_block(&*bucket, 98).await;
    let outcome = manifests.commit(WS(), Edit::Commit(entry(98, [cut(0, 9)]))).await.expect("answers");
    assert!(matches!(outcome, Outcome::Rewrite(_)), "the test's future is not here yet: {outcome:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let (manifests, _, bucket) = faulty();
    committed(&manifests, 1, cut(0, 1)).await;
    let path = layout::manifest_root(WS(), ManifestRevision(2));
    bucket.put(&path, PutPayload::from_static(b"\x08\x63")).await.expect("put");
    let error = manifests.newest(WS()).await.expect_err("newer");
    let newer = matches!(&error, ManifestError::Format { source: FormatError::Newer { found: 99 }, .. });
    assert!(newer && error.to_string().contains(path.as_ref()), "{error}");
    let error = flush(&manifests, 2, cut(0, 2)).await.expect_err("newer");
    assert!(
        matches!(error, ManifestError::Format { .. }),
        "nothing is written over what is not understood: {error}"
    );
}

#[tokio::test]
async fn another_window_length_is_an_error_for_readers_and_writers() {
    let (manifests, _, bucket) = faulty();
    committed(&manifests, 1, cut(0, 1)).await;
    let components = Components::new(SystemClock::shared(), Random::from_seed(9), None);
    let window_length = WindowLength::from_millis(10_000).expect("valid");
    let settings = ManifestSettings { window_length, ..ManifestSettings::default() };
    let other = ManifestStore::new(bucket, settings, &components);
    for error in [
        other.newest(WS()).await.expect_err("other windows").to_string(),
        flush(&other, 2, cut(0, 2)).await.expect_err("other windows").to_string(),
    ] {
        assert!(error.contains("7200000 ms") && error.contains("10000 ms"), "{error}");
    }
}

#[tokio::test]
async fn a_stray_key_does_not_hide_the_roots() {
    let (manifests, _, bucket) = faulty();
    let manifest = committed(&manifests, 1, cut(0, 1)).await;
    bucket.put(&layout::manifest_prefix(WS()).join("!first"), PutPayload::new()).await.expect("put");
    assert_eq!(store(bucket, 5).newest(WS()).await.expect("readable"), manifest);
}

#[tokio::test]
async fn hints_make_it_look() {
    let (writer, faults, bucket) = faulty();
    let reader = store(bucket, 7);
    let hour = Duration::from_secs(3_600);
    committed(&writer, 1, cut(0, 1)).await;
    let first = reader.refresh(WS(), hour).await.expect("readable");
    let second = committed(&writer, 2, cut(0, 2)).await;
    faults.reset_counts();
    assert_eq!(reader.refresh(WS(), hour).await.expect("readable"), first);
    assert_eq!(faults.totals().values().sum::<u64>(), 0, "nothing was said");
    assert_eq!(reader.behind(), []);
    reader.hint(WS(), second.revision());
    assert_eq!(reader.behind(), [WS()]);
    assert_eq!(reader.refresh(WS(), hour).await.expect("readable"), second);
    assert_eq!(reader.behind(), []);
    // A hint that does not come true is forgotten after one look.
    reader.hint(WS(), ManifestRevision(1_000));
    assert_eq!(reader.refresh(WS(), hour).await.expect("readable"), second);
    assert_eq!(reader.behind(), []);
    let wanted = ManifestRevision(3);
    let error = reader.follow(WS(), Freshness::AtLeast(wanted)).await.expect_err("not there");
    assert!(matches!(error, ManifestError::Behind { newest: ManifestRevision(2), .. }), "{error}");
    reader.forget(WS());
    assert_eq!(reader.known(WS()), None);
}

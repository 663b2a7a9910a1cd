//! Storage on a real directory: restarts, checkpoints, damage, and disks that fail.

mod crash;
mod cuts;
mod damage;
mod fault;
mod faulty_disk;
mod fuzzy;
mod lifetimes;
mod seal;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use narthex_model::{Labels, Matcher, TimeRange, TimestampMs, Value, WorkspaceId};
use narthex_rpc::frame::{Frame, FrameBuilder};
use narthex_service::SystemClock;
use tempfile::TempDir;

use super::*;

const NOW: i64 = 1_700_000_000_000;
const EPOCH: Epoch = Epoch(1);

type Content = BTreeMap<(WorkspaceId, Labels), BTreeMap<i64, u64>>;

fn workspace(number: u8) -> WorkspaceId {
    WorkspaceId::from_random(u128::from(number) + 1)
}

fn config(directory: &Path) -> StorageConfig {
    StorageConfig {
        segment_bytes: 8 << 10,
        allocate_bytes: 4 << 10,
        chunk_file_bytes: 2 << 10,
        checkpoint_bytes: u64::MAX,
        ..StorageConfig::new(directory)
    }
}

fn open_with(config: StorageConfig, disk: Arc<dyn Disk>) -> Result<(Storage, ReplayReport), OpenError> {
    Storage::open(config, disk, SystemClock::shared(), &SharedRegistry::default(), |_| {})
}

/// Without faults, and without real syncs: these tests lose processes, not power.
fn disk() -> Arc<dyn Disk> {
    Arc::new(faulty_disk::FaultyDisk(faulty_disk::Faults::none()))
}

fn open(directory: &Path) -> (Storage, ReplayReport) {
    open_with(config(directory), disk()).expect("opens")
}

fn labels(series: u32) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("series", format!("{series}"))])
}

fn frame(samples: &[(u32, i64, f64)]) -> Frame {
    let mut builder = FrameBuilder::new();
    for (series, timestamp, value) in samples {
        let labels = labels(*series);
        builder.series(labels.series_hash(), labels.as_bytes());
        builder.float(*timestamp, *value);
    }
    Frame::parse(builder.finish()).expect("own frame")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("runtime")
}

fn push(
    storage: &Storage,
    workspace: WorkspaceId,
    samples: &[(u32, i64, f64)],
) -> Result<Pushed, StorageError> {
    let newest = samples.iter().map(|(_, at, _)| *at).max().unwrap_or(NOW);
    runtime().block_on(storage.push(
        workspace,
        EPOCH,
        TimestampMs(newest),
        frame(samples),
        PushLimits::default(),
    ))
}

fn content(storage: &Storage) -> Content {
    let mut content = Content::new();
    for workspace in storage.workspaces() {
        let selection = storage.select(workspace, &[], TimeRange::ALL, Budget::default()).expect("selects");
        let mut last: Option<Labels> = None;
        for series in selection.iter() {
            let series = series.expect("reads");
            assert!(last.as_ref().is_none_or(|last| *last < series.labels), "out of order");
            last = Some(series.labels.clone());
            let samples = content.entry((workspace, series.labels)).or_default();
            for chunk in &series.chunks {
                for (at, value) in chunk.samples().expect("intact") {
                    let Value::Float(value) = value else { panic!("only floats are written") };
                    samples.insert(at, value.to_bits());
                }
            }
        }
    }
    content
}

/// Pushes rounds of samples to several series of two workspaces, with a value that tells its place.
fn fill(storage: &Storage, rounds: std::ops::Range<i64>) -> Content {
    let mut written = Content::new();
    for round in rounds {
        for number in 0..2u8 {
            let at = NOW + round * 15_000;
            let samples: Vec<_> =
                (0..7).map(|series| (series, at + i64::from(series), (round * 10) as f64 + 0.5)).collect();
            let pushed = push(storage, workspace(number), &samples).expect("stored");
            assert_eq!(pushed.refusals, []);
            note(&mut written, workspace(number), &samples);
        }
    }
    written
}

fn note(content: &mut Content, workspace: WorkspaceId, samples: &[(u32, i64, f64)]) {
    for (series, at, value) in samples {
        content.entry((workspace, labels(*series))).or_default().insert(*at, value.to_bits());
    }
}

fn merge(all: &mut Content, more: Content) {
    for (series, samples) in more {
        all.entry(series).or_default().extend(samples);
    }
}

fn wal_segments(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(directory.join("wal"))
        .expect("wal")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wal"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn what_was_acknowledged_is_there_after_every_restart() {
    let directory = TempDir::new().expect("directory");
    let (storage, report) = open(directory.path());
    assert!(report.empty);
    let mut expected = fill(&storage, 0..150);
    assert_eq!(content(&storage), expected);
    drop(storage);
    for round in 1..4i64 {
        let (storage, report) = open(directory.path());
        assert!(!report.empty && report.damaged.is_empty() && report.truncated_bytes == 0, "{report:?}");
        assert_eq!(content(&storage), expected);
        assert_eq!(report.series, 14);
        merge(&mut expected, fill(&storage, round * 150..round * 150 + 40));
        assert_eq!(content(&storage), expected);
        storage.abandon();
    }
}

#[test]
fn checkpoints_shorten_the_log_and_keep_everything() {
    let directory = TempDir::new().expect("directory");
    let mut expected = Content::new();
    for round in 0..6i64 {
        let (storage, report) = open(directory.path());
        assert_eq!(content(&storage), expected, "{report:?}");
        merge(&mut expected, fill(&storage, round * 200..round * 200 + 170));
        storage.checkpoint().expect("checkpoint");
        assert_eq!(wal_segments(directory.path()).len(), 1);
        merge(&mut expected, fill(&storage, round * 200 + 170..round * 200 + 180));
        assert_eq!(content(&storage), expected);
        if round % 2 == 0 { storage.abandon() } else { storage.close() }
    }
    let (storage, report) = open(directory.path());
    assert_eq!(content(&storage), expected);
    assert_eq!(report.samples, 10 * 14, "only what came after the checkpoint is replayed");
    let files: u64 = storage.stats().iter().map(|stats| stats.head.file_bytes).sum();
    assert!(files > 0, "chunk files are mapped");
}

#[test]
fn a_checkpoint_without_changes_writes_nothing_new() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    let expected = fill(&storage, 0..5);
    storage.checkpoint().expect("checkpoint");
    let snapshots = || {
        std::fs::read_dir(directory.path().join("heads").join(workspace(0).to_string()))
            .expect("heads")
            .map(|e| e.expect("entry").file_name())
            .collect::<Vec<_>>()
    };
    let before = snapshots();
    storage.checkpoint().expect("checkpoint");
    assert_eq!(snapshots(), before);
    drop(storage);
    assert_eq!(content(&open(directory.path()).0), expected);
}

#[test]
fn checkpoints_beside_pushes_lose_and_double_nothing() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    let checkpoints = storage.clone();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            checkpoints.checkpoint().expect("checkpoint");
        }
    });
    let expected = fill(&storage, 0..400);
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("checkpoints");
    storage.abandon();
    drop(storage);
    let (storage, _) = open(directory.path());
    assert_eq!(content(&storage), expected);
    let selection = storage
        .select(workspace(0), &[Matcher::equal("series", "3")], TimeRange::ALL, Budget::default())
        .expect("selects");
    let samples: u32 = selection.chunks(0..1).expect("reads")[0].iter().map(|chunk| chunk.samples).sum();
    assert_eq!(samples, 400, "each sample is in one chunk");
}

#[test]
fn interval_mode_syncs_within_a_second() {
    let directory = TempDir::new().expect("directory");
    let config = StorageConfig { wal_sync: WalSync::Interval, ..config(directory.path()) };
    let (storage, _) = open_with(config, disk()).expect("opens");
    let expected = fill(&storage, 0..3);
    let shared = storage.0.shared.clone();
    let deadline = std::time::Duration::from_secs(5);
    let started = shared.clock.monotonic();
    let written = shared.sync.lock().written;
    while shared.synced() < written {
        assert!(shared.clock.monotonic() - started < deadline, "not synced");
        std::thread::yield_now();
    }
    drop((storage, shared));
    assert_eq!(content(&open(directory.path()).0), expected);
}

#[test]
fn a_directory_has_one_owner() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    let second = open_with(config(directory.path()), disk());
    assert!(matches!(second, Err(OpenError::Locked(_))));
    drop(storage);
    open(directory.path());
}

#[test]
fn labels_of_reads_under_way_are_bounded_together() {
    let directory = TempDir::new().expect("directory");
    let config = StorageConfig { read_bytes: 1_500, ..config(directory.path()) };
    let (storage, _) = open_with(config, disk()).expect("opens");
    fill(&storage, 0..10);
    let of_a_client = Budget { max_series: 100, ..Budget::default() };
    let select = |budget| storage.select(workspace(0), &[], TimeRange::ALL, budget);
    let mut held = Vec::new();
    let refused = loop {
        match select(of_a_client) {
            Ok(selection) => held.push(selection),
            Err(error) => break error,
        }
        assert!(held.len() < 100, "seven series take some bytes");
    };
    assert!(!held.is_empty() && matches!(refused, StorageError::Busy(_)), "{refused}");
    let copy = select(Budget::default()).expect("the owner's own reads are not refused");
    assert_eq!(copy.len(), held[0].len());
    held.pop();
    assert!(select(of_a_client).is_ok(), "free again");
}

#[test]
fn reads_keep_to_their_budget_and_range() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    fill(&storage, 0..10);
    let select = |range: TimeRange, budget: Budget| storage.select(workspace(0), &[], range, budget);
    assert!(matches!(
        select(TimeRange::ALL, Budget { max_series: 6, ..Budget::default() }),
        Err(StorageError::OverBudget { limit: 6, .. })
    ));
    let selection =
        select(TimeRange::ALL, Budget { max_samples: 30, ..Budget::default() }).expect("the series are few");
    assert!(
        selection
            .iter()
            .any(|series| matches!(series, Err(StorageError::OverBudget { what: "samples", .. })))
    );
    assert!(
        select((NOW + 1_000_000..=NOW + 2_000_000).into(), Budget::default()).expect("selects").is_empty()
    );
    assert_eq!(storage.label_values(workspace(0), "series", &[], TimeRange::ALL, 3), ["0", "1", "2"]);
    assert_eq!(
        storage.label_names(workspace(0), &[vec![Matcher::equal("series", "1")]], TimeRange::ALL, 0),
        ["__name__", "series"]
    );
    assert_eq!(
        storage.series(workspace(0), &[vec![Matcher::equal("series", "1")]], TimeRange::ALL, 0),
        [labels(1)]
    );
    assert!(storage.series(workspace(7), &[], TimeRange::ALL, 0).is_empty());
    assert_eq!(storage.active_series(workspace(0), TimestampMs(NOW)), 7);
}

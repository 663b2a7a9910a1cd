//! How long things stay: files until no checkpoint needs them, reads until they are expelled, workspaces until they are dropped,
//! and pushes as long as the quota has room.

use std::fs;

use narthex_model::{ManifestRevision, Window, WindowLength};

use super::*;

const WINDOW: Window = WindowLength::DEFAULT.window(TimestampMs(NOW));

fn seal(storage: &Storage) {
    runtime().block_on(storage.seal(workspace(0), EPOCH, WINDOW)).expect("sealed");
}

fn forget(storage: &Storage) -> Forgot {
    let forget = storage.forget(workspace(0), EPOCH, WINDOW, EPOCH, ManifestRevision(1));
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("runtime")
        .block_on(forget)
        .expect("forgotten")
}

fn files(directory: &Path, number: u8, extension: &str) -> Vec<String> {
    let heads = directory.join("heads").join(workspace(number).to_string());
    let entries: Vec<_> = fs::read_dir(heads).map(|entries| entries.flatten().collect()).unwrap_or_default();
    let names = entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(extension)).collect()
}

#[test]
fn a_chunk_file_goes_with_the_first_checkpoint_that_does_not_need_it() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    fill(&storage, 0..400);
    storage.checkpoint().expect("checkpoint");
    let held = files(directory.path(), 0, ".chunks");
    assert!(held.len() > 1);
    seal(&storage);
    assert_eq!(forget(&storage), Forgot::Sealed);
    let stats = |storage: &Storage| {
        let of = |stats: &&WorkspaceStats| stats.workspace == workspace(0);
        storage.stats().iter().find(of).expect("the workspace").head
    };
    assert_eq!((stats(&storage).file_bytes, stats(&storage).chunks), (0, 0));
    assert!(stats(&storage).forgotten_bytes > 0);
    assert_eq!(files(directory.path(), 0, ".chunks").len(), held.len(), "the checkpoint names them");
    // A crash now replays from that checkpoint, which needs every one of them.
    storage.abandon();
    drop(storage);
    let (storage, report) = open(directory.path());
    assert!(report.damaged.is_empty());
    assert_eq!(stats(&storage).chunks, 0, "what was forgotten does not come back");
    storage.checkpoint().expect("checkpoint");
    assert_eq!(files(directory.path(), 0, ".chunks"), [""; 0]);
    assert_eq!(stats(&storage).forgotten_bytes, 0);
    assert!(!files(directory.path(), 1, ".chunks").is_empty(), "the other workspace keeps its own");
}

#[test]
fn reads_that_began_before_are_waited_for() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    let expected = fill(&storage, 0..30);
    seal(&storage);
    let select = |storage: &Storage| {
        storage.select(workspace(0), &[], TimeRange::ALL, Budget::default()).expect("selects")
    };
    let before = select(&storage);
    assert_eq!(before.acted_revision(), ManifestRevision(0));
    let forgetting = storage.clone();
    let thread = std::thread::spawn(move || forget(&forgetting));
    // Reads that begin now are told to look into blocks.
    while storage.acted_revision(workspace(0)) == ManifestRevision(0) {
        std::thread::yield_now();
    }
    let read: usize = before
        .iter()
        .map(|series| series.expect("reads").chunks.iter().map(|c| c.samples as usize).sum::<usize>())
        .sum();
    assert_eq!(
        read,
        expected.iter().filter(|((id, _), _)| *id == workspace(0)).map(|(_, all)| all.len()).sum::<usize>()
    );
    assert!(!thread.is_finished(), "it waits for the read");
    drop(before);
    assert_eq!(thread.join().expect("forgotten"), Forgot::Sealed);
    let after = select(&storage);
    assert_eq!((after.acted_revision(), after.len()), (ManifestRevision(1), 0));
}

/// A clock on which every pause is over at once, so that patience ends soon.
#[derive(Debug)]
struct Hasty(std::sync::atomic::AtomicU64);

impl narthex_service::Clock for Hasty {
    fn now(&self) -> TimestampMs {
        TimestampMs(NOW)
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, _: std::time::Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn reads_that_take_too_long_are_expelled_instead_of_coming_back_with_less() {
    let directory = TempDir::new().expect("directory");
    let clock: SharedClock = Arc::new(Hasty(0.into()));
    let opened = Storage::open(config(directory.path()), disk(), clock, &SharedRegistry::default(), |_| {});
    let (storage, _) = opened.expect("opens");
    fill(&storage, 0..30);
    seal(&storage);
    let selection = storage.select(workspace(0), &[], TimeRange::ALL, Budget::default()).expect("selects");
    let view = storage.cut(workspace(0), EPOCH, WINDOW).expect("sealed");
    assert_eq!(forget(&storage), Forgot::Sealed);
    assert!(matches!(selection.chunks(0..1), Err(StorageError::Expelled)));
    assert!(matches!(view.chunks(0..1), Err(StorageError::Expelled | StorageError::CutGone)));
    assert!(matches!(storage.cut(workspace(0), EPOCH, WINDOW), Ok(view) if view.is_empty()));
}

#[test]
fn a_selection_reads_the_series_that_it_named_whatever_happened_to_their_ids() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    push(&storage, workspace(0), &[(1, NOW, 1.0)]).expect("stored");
    seal(&storage);
    forget(&storage);
    push(&storage, workspace(0), &[(2, NOW + 7_200_000, 2.0)]).expect("stored");
    let selection = storage.select(workspace(0), &[], TimeRange::ALL, Budget::default()).expect("selects");
    assert_eq!(selection.labels().collect::<Vec<_>>(), [&labels(2)]);
    // Series 1 leaves and its id is used again.
    let late = TimestampMs(NOW + 20_000_000);
    assert_eq!(runtime().block_on(storage.sweep(late)).expect("swept"), 1);
    storage.checkpoint().expect("checkpoint");
    push(&storage, workspace(0), &[(3, NOW + 7_200_000, 3.0)]).expect("stored");
    assert_eq!(storage.stats()[0].head.series, 2);
    let chunks = selection.chunks(0..1).expect("reads");
    assert_eq!(chunks[0][0].samples().expect("intact"), [(NOW + 7_200_000, Value::Float(2.0))]);
    assert_eq!(storage.series(workspace(0), &[], TimeRange::ALL, 0), [labels(2), labels(3)]);
}

#[test]
fn an_active_series_stays_without_samples() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    push(&storage, workspace(0), &[(1, NOW, 1.0)]).expect("stored");
    seal(&storage);
    forget(&storage);
    let hour = 3_600_000;
    assert_eq!(runtime().block_on(storage.sweep(TimestampMs(NOW + hour))).expect("swept"), 0);
    assert_eq!(storage.active_series(workspace(0), TimestampMs(NOW + hour)), 1, "W-3 counts it");
    assert_eq!(runtime().block_on(storage.sweep(TimestampMs(NOW + 2 * hour + 60_000))).expect("swept"), 1);
    assert_eq!(storage.stats()[0].head.series, 0);
}

#[test]
fn a_dropped_workspace_leaves_nothing_and_may_come_again() {
    for crash in [false, true] {
        let directory = TempDir::new().expect("directory");
        let (storage, _) = open(directory.path());
        let mut expected = fill(&storage, 0..300);
        storage.checkpoint().expect("checkpoint");
        merge(&mut expected, fill(&storage, 300..310));
        runtime().block_on(storage.drop_workspace(workspace(0))).expect("dropped");
        runtime().block_on(storage.drop_workspace(workspace(9))).expect("nothing to drop");
        expected.retain(|(id, _), _| *id == workspace(1));
        assert_eq!(content(&storage), expected);
        if crash {
            storage.abandon();
            drop(storage);
            let (storage, report) = open(directory.path());
            assert!(report.damaged.is_empty(), "{report:?}");
            assert_eq!(content(&storage), expected);
            continue;
        }
        // Its numbers of files go on, so that no file of the checkpoint is written over.
        let samples: Vec<_> = (0..400).map(|n| (1, NOW + n * 1_000, n as f64)).collect();
        for samples in samples.chunks(10) {
            push(&storage, workspace(0), samples).expect("stored");
            note(&mut expected, workspace(0), samples);
        }
        checkpoint::write_chunk_files(&storage.0.shared).expect("written");
        storage.abandon();
        drop(storage);
        let (storage, report) = open(directory.path());
        assert!(report.damaged.is_empty(), "{report:?}");
        assert_eq!(content(&storage), expected);
        runtime().block_on(storage.drop_workspace(workspace(0))).expect("dropped");
        storage.checkpoint().expect("checkpoint");
        assert!(!directory.path().join("heads").join(workspace(0).to_string()).exists());
        storage.checkpoint().expect("the writer is done with what came before");
        assert_eq!(storage.workspaces(), [workspace(1)]);
    }
}

#[test]
fn a_quota_refuses_pushes_until_cuts_are_forgotten() {
    let directory = TempDir::new().expect("directory");
    let config = StorageConfig { workspace_quota_bytes: 20_000, ..config(directory.path()) };
    let (storage, _) = open_with(config, disk()).expect("opens");
    let mut refused = None;
    for round in 0..10_000 {
        let samples: Vec<_> = (0..7).map(|series| (series, NOW + round * 100, round as f64 * 0.37)).collect();
        if let Err(error) = push(&storage, workspace(0), &samples) {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("the quota is used up");
    assert!(matches!(refused, StorageError::OverQuota { quota: 20_000, used: 20_000.., .. }));
    let text = refused.to_string();
    assert!(
        text.contains(&workspace(0).to_string())
            && text.contains("20000")
            && text.contains("--disk.workspace-quota"),
        "{text}"
    );
    assert_eq!(storage.failure(), None);
    push(&storage, workspace(1), &[(1, NOW, 1.0)]).expect("another workspace has its own quota");
    seal(&storage);
    forget(&storage);
    storage.checkpoint().expect("checkpoint");
    push(&storage, workspace(0), &[(1, NOW + 7_200_000, 1.0)]).expect("there is room again");
}

#[test]
fn a_quota_of_the_directory_counts_all_workspaces() {
    let directory = TempDir::new().expect("directory");
    let config = StorageConfig { quota_bytes: 60_000, ..config(directory.path()) };
    let (storage, _) = open_with(config, disk()).expect("opens");
    fill(&storage, 0..800);
    maintain::measure(&storage.0.shared);
    let refused = push(&storage, workspace(1), &[(1, NOW + 20_000_000, 1.0)]).expect_err("over the quota");
    assert!(refused.to_string().contains("--disk.quota"), "{refused}");
}

#[test]
fn a_directory_is_read_with_the_windows_that_it_was_written_with() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    let expected = fill(&storage, 0..3);
    drop(storage);
    let window = WindowLength::from_millis(3_600_000).expect("valid");
    let other = open_with(StorageConfig { window, ..config(directory.path()) }, disk());
    let error = other.expect_err("another length");
    assert!(
        matches!(error, OpenError::OtherWindows { stored: 7_200_000, configured: 3_600_000, .. }),
        "{error}"
    );
    // As it was before the file existed.
    fs::remove_file(directory.path().join("format")).expect("the file");
    let other = open_with(StorageConfig { window, ..config(directory.path()) }, disk());
    assert!(matches!(other, Err(OpenError::OtherWindows { .. })));
    assert_eq!(content(&open(directory.path()).0), expected);
    assert!(directory.path().join("format").exists());
    fs::write(directory.path().join("format"), br#"{"version":2,"window_ms":7200000}"#).expect("the file");
    assert!(matches!(open_with(config(directory.path()), disk()), Err(OpenError::Newer { .. })));
}

#[test]
fn cuts_beside_checkpoints_and_pushes_lose_and_double_nothing() {
    let directory = TempDir::new().expect("directory");
    let length = WindowLength::from_millis(60_000).expect("valid");
    let config = StorageConfig { window: length, ..config(directory.path()) };
    let (storage, _) = open_with(config.clone(), disk()).expect("opens");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let checkpoints = {
        let (storage, stop) = (storage.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                storage.checkpoint().expect("checkpoint");
            }
        })
    };
    let first = length.window(TimestampMs(NOW)).0;
    let mut expected = Content::new();
    for minute in 0..40i64 {
        let at = length.start(Window(first + minute)).0;
        // Every minute has series of its own, which leave with it.
        let samples: Vec<_> =
            (0..60i64).map(|n| ((minute * 7 + n % 7) as u32, at + n * 1_000, n as f64)).collect();
        for samples in samples.chunks(6) {
            push(&storage, workspace(0), samples).expect("stored");
            note(&mut expected, workspace(0), samples);
        }
        if minute >= 3 {
            let window = Window(first + minute - 3);
            runtime().block_on(storage.seal(workspace(0), EPOCH, window)).expect("sealed");
            let forget = storage.forget(workspace(0), EPOCH, window, EPOCH, ManifestRevision(minute as u64));
            assert_eq!(runtime().block_on(forget).expect("forgotten"), Forgot::Sealed);
            for series in expected.values_mut() {
                series.retain(|at, _| length.window(TimestampMs(*at)) != window);
            }
            expected.retain(|_, samples| !samples.is_empty());
            let late = TimestampMs(NOW + minute * 10_800_000);
            runtime().block_on(storage.sweep(late)).expect("swept");
        }
        assert_eq!(content(&storage), expected);
    }
    stop.store(true, Ordering::Relaxed);
    checkpoints.join().expect("checkpoints");
    let stats = storage.stats()[0].head;
    assert!(stats.series <= 5 * 7, "series leave with their minutes: {stats:?}");
    storage.abandon();
    drop(storage);
    let (storage, report) = open_with(config, disk()).expect("opens");
    assert!(report.damaged.is_empty() && report.lost_samples == 0, "{report:?}");
    assert_eq!(content(&storage), expected);
    assert_eq!(storage.stats()[0].head.series, stats.series);
}

//! What a workspace costs once all that it wrote is in blocks: nothing but its entry (at most 4 KiB, section 7 of the design).
//!
//! The allocator counts, so that the figures are exact; therefore one test, alone in its process.
#![allow(unsafe_code, reason = "a counting allocator has to forward to the system's")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicIsize, Ordering},
    },
};

use narthex_ingester::{
    head::PushLimits,
    storage::{Forgot, OsDisk, Storage, StorageConfig, WalSync},
};
use narthex_model::{Epoch, Labels, ManifestRevision, MetricType, TimestampMs, WindowLength, WorkspaceId};
use narthex_rpc::frame::{Frame, FrameBuilder};
use narthex_service::{SharedRegistry, SystemClock};

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is forwarded as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: i64 = 1_700_000_000_000;
const EPOCH: Epoch = Epoch(3);

fn live() -> isize {
    LIVE.load(Ordering::Relaxed)
}

fn workspace(number: u32) -> WorkspaceId {
    WorkspaceId::from_random(u128::from(number) + 1)
}

async fn push(storage: &Storage, workspace: WorkspaceId, series: Range<u32>, rounds: i64) {
    for first in series.clone().step_by(1_000) {
        for round in 0..rounds {
            let mut builder = FrameBuilder::new();
            for number in first..series.end.min(first + 1_000) {
                let labels = Labels::from_pairs([
                    ("__name__", format!("metric_{}", number % 50)),
                    ("instance", format!("host-{number}.example.org:9100")),
                    ("job", "node".to_owned()),
                    ("shard", format!("{}", number % 700)),
                ]);
                builder.series(labels.series_hash(), labels.as_bytes());
                builder.float(NOW + round * 15_000, f64::from(number) + 0.25);
            }
            for metric in 0..20 {
                builder.metadata(MetricType::Gauge, &format!("metric_{metric}"), "Some words of help", "");
            }
            let frame = Frame::parse(builder.finish()).expect("own frame");
            let received = TimestampMs(NOW + round * 15_000);
            let pushed = storage.push(workspace, EPOCH, received, frame, PushLimits::default()).await;
            assert_eq!(pushed.expect("stored").refusals, []);
        }
    }
}

/// Seals and forgets whatever is held, and lets the series leave three hours later.
async fn flush(storage: &Storage, workspace: WorkspaceId) {
    for open in storage.open_windows(workspace) {
        let sealed = storage.seal(workspace, EPOCH, open.window).await.expect("sealed");
        assert!(sealed.series > 0);
        let forget = storage.forget(workspace, EPOCH, open.window, EPOCH, ManifestRevision(1));
        assert_eq!(forget.await.expect("forgotten"), Forgot::Sealed);
    }
    storage.sweep(TimestampMs(NOW + 3 * 3_600_000)).await.expect("swept");
}

fn chunk_files(directory: &Path, workspace: WorkspaceId) -> usize {
    let heads =
        std::fs::read_dir(directory.join("heads").join(workspace.to_string())).expect("a head's files");
    heads
        .filter(|entry| {
            entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "chunks"))
        })
        .count()
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_in_blocks_costs_nothing() {
    let directory = tempfile::TempDir::new().expect("directory");
    let config = StorageConfig {
        wal_sync: WalSync::Interval,
        chunk_file_bytes: 1 << 20,
        window: WindowLength::DEFAULT,
        ..StorageConfig::new(directory.path())
    };
    let open = || {
        let (config, registry) = (config.clone(), SharedRegistry::default());
        Storage::open(config, Arc::new(OsDisk), SystemClock::shared(), &registry, |_| {}).expect("opens").0
    };
    let storage = open();
    // Buffers of the threads have their sizes after the first large workspace.
    for large in 0..2 {
        let before = live();
        push(&storage, workspace(large), 0..30_000, 130).await;
        storage.checkpoint().expect("checkpoint");
        let stats = |storage: &Storage| {
            let found = storage.stats().into_iter().find(|stats| stats.workspace == workspace(large));
            found.expect("the workspace")
        };
        let full = stats(&storage);
        assert!(
            full.head.series == 30_000 && full.head.label_pairs > 30_000 && full.head.file_bytes > 2 << 20,
            "{full:?}"
        );
        assert!(
            full.disk_bytes > full.head.file_bytes && chunk_files(directory.path(), workspace(large)) > 2
        );
        let held = live() - before;
        flush(&storage, workspace(large)).await;
        storage.checkpoint().expect("checkpoint");
        let empty = stats(&storage);
        assert_eq!((empty.head.series, empty.head.active_series, empty.head.label_pairs), (0, 0, 0));
        assert_eq!(
            (empty.head.file_bytes, empty.head.unwritten_bytes, empty.head.forgotten_bytes),
            (0, 0, 0)
        );
        assert!(empty.disk_bytes < 1_000, "{empty:?}");
        assert_eq!(chunk_files(directory.path(), workspace(large)), 0);
        let left = live() - before;
        println!("30,000 series held {held} bytes, {left} are left");
        assert!(large == 0 || left <= 4096, "{left} bytes are left of {held}");
    }
    let before = live();
    for small in 100..200 {
        push(&storage, workspace(small), 0..40, 3).await;
        flush(&storage, workspace(small)).await;
    }
    storage.checkpoint().expect("checkpoint");
    let each = (live() - before) / 100;
    println!("an idle workspace costs {each} bytes");
    assert!(each <= 4096, "an idle workspace costs {each} bytes");
    // Nothing comes back.
    storage.abandon();
    drop(storage);
    let storage = open();
    assert!(storage.stats().iter().all(|stats| stats.head.series == 0 && stats.head.chunks == 0));
    assert_eq!(storage.acted_revision(workspace(0)), ManifestRevision(1));
}

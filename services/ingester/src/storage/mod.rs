//! Storage of an ingester: heads of all workspaces behind one write-ahead log, with checkpoints and chunk files.
//!
//! ```text
//! wal/<number>.wal                    segments of the log (see `wal`); wal/quarantine holds damaged ones
//! heads/<workspace>/<number>.chunks   sealed chunks, mapped
//! heads/<workspace>/<number>.snap     state of the head: series, open chunks, what is not in chunk files
//! checkpoint                          names the snapshots, and where the log to replay begins
//! format                              version and window length of all that
//! ```
//!
//! Four parts: the writer thread (all changes), the syncer (interval mode), the maintainer (chunk files and checkpoints), and
//! readers under short shared locks. What is acknowledged is in the log and in the head (W-1); replay of checkpoint and log gives the
//! same heads again. Threads wait on conditions in real time, because what they bound is real (disks, power); everything
//! that samples are judged by comes in as a stamp.

mod checkpoint;
mod chunk_file;
mod config;
mod cut;
mod disk;
mod error;
mod format;
mod lease;
mod maintain;
mod mapping;
mod metrics;
mod operation;
mod replay;
mod select;
mod shared;
mod snapshot_file;
mod writer;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use narthex_model::{Epoch, MetricMetadata, TimestampMs, WorkspaceId};
use narthex_rpc::frame::Frame;
use narthex_service::{SharedClock, SharedRegistry};
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use config::{OnDamage, StorageConfig, WalSync};
pub use cut::CutView;
pub use disk::{Disk, DiskFile, OsDisk};
pub use error::{OpenError, StorageError};
pub use operation::{Forgot, Sealed};
pub use replay::ReplayReport;
pub use select::{Budget, SelectedSeries, Selection};

pub use crate::head::{Boundary, WindowState};
use crate::head::{HeadStats, PushLimits, Pushed};
/// Reads the bytes of a log segment in any state; for fuzzing.
pub use crate::wal::read_any as read_any_wal;
use shared::Shared;
use writer::{Job, Push, Writer};

/// How long unsynced writes may wait in interval mode; with the sync itself this stays below a second.
const SYNC_PAUSE: Duration = Duration::from_millis(500);

/// Storage of one ingester. Cloning shares it; it closes when the last clone is dropped.
#[derive(Clone)]
pub struct Storage(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held for its lock on the directory.
    _lock: std::fs::File,
}

/// What a workspace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkspaceStats {
    /// Which one.
    pub workspace: WorkspaceId,
    /// How much.
    pub head: HeadStats,
    /// Bytes on disk, now or soon, to which the workspace's quota applies: chunk files, what will be written to them, those not
    /// deleted yet, and the snapshot.
    pub disk_bytes: u64,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("directory", &self.0.shared.config.directory).finish_non_exhaustive()
    }
}

impl Storage {
    /// Opens the data directory: loads the checkpoint, replays the log behind it, begins a new segment and starts the threads.
    /// Blocks until all is in memory; `progress` is told in words what goes on (`replaying segment 3 of 9`).
    pub fn open(
        config: StorageConfig,
        disk: Arc<dyn Disk>,
        clock: SharedClock,
        registry: &SharedRegistry,
        progress: impl FnMut(&str),
    ) -> Result<(Self, ReplayReport), OpenError> {
        let metrics = metrics::StorageMetrics::new();
        let (shared, lock, report, next_segment) =
            replay::open(config, disk, clock, metrics.clone(), progress)?;
        metrics.register(&mut registry.lock());
        let path = shared.segment_path(next_segment);
        let writer = Writer::start(shared.clone(), next_segment).map_err(OpenError::io("creating", path))?;
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let directory = shared.config.directory.clone();
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)
                .map_err(OpenError::io("starting threads for", directory))
        };
        let mut threads = vec![spawn("wal-writer", Box::new(move || writer.run()))?];
        if shared.config.wal_sync == WalSync::Interval {
            let shared = shared.clone();
            threads.push(spawn("wal-syncer", Box::new(move || writer::run_syncer(&shared, SYNC_PAUSE)))?);
        }
        let maintained = shared.clone();
        threads.push(spawn("maintainer", Box::new(move || maintain::run(&maintained)))?);
        let storage = Self(Arc::new(Handle { shared, threads: Mutex::new(threads), _lock: lock }));
        if !report.damaged.is_empty() {
            // Damaged files go only once the rest is safe without them; until then every start finds them again.
            storage.checkpoint().map_err(|error| OpenError::Damaged {
                path: storage.0.shared.config.directory.clone(),
                what: format!("damage was found and no checkpoint can be written: {error}"),
            })?;
        }
        Ok((storage, report))
    }

    /// Stores a frame's samples in the epoch that the owner has adopted; resolves once they are in the log as the sync mode promises, and in the head. Nothing is
    /// acknowledged after a failure of the disk. Dropping the future does not undo the push.
    pub async fn push(
        &self,
        workspace: WorkspaceId,
        epoch: Epoch,
        received: TimestampMs,
        frame: Frame,
        limits: PushLimits,
    ) -> Result<Pushed, StorageError> {
        let (reply, outcome) = oneshot::channel();
        let push = Push { workspace, epoch, received, frame, limits, reply };
        self.0.shared.submit(Job::Push(Box::new(push)))?;
        outcome.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Why storage acknowledges nothing any more, if so. Readiness says it; only a restart helps.
    pub fn failure(&self) -> Option<String> {
        self.0.shared.failure.get().cloned()
    }

    /// Workspaces that have a head, in no order.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        self.0.shared.workspaces.read().keys().copied().collect()
    }

    /// Size of every head.
    pub fn stats(&self) -> Vec<WorkspaceStats> {
        let all: Vec<_> =
            self.0.shared.workspaces.read().iter().map(|(id, head)| (*id, head.clone())).collect();
        all.into_iter()
            .map(|(workspace, place)| {
                let state = place.state.read();
                WorkspaceStats { workspace, head: state.head.stats(), disk_bytes: state.disk_bytes() }
            })
            .collect()
    }

    /// Series of a workspace that were written within the two hours before `now` on the data clock: exact.
    pub fn active_series(&self, workspace: WorkspaceId, now: TimestampMs) -> u32 {
        let head = self.0.shared.workspace(workspace);
        head.map_or(0, |head| head.state.write().head.active_series(now.0))
    }

    /// Metadata of one metric, or of all for an empty name; at most `limit` metrics, 0 for all.
    pub fn metadata(&self, workspace: WorkspaceId, metric: &str, limit: usize) -> Vec<MetricMetadata> {
        let head = self.0.shared.workspace(workspace);
        head.map_or_else(Vec::new, |head| head.state.read().head.metadata(metric, limit))
    }

    /// Writes a checkpoint now and waits for it; older segments of the log are gone then. Blocks on the disk.
    pub fn checkpoint(&self) -> Result<(), StorageError> {
        checkpoint::write(&self.0.shared)
    }

    /// Finishes waiting pushes, syncs the log and stops. Later pushes are refused. Blocks; without a checkpoint, so that
    /// stopping is as fast as a crash is safe.
    pub fn close(&self) {
        self.0.close();
    }

    /// Stops as a crash would, for tests: nothing more is written or synced.
    #[doc(hidden)]
    pub fn abandon(&self) {
        self.0.shared.abandoned.store(true, Ordering::Release);
        self.0.close();
    }
}

impl Handle {
    fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.queued.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        let mut threads = threads.into_iter();
        if let Some(writer) = threads.next() {
            let _ = writer.join();
        }
        self.shared.sync.lock().closed = true;
        self.shared.written.notify_all();
        self.shared.maintain.lock().closed = true;
        self.shared.maintenance.notify_all();
        threads.for_each(|thread| drop(thread.join()));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;

//! What the writer, the syncer, the maintainer and all readers of a storage share.

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use hashbrown::HashMap;
use narthex_model::WorkspaceId;
use narthex_service::{MemoryPool, SharedClock};
use parking_lot::{Condvar, Mutex, RwLock};

use super::{
    config::StorageConfig,
    disk::{Disk, DiskFile},
    error::StorageError,
    lease::Leases,
    metrics::StorageMetrics,
    writer::Job,
};
use crate::{
    head::Head,
    wal::{LogPosition, segment_name},
};

/// A workspace's head, and how much of the log it contains.
#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) state: RwLock<WorkspaceState>,
    pub(super) leases: Leases,
}

#[derive(Debug)]
pub(super) struct WorkspaceState {
    pub(super) head: Head,
    /// Behind the last record that changed the head.
    pub(super) applied: LogPosition,
    /// The newest snapshot.
    pub(super) snapshot: Option<Snapshot>,
    /// The workspace was dropped and nothing came since: checkpoints leave it out.
    pub(super) dropped: bool,
}

/// A snapshot on disk.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) name: String,
    /// `applied` when it was begun.
    pub(super) begun: LogPosition,
    /// The head's number of it.
    pub(super) number: u64,
    /// Chunk files that it needs.
    pub(super) files: Vec<u32>,
    pub(super) bytes: u64,
}

impl WorkspaceState {
    /// Bytes on disk, now or soon.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.head.disk_bytes() + self.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes)
    }
}

impl Workspace {
    pub(super) fn new(head: Head) -> Self {
        let state = WorkspaceState { head, applied: LogPosition::default(), snapshot: None, dropped: false };
        Self { state: RwLock::new(state), leases: Leases::default() }
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) jobs: Vec<Job>,
    pub(super) closed: bool,
}

/// What the syncer shall sync: the segment being written, and how far it is written.
#[derive(Debug, Default)]
pub(super) struct SyncTarget {
    pub(super) file: Option<Arc<dyn DiskFile>>,
    pub(super) written: LogPosition,
    pub(super) closed: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: StorageConfig,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) clock: SharedClock,
    pub(super) metrics: StorageMetrics,
    /// Memory of the labels of reads under way.
    pub(super) reads: Arc<MemoryPool>,
    pub(super) workspaces: RwLock<HashMap<WorkspaceId, Arc<Workspace>>>,
    pub(super) queue: Mutex<Queue>,
    pub(super) queued: Condvar,
    pub(super) sync: Mutex<SyncTarget>,
    pub(super) written: Condvar,
    /// The log up to here is on stable storage.
    pub(super) synced: AtomicU64,
    /// Bytes of the whole directory, as counted a moment ago.
    pub(super) disk_bytes: AtomicU64,
    /// Bytes of log since the last checkpoint began.
    pub(super) uncheckpointed: AtomicU64,
    pub(super) maintain: Mutex<Maintain>,
    pub(super) maintenance: Condvar,
    /// Held while a checkpoint is written; counts the checkpoints.
    pub(super) checkpointing: Mutex<u64>,
    /// Segments that replay found damaged: set aside instead of removed.
    pub(super) damaged_segments: Mutex<Vec<u32>>,
    pub(super) failure: OnceLock<String>,
    /// Set by tests of crashes: threads stop where they are, nothing is flushed.
    pub(super) abandoned: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Maintain {
    pub(super) closed: bool,
}

impl Shared {
    pub(super) fn new(
        config: StorageConfig,
        disk: Arc<dyn Disk>,
        clock: SharedClock,
        metrics: StorageMetrics,
        workspaces: HashMap<WorkspaceId, Arc<Workspace>>,
    ) -> Self {
        let reads = MemoryPool::new("reads", config.read_bytes, metrics.read_bytes.clone());
        Self {
            reads,
            config,
            disk,
            clock,
            metrics,
            workspaces: RwLock::new(workspaces),
            queue: Mutex::default(),
            queued: Condvar::new(),
            sync: Mutex::default(),
            written: Condvar::new(),
            synced: AtomicU64::new(0),
            disk_bytes: AtomicU64::new(0),
            uncheckpointed: AtomicU64::new(0),
            maintain: Mutex::default(),
            maintenance: Condvar::new(),
            checkpointing: Mutex::default(),
            damaged_segments: Mutex::default(),
            failure: OnceLock::new(),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Hands work to the writer.
    pub(super) fn submit(&self, job: Job) -> Result<(), StorageError> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(StorageError::Closed);
        }
        let wake = queue.jobs.is_empty();
        queue.jobs.push(job);
        drop(queue);
        if wake {
            self.queued.notify_one();
        }
        Ok(())
    }

    /// Stops all acknowledging for good. The first reason is kept.
    pub(super) fn fail(&self, what: &str, error: &std::io::Error) -> String {
        let reason = format!("{what}: {error}");
        if self.failure.set(reason.clone()).is_ok() {
            self.metrics.failed.set(1);
            tracing::error!(%reason, "storage failed and acknowledges nothing any more; check the disk and restart the process");
        }
        self.failure.get().cloned().unwrap_or(reason)
    }

    pub(super) fn synced(&self) -> LogPosition {
        LogPosition(self.synced.load(Ordering::Acquire))
    }

    pub(super) fn set_synced(&self, position: LogPosition) {
        self.synced.fetch_max(position.0, Ordering::AcqRel);
    }

    pub(super) fn workspace(&self, id: WorkspaceId) -> Option<Arc<Workspace>> {
        self.workspaces.read().get(&id).cloned()
    }

    pub(super) fn workspace_or_new(&self, id: WorkspaceId) -> Arc<Workspace> {
        if let Some(workspace) = self.workspace(id) {
            return workspace;
        }
        let fresh = || Arc::new(Workspace::new(Head::new(self.config.chunk_file_bytes, self.config.window)));
        self.workspaces.write().entry(id).or_insert_with(fresh).clone()
    }

    pub(super) fn wal_directory(&self) -> PathBuf {
        self.config.directory.join("wal")
    }

    pub(super) fn segment_path(&self, segment: u32) -> PathBuf {
        self.wal_directory().join(segment_name(segment))
    }

    pub(super) fn head_directory(&self, workspace: WorkspaceId) -> PathBuf {
        self.config.directory.join("heads").join(workspace.to_string())
    }
}

//! The one thread that changes heads and writes the WAL.
//!
//! It takes all waiting pushes at once, applies each to its head while collecting its record, writes the records in one
//! write, syncs if the mode says so, and only then replies: what is acknowledged is in both, and the order of the log is the
//! order of the heads. Readers may see samples before they are acknowledged; that is allowed. Space is reserved before a push
//! is applied, so a full disk refuses pushes without leaving in memory what is not in the log. If writing or syncing reserved space
//! fails all the same, heads and log differ: nothing is acknowledged from then on and no sync is tried again, because after
//! a failed sync the kernel may have dropped the pages. The restart replays what is really there.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering, mpsc},
};

use narthex_model::{Epoch, TimestampMs, WorkspaceId};
use narthex_rpc::frame::Frame;
use tokio::sync::oneshot;

use super::{
    config::WalSync,
    disk::DiskFile,
    error::StorageError,
    metrics::{ReasonLabel, StorageMetrics},
    operation::{Answer, Operation},
    shared::{Shared, Workspace},
};
use crate::{
    head::{Head, PushLimits, Pushed},
    wal::{FRAME, HEADER, LogPosition, RecordBuilder, StepsBuilder, frame, header},
};

/// A write of this size is not joined with further pushes.
const BATCH_BYTES: usize = 8 << 20;

/// Largest record. A frame of the largest request is far below; a segment grows beyond its usual size for it.
const MAX_RECORD_BYTES: u64 = 1 << 30;

/// Work for the writer.
#[derive(Debug)]
pub(super) enum Job {
    Push(Box<Push>),
    /// Begin a new segment and tell where.
    Roll(mpsc::Sender<Result<LogPosition, StorageError>>),
    Operation(Operation),
    /// Let go of a dropped workspace, of which no checkpoint knows any more.
    Reap(WorkspaceId),
}

#[derive(Debug)]
pub(super) struct Push {
    pub(super) workspace: WorkspaceId,
    pub(super) epoch: Epoch,
    pub(super) received: TimestampMs,
    pub(super) frame: Frame,
    pub(super) limits: PushLimits,
    pub(super) reply: oneshot::Sender<Result<Pushed, StorageError>>,
}

/// Tells who waits how writing the batch ended.
type Reply = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

/// The writer's own state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    file: Arc<dyn DiskFile>,
    segment: u32,
    /// Written bytes of the segment.
    offset: u64,
    allocated: u64,
    /// Records not written yet, and who waits for them.
    batch: Vec<u8>,
    replies: Vec<Reply>,
    /// Someone waits for a sync, whatever the mode.
    must_sync: bool,
    record: RecordBuilder,
    /// The last attempt to reserve space found none; said once, not with every push.
    full: bool,
    /// The first is under way.
    operations: VecDeque<Operation>,
}

impl Writer {
    /// Begins a new segment.
    pub(super) fn start(shared: Arc<Shared>, segment: u32) -> io::Result<Self> {
        let (file, allocated) = new_segment(&shared, segment)?;
        shared.sync.lock().file = Some(file.clone());
        shared.set_synced(LogPosition::new(segment, HEADER as u32));
        Ok(Self {
            shared,
            file,
            segment,
            offset: HEADER as u64,
            allocated,
            batch: Vec::new(),
            replies: Vec::new(),
            must_sync: false,
            record: RecordBuilder::default(),
            full: false,
            operations: VecDeque::new(),
        })
    }

    /// Works until the queue is closed and empty; operations under way are left then.
    pub(super) fn run(mut self) {
        loop {
            let jobs = {
                let mut queue = self.shared.queue.lock();
                while queue.jobs.is_empty() && !queue.closed && self.operations.is_empty() {
                    self.shared.queued.wait(&mut queue);
                }
                if self.shared.abandoned.load(Ordering::Acquire) {
                    return;
                }
                if queue.jobs.is_empty() && queue.closed {
                    break;
                }
                std::mem::take(&mut queue.jobs)
            };
            for job in jobs {
                match job {
                    Job::Push(push) => self.push(*push),
                    Job::Roll(reply) => {
                        let rolled = self
                            .commit()
                            .and_then(|()| self.roll().map_err(|error| self.out_of_space(&error)));
                        let _ = reply.send(rolled.map(|()| self.position()));
                    }
                    Job::Operation(operation) => self.operations.push_back(operation),
                    Job::Reap(id) => self.reap(id),
                }
                if self.batch.len() >= BATCH_BYTES {
                    let _ = self.commit();
                }
            }
            if let Some(operation) = self.operations.pop_front()
                && let Some(more) = operation.turn(&mut self)
            {
                self.operations.push_front(more);
            }
            // The records of a turn wait for a push or for the end of their operation.
            if !self.replies.is_empty() || self.batch.len() >= BATCH_BYTES {
                let _ = self.commit();
            }
        }
        let _ = self.commit();
        if self.shared.failure.get().is_none() {
            let _ = self.sync();
        }
    }

    fn position(&self) -> LogPosition {
        LogPosition::new(self.segment, self.offset as u32 + self.batch.len() as u32)
    }

    fn push(&mut self, push: Push) {
        if let Some(reason) = self.shared.failure.get() {
            self.shared.metrics.refuse_push("storage_failed");
            let _ = push.reply.send(Err(StorageError::Failed(reason.clone())));
            return;
        }
        let bound = record_bound(&push.frame);
        if bound > MAX_RECORD_BYTES {
            self.shared.metrics.refuse_push("too_large");
            let _ = push.reply.send(Err(StorageError::TooLarge(push.frame.as_bytes().len())));
            return;
        }
        if let Err(error) = self.make_room(bound) {
            self.shared.metrics.refuse_push(if matches!(error, StorageError::Full(_)) {
                "disk_full"
            } else {
                "storage_failed"
            });
            let _ = push.reply.send(Err(error));
            return;
        }
        let workspace = self.shared.workspace_or_new(push.workspace);
        if let Err(error) = self.check_quota(push.workspace, &workspace) {
            self.shared.metrics.refuse_push("over_quota");
            let _ = push.reply.send(Err(error));
            return;
        }
        let position = self.position();
        self.record.begin(push.received.0);
        let mut state = workspace.state.write();
        let pushed =
            state.head.push(&push.frame, push.received.0, push.epoch, &push.limits, &mut self.record);
        if !self.record.is_empty() {
            let record = &self.record;
            frame(&mut self.batch, position, self.shared.synced(), |out| {
                record.write_to(push.workspace, out)
            });
            state.applied = self.position();
            state.dropped = false;
        }
        drop(state);
        if let Ok(pushed) = &pushed {
            self.count(pushed);
        }
        let (reply, pushed) = (push.reply, pushed.map_err(StorageError::Frame));
        self.replies.push(Box::new(move |written| drop(reply.send(written.and(pushed)))));
    }

    /// Without blocks that take samples away, a workspace may fill the disk for all.
    fn check_quota(&self, id: WorkspaceId, workspace: &Workspace) -> Result<(), StorageError> {
        let config = &self.shared.config;
        let quota = config.workspace_quota_bytes;
        if quota > 0 {
            let used = workspace.state.read().disk_bytes();
            if used >= quota {
                let (what, option) = (format!("workspace {id}"), "--disk.workspace-quota");
                return Err(StorageError::OverQuota { what, used, quota, option });
            }
        }
        let (used, quota) = (self.shared.disk_bytes.load(Ordering::Relaxed), config.quota_bytes);
        if quota > 0 && used >= quota {
            let (what, option) = ("the data directory".to_owned(), "--disk.quota");
            return Err(StorageError::OverQuota { what, used, quota, option });
        }
        Ok(())
    }

    fn reap(&self, id: WorkspaceId) {
        let mut workspaces = self.shared.workspaces.write();
        if workspaces.get(&id).is_some_and(|workspace| workspace.state.read().dropped) {
            workspaces.remove(&id);
        }
    }

    pub(super) fn workspace(&self, id: WorkspaceId) -> Arc<Workspace> {
        self.shared.workspace_or_new(id)
    }

    pub(super) fn metrics(&self) -> &StorageMetrics {
        &self.shared.metrics
    }

    /// Logs steps of a workspace and applies them to its head.
    pub(super) fn step<T>(
        &mut self,
        id: WorkspaceId,
        workspace: &Workspace,
        steps: &StepsBuilder,
        apply: impl FnOnce(&mut Head) -> T,
    ) -> Result<T, StorageError> {
        if let Some(reason) = self.shared.failure.get() {
            return Err(StorageError::Failed(reason.clone()));
        }
        self.make_room((FRAME + 8 + steps.bytes().len()) as u64)?;
        let position = self.position();
        let mut state = workspace.state.write();
        frame(&mut self.batch, position, self.shared.synced(), |out| out.extend_from_slice(steps.bytes()));
        state.applied = self.position();
        state.dropped = false;
        debug_assert_eq!(crate::wal::workspace_of(steps.bytes()), Ok(id));
        Ok(apply(&mut state.head))
    }

    /// Answers once all that was logged so far is written.
    pub(super) fn answer_written<T: Send + 'static>(&mut self, answer: Answer<T>, value: T) {
        self.replies.push(Box::new(move |written| drop(answer.send(written.map(|()| value)))));
    }

    /// Answers once all that was logged so far is synced.
    pub(super) fn answer_synced<T: Send + 'static>(&mut self, answer: Answer<T>, value: T) {
        self.must_sync = true;
        self.replies.push(Box::new(move |written| drop(answer.send(written.map(|()| value)))));
    }

    fn count(&self, pushed: &Pushed) {
        let metrics = &self.shared.metrics;
        metrics.samples.inc_by(u64::from(pushed.stored));
        metrics.late_samples.inc_by(u64::from(pushed.late));
        metrics.known_samples.inc_by(u64::from(pushed.known));
        metrics.series_created.inc_by(u64::from(pushed.created));
        metrics.metadata_dropped.inc_by(u64::from(pushed.metadata_dropped));
        for refusal in &pushed.refusals {
            let reason = refusal.reason.as_str_name();
            metrics.refused_samples.get_or_create(&ReasonLabel { reason }).inc();
        }
    }

    /// Reserves space for a record of at most `bound` bytes behind the batch, in a new segment if this one is full.
    fn make_room(&mut self, bound: u64) -> Result<(), StorageError> {
        let end = self.offset + self.batch.len() as u64 + bound;
        if end > self.shared.config.segment_bytes && self.offset + self.batch.len() as u64 > HEADER as u64 {
            self.commit()?;
            self.roll().map_err(|error| self.out_of_space(&error))?;
        }
        let end = self.offset + self.batch.len() as u64 + bound;
        if end > self.allocated {
            let step = self.shared.config.allocate_bytes.max(1);
            let target = end.div_ceil(step) * step;
            self.file.allocate(self.allocated, target).map_err(|error| self.out_of_space(&error))?;
            self.allocated = target;
            self.has_space();
        }
        Ok(())
    }

    /// A refusal for want of space; any other error of reserving stops storage.
    fn out_of_space(&mut self, error: &io::Error) -> StorageError {
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            if !std::mem::replace(&mut self.full, true) {
                let directory = self.shared.config.directory.display();
                tracing::warn!(%error, %directory, "no space for the write-ahead log; free space, pushes are refused until then");
            }
            StorageError::Full(error.to_string())
        } else {
            StorageError::Failed(self.shared.fail("reserving space for the write-ahead log", error))
        }
    }

    /// Space was reserved.
    fn has_space(&mut self) {
        if std::mem::take(&mut self.full) {
            tracing::info!("there is space for the write-ahead log again; pushes are accepted");
        }
    }

    /// Writes the batch, syncs it if the mode says so, and replies.
    fn commit(&mut self) -> Result<(), StorageError> {
        let done = self.write();
        self.replies.drain(..).for_each(|reply| reply(done.clone()));
        done
    }

    fn write(&mut self) -> Result<(), StorageError> {
        if let Some(reason) = self.shared.failure.get() {
            self.batch.clear();
            return Err(StorageError::Failed(reason.clone()));
        }
        let must_sync = std::mem::take(&mut self.must_sync);
        if self.batch.is_empty() {
            return if must_sync { self.sync() } else { Ok(()) };
        }
        if let Err(error) = self.file.write_at(&self.batch, self.offset) {
            self.batch.clear();
            return Err(StorageError::Failed(self.shared.fail("writing the write-ahead log", &error)));
        }
        let bytes = self.batch.len() as u64;
        self.offset += bytes;
        self.batch.clear();
        self.shared.metrics.wal_bytes.inc_by(bytes);
        self.shared.metrics.wal_batches.inc();
        let before = self.shared.uncheckpointed.fetch_add(bytes, Ordering::Relaxed);
        let due = self.shared.config.checkpoint_bytes;
        if before < due && before + bytes >= due {
            self.shared.maintenance.notify_one();
        }
        match self.shared.config.wal_sync {
            WalSync::Always => self.sync(),
            WalSync::Interval if must_sync => self.sync(),
            WalSync::Interval => {
                let mut target = self.shared.sync.lock();
                target.written = self.position();
                self.shared.written.notify_one();
                self.shared.failure.get().map_or(Ok(()), |reason| Err(StorageError::Failed(reason.clone())))
            }
        }
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let started = self.shared.clock.monotonic();
        if let Err(error) = self.file.sync() {
            return Err(StorageError::Failed(self.shared.fail("syncing the write-ahead log", &error)));
        }
        if let Some(seconds) = &self.shared.metrics.sync_seconds {
            seconds.observe(self.shared.clock.monotonic().saturating_sub(started).as_secs_f64());
        }
        self.shared.set_synced(self.position());
        Ok(())
    }

    /// Ends the segment, whose batch is written: syncs it, gives back what was reserved, and begins the next. An error leaves the
    /// segment as it was.
    fn roll(&mut self) -> io::Result<()> {
        if let Some(reason) = self.shared.failure.get() {
            return Err(io::Error::other(reason.clone()));
        }
        if let Err(error) = self.file.sync() {
            self.shared.fail("syncing the write-ahead log", &error);
            return Err(error);
        }
        self.shared.set_synced(self.position());
        let (file, allocated) = new_segment(&self.shared, self.segment + 1)?;
        // Only unused space goes; if this fails the zeros stay, which readers take for unused space.
        let _ = self.file.truncate(self.offset);
        self.shared.sync.lock().file = Some(file.clone());
        self.file = file;
        self.segment += 1;
        self.offset = HEADER as u64;
        self.allocated = allocated;
        self.shared.set_synced(self.position());
        self.has_space();
        Ok(())
    }
}

/// A segment with its header on disk under its name.
fn new_segment(shared: &Shared, segment: u32) -> io::Result<(Arc<dyn DiskFile>, u64)> {
    let path = shared.segment_path(segment);
    let file = shared.disk.create(&path)?;
    let allocated = shared.config.allocate_bytes.max(HEADER as u64);
    let made = file
        .allocate(0, allocated)
        .and_then(|()| file.write_at(&header(segment), 0))
        .and_then(|()| file.sync())
        .and_then(|()| shared.disk.sync_directory(&shared.wal_directory()));
    if let Err(error) = made {
        let _ = shared.disk.remove(&path);
        return Err(error);
    }
    shared.metrics.wal_segments.inc();
    Ok((file, allocated))
}

/// No record of this frame is longer.
fn record_bound(frame: &Frame) -> u64 {
    let (bytes, samples, series) = (frame.as_bytes().len(), frame.sample_count(), frame.series_count());
    (FRAME + 128 + bytes + samples * 32 + series * 32 + frame.metadata_count() * 16) as u64
}

/// Syncs what was written within a second of it; for [`WalSync::Interval`].
pub(super) fn run_syncer(shared: &Shared, pause: std::time::Duration) {
    let mut target = shared.sync.lock();
    loop {
        while target.written <= shared.synced() && !target.closed {
            shared.written.wait(&mut target);
        }
        if target.closed || shared.failure.get().is_some() {
            return;
        }
        // Waits on the condition so that closing is not held up; real time, because it bounds what a power cut takes.
        shared.written.wait_for(&mut target, pause);
        let (file, written) = (target.file.clone(), target.written);
        parking_lot::MutexGuard::unlocked(&mut target, || {
            if let Some(file) = file.filter(|_| !shared.abandoned.load(Ordering::Acquire)) {
                match file.sync() {
                    Ok(()) => shared.set_synced(written),
                    Err(error) => drop(shared.fail("syncing the write-ahead log", &error)),
                }
            }
        });
    }
}

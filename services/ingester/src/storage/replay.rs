//! Opening a data directory: the checkpoint, then the log behind it.
//!
//! First all segments are looked at (see [`Survey`]), so that damage is judged before anything is applied. A torn end is cut off, with
//! a log line and a metric. Damage in synced data refuses the start, or, where there are other copies or the loss is accepted,
//! whatever can be read is applied, the damaged files are set aside after the next checkpoint, and the report says so:
//! the owner is incomplete then (rule 2). Records that the checkpoint contains already are skipped, series slice by series slice.

use std::{fs::File, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use hashbrown::HashMap;
use narthex_model::WorkspaceId;
use narthex_service::SharedClock;

use super::{
    checkpoint,
    config::{OnDamage, StorageConfig},
    disk::Disk,
    error::OpenError,
    format,
    metrics::StorageMetrics,
    shared::{Shared, Snapshot, Workspace},
};
use crate::{
    head::{Head, SLICE_SERIES},
    wal::{Change, LogPosition, RecordError, Survey, read_record, records, segment_number},
};

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Neither checkpoint nor log was there: the disk is new, or its files are gone.
    pub empty: bool,
    /// Segments read.
    pub segments: u32,
    /// Records applied.
    pub records: u64,
    /// Samples applied from the log.
    pub samples: u64,
    /// Series held now.
    pub series: u64,
    /// Samples in the log whose series was lost with a damaged part.
    pub lost_samples: u64,
    /// Bytes cut off as a torn end.
    pub truncated_bytes: u64,
    /// Damage in synced data, in words. Not empty: acknowledged samples may be missing.
    pub damaged: Vec<String>,
    /// Files in quarantine, this start's included.
    pub quarantined_files: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// A head while it is rebuilt.
#[derive(Debug)]
pub(super) struct Rebuilt {
    pub(super) head: Head,
    /// Series in the snapshot, and for each slice of them the position up to which it contains the log.
    pub(super) snapshot_series: u32,
    pub(super) covered: Vec<LogPosition>,
    /// How much of the log all of the snapshot contains: slices contain more, windows and the ids in use do not.
    pub(super) begun: LogPosition,
    pub(super) applied: LogPosition,
    pub(super) snapshot: Option<Snapshot>,
    /// Dropped, and nothing came since.
    pub(super) dropped: bool,
}

impl Rebuilt {
    pub(super) fn new(head: Head) -> Self {
        Self {
            head,
            snapshot_series: 0,
            covered: Vec::new(),
            begun: LogPosition::default(),
            applied: LogPosition::default(),
            snapshot: None,
            dropped: false,
        }
    }

    fn has(&self, id: u32, position: LogPosition) -> bool {
        id < self.snapshot_series
            && self.covered.get((id / SLICE_SERIES) as usize).is_some_and(|covered| position < *covered)
    }

    /// Applies a change unless the snapshot contains it; for a sample that is to be applied, whether its series is known.
    pub(super) fn apply(&mut self, position: LogPosition, change: Change<'_>) -> Option<bool> {
        // What was logged before the snapshot began is in it, or was dropped with the head before.
        if position < self.begun {
            return None;
        }
        self.dropped = false;
        match change {
            Change::Begin { received_ms, .. } => self.head.redo_received(received_ms),
            Change::Series { id, .. } if self.has(id, position) => {}
            Change::Series { id, hash, labels } => self.head.redo_series(id, hash, labels),
            Change::Metadata { metric, kind, help, unit } => {
                self.head.redo_metadata(metric, kind, help, unit)
            }
            Change::Float { id, .. } | Change::Histogram { id, .. } if self.has(id, position) => {}
            Change::Float { id, timestamp, bits } => return Some(self.head.redo_float(id, timestamp, bits)),
            Change::Histogram { id, timestamp, bytes } => {
                return Some(self.head.redo_histogram(id, timestamp, bytes));
            }
            Change::EndChunks { window, first, end } => {
                self.with_covered(position, |head, skip| {
                    head.end_chunks(window, first..end, skip);
                });
            }
            Change::ForgetChunks { window, boundary, first, end } => {
                self.with_covered(position, |head, skip| {
                    head.forget_chunks(window, boundary, first..end, skip);
                });
            }
            Change::Leave { id } if self.has(id, position) => {}
            Change::Leave { id } => self.head.remove_series(id),
            Change::Forgotten { window, boundary, gone } => self.head.forgotten(window, boundary, gone),
            Change::ClearMetadata => self.head.clear_metadata(),
            Change::Act { revision } => self.head.act(revision),
            Change::Drop => self.empty(),
            Change::Close { epoch, adopted, window } => self.head.close(epoch, adopted, window),
            Change::Sealed { window, seal } => self.head.sealed(window, seal),
            Change::VoidSeals => self.head.void_seals(),
        }
        None
    }

    /// Applies something to the head but for the series that contain it already.
    fn with_covered(&mut self, position: LogPosition, apply: impl FnOnce(&mut Head, &dyn Fn(u32) -> bool)) {
        let (bound, covered) = (self.snapshot_series, &self.covered);
        let skip = |id: u32| {
            id < bound && covered.get((id / SLICE_SERIES) as usize).is_some_and(|covered| position < *covered)
        };
        apply(&mut self.head, &skip);
    }

    fn empty(&mut self) {
        self.head = self.head.emptied();
        (self.snapshot_series, self.covered) = (0, Vec::new());
        self.snapshot = None;
        self.dropped = true;
    }
}

pub(super) type Opened = (Arc<Shared>, File, ReplayReport, u32);

/// Opens the directory up to the point where the writer starts; also gives the number of its first segment.
pub(super) fn open(
    config: StorageConfig,
    disk: Arc<dyn Disk>,
    clock: SharedClock,
    metrics: StorageMetrics,
    mut progress: impl FnMut(&str),
) -> Result<Opened, OpenError> {
    let started = clock.monotonic();
    let wal = config.directory.join("wal");
    disk.create_directory(&wal).map_err(OpenError::io("creating", &wal))?;
    let lock = lock(&config)?;
    format::check(&config, &*disk)?;
    disk.sync_directory(&config.directory).map_err(OpenError::io("syncing", &config.directory))?;
    progress("loading the checkpoint");
    let mut report = ReplayReport::default();
    let checkpoint::Loaded { mut heads, first_segment, newest, found, damaged } =
        checkpoint::load(&config, &*disk)?;
    report.damaged = damaged;
    let mut damaged_segments = Vec::new();
    let mut replay = Replay {
        config: &config,
        disk: &*disk,
        heads: &mut heads,
        report: &mut report,
        damaged: &mut damaged_segments,
    };
    let last_segment = replay.log(first_segment, found, &mut progress)?;
    report.empty = !found && report.segments == 0;
    report.quarantined_files += disk.list(&wal.join("quarantine")).map_or(0, |names| names.len() as u64);
    report.series = heads.values().map(|rebuilt| u64::from(rebuilt.head.series_count())).sum();
    report.elapsed = clock.monotonic().saturating_sub(started);
    metrics.truncated_bytes.inc_by(report.truncated_bytes);
    metrics.quarantined.inc_by(report.damaged.len() as u64);
    tracing::info!(?report, "data directory opened");
    let next_segment = last_segment.max(newest.segment()).max(first_segment.saturating_sub(1)) + 1;
    let workspaces = heads.into_iter().map(|(id, rebuilt)| (id, Arc::new(finish(rebuilt)))).collect();
    let shared = Shared::new(config, disk, clock, metrics, workspaces);
    *shared.damaged_segments.lock() = damaged_segments;
    Ok((Arc::new(shared), lock, report, next_segment))
}

fn finish(rebuilt: Rebuilt) -> Workspace {
    let Rebuilt { mut head, applied, snapshot, dropped, .. } = rebuilt;
    head.settle_windows();
    head.trim();
    let workspace = Workspace::new(head);
    let mut state = workspace.state.write();
    (state.applied, state.snapshot, state.dropped) = (applied, snapshot, dropped);
    drop(state);
    workspace
}

fn lock(config: &StorageConfig) -> Result<File, OpenError> {
    let path = config.directory.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(OpenError::io("creating", &path))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked(config.directory.clone())),
        Err(error) => Err(OpenError::io("locking", path)(error.into())),
    }
}

struct Replay<'a> {
    config: &'a StorageConfig,
    disk: &'a dyn Disk,
    heads: &'a mut HashMap<WorkspaceId, Rebuilt>,
    report: &'a mut ReplayReport,
    damaged: &'a mut Vec<u32>,
}

impl Replay<'_> {
    /// Replays all segments from the first on; returns the number of the last.
    fn log(&mut self, first: u32, found: bool, progress: &mut impl FnMut(&str)) -> Result<u32, OpenError> {
        let directory = self.config.directory.join("wal");
        let names = self.disk.list(&directory).map_err(OpenError::io("listing", &directory))?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment_number(name)).collect();
        numbers.sort_unstable();
        for old in numbers.iter().filter(|number| **number < first) {
            let path = self.path(*old);
            self.disk.remove(&path).map_err(OpenError::io("removing", &path))?;
        }
        numbers.retain(|number| *number >= first);
        let mut segments = Vec::with_capacity(numbers.len());
        // A checkpoint always has its first segment beside it; without one to tell, the log begins where it begins.
        let expected = if first == 0 { numbers.first().copied().unwrap_or(1) } else { first };
        let mut survey = Survey::new(expected);
        if numbers.is_empty() && found {
            survey.segment_is_missing(expected);
        }
        for number in numbers {
            let path = self.path(number);
            let bytes = self.disk.read(&path).map_err(OpenError::io("reading", &path))?;
            survey.segment(number, &bytes);
            segments.push((number, bytes));
        }
        let survey = survey.finish();
        self.judge(&survey)?;
        let total = segments.len();
        for (at, (number, bytes)) in segments.iter().enumerate() {
            progress(&format!("replaying segment {} of {total}", at + 1));
            self.segment(*number, bytes, survey.torn_at)?;
        }
        self.report.segments = total as u32;
        let last = segments.last().map_or(0, |(number, _)| *number);
        self.tidy(segments, survey.torn_at)?;
        Ok(last)
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.config.directory.join("wal").join(crate::wal::segment_name(segment))
    }

    fn judge(&mut self, survey: &Survey) -> Result<(), OpenError> {
        for damage in &survey.damages {
            let path = self.path(damage.at.segment());
            let what =
                format!("unreadable or missing at offset {}, which had been synced", damage.at.offset());
            if self.config.on_damage == OnDamage::Refuse {
                return Err(OpenError::Damaged { path, what });
            }
            tracing::error!(path = %path.display(), %what, "write-ahead log is damaged; going on without that part, the owner must recover from the others");
            self.report.damaged.push(format!("{}: {what}", path.display()));
            self.damaged.push(damage.at.segment());
        }
        Ok(())
    }

    fn segment(&mut self, number: u32, bytes: &Bytes, torn_at: Option<LogPosition>) -> Result<(), OpenError> {
        for record in records(bytes, number).flatten() {
            if torn_at.is_some_and(|torn| record.position >= torn) {
                break;
            }
            match self.apply(record.position, record.payload) {
                Ok(()) => self.report.records += 1,
                Err(RecordError::Version(version)) => {
                    return Err(OpenError::Newer {
                        path: self.path(number),
                        what: format!("record version {version}"),
                    });
                }
                Err(RecordError::Malformed) => {
                    let what = format!("record at offset {} does not read", record.position.offset());
                    return Err(OpenError::Damaged { path: self.path(number), what });
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, position: LogPosition, payload: &[u8]) -> Result<(), RecordError> {
        let workspace = crate::wal::workspace_of(payload)?;
        let fresh = || Rebuilt::new(Head::new(self.config.chunk_file_bytes, self.config.window));
        let rebuilt = self.heads.entry(workspace).or_insert_with(fresh);
        let (mut samples, mut lost) = (0u64, 0u64);
        rebuilt.applied = rebuilt.applied.max(LogPosition(position.0 + 1));
        read_record(payload, |change| {
            if let Some(stored) = rebuilt.apply(position, change) {
                samples += u64::from(stored);
                lost += u64::from(!stored);
            }
        })?;
        self.report.samples += samples;
        self.report.lost_samples += lost;
        Ok(())
    }

    /// Cuts a torn end off and syncs what is left: whatever was only in the kernel's memory is promised again from now on.
    fn tidy(&mut self, segments: Vec<(u32, Bytes)>, torn_at: Option<LogPosition>) -> Result<(), OpenError> {
        for (number, bytes) in segments {
            let path = self.path(number);
            let length = bytes.len() as u64;
            drop(bytes);
            let keep = match torn_at {
                Some(torn) if torn.segment() == number => u64::from(torn.offset()),
                Some(torn) if torn.segment() < number => 0,
                _ => length,
            };
            let file = self.disk.open(&path).map_err(OpenError::io("opening", &path))?;
            if keep < length {
                tracing::warn!(path = %path.display(), offset = keep, bytes = length - keep, "cut off the torn end of the write-ahead log; nothing in it was acknowledged as synced");
                self.report.truncated_bytes += length - keep;
                file.truncate(keep).map_err(OpenError::io("truncating", &path))?;
            }
            file.sync().map_err(OpenError::io("syncing", &path))?;
        }
        Ok(())
    }
}

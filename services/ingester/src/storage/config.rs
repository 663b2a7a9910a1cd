//! What storage is told by its owner.

use std::{path::PathBuf, time::Duration};

use narthex_model::WindowLength;

/// When the WAL is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalSync {
    /// Before every reply: an acknowledged sample survives a power cut.
    Always,
    /// Replies once the kernel has it, synced within a second: only safe with copies in other zones (rule 2).
    Interval,
}

/// Settings of storage.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// Data directory; storage uses `wal`, `heads` and the file `checkpoint` in it, and locks it.
    pub directory: PathBuf,
    /// When the WAL is synced.
    pub wal_sync: WalSync,
    /// Bytes after which the next WAL segment begins.
    pub segment_bytes: u64,
    /// Bytes that are preallocated at a time.
    pub allocate_bytes: u64,
    /// Longest time between checkpoints while samples arrive.
    pub checkpoint_interval: Duration,
    /// Bytes of WAL after which a checkpoint is due. 128 MiB, about 10 million samples, replay in a second.
    pub checkpoint_bytes: u64,
    /// Size of chunk files of one workspace.
    pub chunk_file_bytes: usize,
    /// Bytes that one workspace may have on disk (chunk files and snapshot); 0: no bound.
    pub workspace_quota_bytes: u64,
    /// Bytes that the whole directory may have; 0: no bound.
    pub quota_bytes: u64,
    /// Bytes of labels that all reads under way may hold.
    pub read_bytes: u64,
    /// Length of the windows in which samples are cut; never changes for a data directory.
    pub window: WindowLength,
    /// What to do when synced parts of WAL, checkpoint or chunk files are damaged.
    pub on_damage: OnDamage,
}

/// What to do about damage in synced data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDamage {
    /// Do not open: there is no other copy, and the operator has not given up what is lost.
    Refuse,
    /// Set the damaged files aside and go on with the rest: there are other copies to recover from, or the operator accepts
    /// the loss.
    Quarantine,
}

impl StorageConfig {
    /// Defaults for a data directory: synced always, damage refused.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            wal_sync: WalSync::Always,
            segment_bytes: 128 << 20,
            allocate_bytes: 16 << 20,
            checkpoint_interval: Duration::from_secs(300),
            checkpoint_bytes: 128 << 20,
            chunk_file_bytes: 16 << 20,
            workspace_quota_bytes: 0,
            quota_bytes: 0,
            read_bytes: u64::MAX,
            window: WindowLength::DEFAULT,
            on_damage: OnDamage::Refuse,
        }
    }
}

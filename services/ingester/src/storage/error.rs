//! Why storage does not do what it was asked.

use std::{io, path::PathBuf};

use narthex_chunk::ChunkError;
use narthex_rpc::frame::FrameError;
use narthex_service::OutOfMemory;

/// A push, read or checkpoint that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// No space is left for the WAL; nothing of the push was stored. Goes away when there is space.
    #[error(
        "the disk is full: cannot reserve space for the write-ahead log ({0}); free space under the data directory"
    )]
    Full(String),
    /// Writing or syncing failed; nothing is acknowledged any more and the process must restart.
    #[error("storage has failed and stops acknowledging: {0}; the process must restart")]
    Failed(String),
    /// Storage is being closed.
    #[error("storage is closing")]
    Closed,
    /// The frame has a series that is not what it says.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame so large that no record may hold it.
    #[error("push frame of {0} bytes is larger than a record of the write-ahead log may be")]
    TooLarge(usize),
    /// More is on disk than the quota allows; nothing of the push was stored. Goes away when cuts were flushed and forgotten.
    #[error(
        "the disk quota is used up: {what} holds {used} bytes on disk, its quota is {quota} bytes; pushes are refused until blocks \
         were uploaded: see why flushes fail, or raise {option}"
    )]
    OverQuota {
        /// Who holds it.
        what: String,
        /// Bytes on disk, now or soon.
        used: u64,
        /// The quota.
        quota: u64,
        /// The setting.
        option: &'static str,
    },
    /// The read took so long that what it reads is forgotten.
    #[error("samples moved to blocks while they were read: read again")]
    Expelled,
    /// The cut is not sealed here.
    #[error("the cut is not sealed by this owner")]
    NotSealed,
    /// The cut was forgotten, or its seal was voided, while it was read.
    #[error("the cut is no longer held by this owner")]
    CutGone,
    /// The window was sealed in so many epochs that chunks cannot tell them apart.
    #[error(
        "the window was sealed in too many epochs: it can be sealed again once its committed cuts are forgotten"
    )]
    SealedTooOften,
    /// A chunk on disk is damaged.
    #[error("a stored chunk cannot be read: {0}")]
    Chunk(#[from] ChunkError),
    /// The labels of all reads under way fill what they may have.
    #[error("too much is read at the same time: {0} (--read.memory); try again later")]
    Busy(#[from] OutOfMemory),
    /// The read is over its budget.
    #[error("{what} limit exceeded: more than {limit}")]
    OverBudget {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// Storage could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system failed.
    #[error("{action} {path}: {source}{}", advice(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the directory.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// Data that had been synced cannot be read.
    #[error(
        "{path} is damaged ({what}): samples that were acknowledged are lost; restore the file, or start once with \
         --recovery.accept-loss to set it aside and go on without them"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The directory was written with windows of another length.
    #[error(
        "{path} was written with windows of {stored} ms and cannot be read with windows of {configured} ms: the window length \
         of a deployment never changes"
    )]
    OtherWindows {
        /// The data directory.
        path: PathBuf,
        /// The length it was written with, in milliseconds.
        stored: i64,
        /// The length it was to be opened with.
        configured: i64,
    },
    /// A file of a newer version.
    #[error("{path} was written by a newer version ({what}); use that version")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// What is not understood.
        what: String,
    },
}

/// What helps against an error of the file system, where that is known.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free space under the data directory",
        _ => "",
    }
}

impl OpenError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

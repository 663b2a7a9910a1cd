//! What can go wrong with a block, chosen by what the caller does next.

use object_store::path::Path;
use parquet::errors::ParquetError;

use crate::schema::Column;

/// A block could not be written or read. Errors of reading name the object.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The caller pushed what a block cannot hold; nothing of the push was written.
    #[error("refused by the block writer: {0}")]
    Refused(String),
    /// The encoder or the sink failed; the block is lost and must be written anew.
    #[error("cannot write the block: {0}")]
    Write(String),
    /// The object is damaged, or is no block.
    #[error("block {path} is damaged: {reason}")]
    Damaged {
        /// The object.
        path: Path,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by a newer release.
    #[error("block {path} has format version {found}, but this release reads up to {known}: upgrade first")]
    NewerFormat {
        /// The object.
        path: Path,
        /// Its version.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// The bucket did not give the bytes.
    #[error("cannot read block {path}: {source}")]
    Store {
        /// The object.
        path: Path,
        /// Why.
        source: object_store::Error,
    },
    /// A selection needs more than its budget allows; nothing more was read.
    #[error("the selection in block {path} exceeds its budget of {limit} {what}")]
    Budget {
        /// The object.
        path: Path,
        /// `series`, `samples` or `bytes`.
        what: &'static str,
        /// The budget.
        limit: u64,
    },
}

impl BlockError {
    pub(crate) fn write(error: impl std::fmt::Display) -> Self {
        Self::Write(error.to_string())
    }
}

/// Damage found while decoding, before it is known which object the bytes came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) String);

impl Damage {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// Says which page it was found in: its column, and where it begins in the object.
    pub(crate) fn in_page(self, column: Column, start: u64) -> Self {
        Self(format!("page of {column:?} at byte {start}: {}", self.0))
    }

    pub(crate) fn at(self, path: &Path) -> BlockError {
        BlockError::Damaged { path: path.clone(), reason: self.0 }
    }
}

impl From<ParquetError> for Damage {
    fn from(error: ParquetError) -> Self {
        Self(error.to_string())
    }
}

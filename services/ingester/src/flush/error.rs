//! Why a cut is not committed yet. Every one of these is tried again.

use narthex_block::BlockError;
use narthex_manifest::ManifestError;
use narthex_model::Cut;
use narthex_rpc::RpcError;
use narthex_service::Elapsed;
use tonic::Status;

use crate::{recovery::CopyError, storage::StorageError};

/// Why a flush did not end in a commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlushError {
    /// This owner cannot take part: replaying, RECOVERING, on another epoch, or stopping.
    #[error("this owner cannot cut: {}", .0.message())]
    NotNow(Status),
    /// Too few other owners sealed.
    #[error("{cut} needs another owner's seal: {why}")]
    NoQuorum {
        /// Which cut.
        cut: Cut,
        /// What the others said.
        why: String,
    },
    /// Two owners hold different values for one timestamp and the third, which would decide, does not answer.
    #[error(
        "{cut}: {series} series hold different values on two owners, and the third cannot be asked: {why}"
    )]
    Contested {
        /// Which cut.
        cut: Cut,
        /// How many series.
        series: usize,
        /// What the third owner said.
        why: String,
    },
    /// Another owner went silent.
    #[error("{owner} was silent: {elapsed}")]
    Silent {
        /// Which one.
        owner: String,
        /// For how long.
        elapsed: Elapsed,
    },
    /// Another owner did not answer, or not to the end.
    #[error(transparent)]
    Owner(#[from] RpcError),
    /// Another owner's answer breaks the protocol.
    #[error("the answer of {owner} is malformed: {what}")]
    Malformed {
        /// Who answered.
        owner: String,
        /// What is wrong.
        what: String,
    },
    /// Another owner's chunks do not read.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The own storage failed.
    #[error("own storage: {0}")]
    Storage(#[from] StorageError),
    /// The block cannot be written.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The manifest cannot be read or written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The block has to be written again.
    #[error("the block has to be written again: {0}")]
    Rewrite(#[from] narthex_manifest::Rewrite),
    /// The manifest refuses the cut.
    #[error("the manifest refuses it: {0}")]
    Refused(#[from] narthex_manifest::Refused),
}

impl FlushError {
    /// The reason as a metric's label.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::NotNow(_) => "not_now",
            Self::NoQuorum { .. } => "no_quorum",
            Self::Contested { .. } => "contested",
            Self::Owner(_) | Self::Silent { .. } | Self::Malformed { .. } | Self::Copy(_) => "owner",
            Self::Storage(_) => "storage",
            Self::Block(_) => "block",
            Self::Manifest(_) => "manifest",
            Self::Rewrite(_) => "rewrite",
            Self::Refused(_) => "refused",
        }
    }
}

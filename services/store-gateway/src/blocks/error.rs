//! Why a read of blocks fails, and what the caller is told: the texts end up in the error that a user reads.

use narthex_block::BlockError;
use narthex_model::BlockId;
use tonic::Status;

use crate::{cache::WrongSize, workers::Lost};

/// What a read may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Series of the answer.
    pub(crate) series: u64,
    /// Samples sent.
    pub(crate) samples: u64,
    /// Bytes of chunks sent.
    pub(crate) bytes: u64,
    /// Series of all blocks together, before they are merged.
    pub(crate) block_series: u64,
    /// Bytes read from each block.
    pub(crate) read: u64,
}

/// A read that gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// Collected, or the plan was made from a manifest that is too old (rule 6).
    #[error("block {0} is not in the bucket")]
    Missing(BlockId),
    /// Only an operator can help.
    #[error("block {block} is damaged: {reason}")]
    Damaged { block: BlockId, reason: String },
    /// The bucket does not answer, or not to us.
    #[error("block {block} cannot be read now: {reason}")]
    Bucket { block: BlockId, reason: String },
    /// Another gateway may be upgraded already.
    #[error("block {block} is of a newer format than this gateway reads: {reason}")]
    Newer { block: BlockId, reason: String },
    /// The request asks for more than it may.
    #[error("{what} limit exceeded: more than {limit}")]
    OverBudget { what: &'static str, limit: u64 },
    /// Too many others.
    #[error("this store-gateway answers too many requests of the workspace: {0} wait already")]
    Busy(usize),
    /// The work ended without a result.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl ReadError {
    pub(super) fn new(block: BlockId, error: BlockError, bounds: Bounds) -> Self {
        match error {
            BlockError::Damaged { reason, .. } => Self::Damaged { block, reason },
            BlockError::NewerFormat { .. } => Self::Newer { block, reason: error.to_string() },
            BlockError::Store { source, .. } => Self::of_store(block, source),
            BlockError::Budget { what: "bytes", .. } => {
                Self::OverBudget { what: "bytes read from a block", limit: bounds.read }
            }
            BlockError::Budget { what: "samples", .. } => {
                Self::OverBudget { what: "samples", limit: bounds.samples }
            }
            BlockError::Budget { what, .. } => Self::OverBudget { what, limit: bounds.series },
            // Reading gives neither.
            BlockError::Refused(reason) | BlockError::Write(reason) => Self::Bucket { block, reason },
        }
    }

    fn of_store(block: BlockId, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing(block),
            object_store::Error::Generic { source, .. } if source.is::<WrongSize>() => {
                Self::Damaged { block, reason: source.to_string() }
            }
            other => Self::Bucket { block, reason: other.to_string() },
        }
    }

    /// A word for metrics.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Damaged { .. } => "damaged",
            Self::Bucket { .. } => "bucket",
            Self::Newer { .. } => "newer_format",
            Self::OverBudget { .. } => "over_budget",
            Self::Busy(_) => "busy",
            Self::Lost(_) => "lost",
        }
    }
}

impl From<ReadError> for Status {
    fn from(error: ReadError) -> Self {
        let text = error.to_string();
        match error {
            ReadError::Missing(_) => Self::not_found(text),
            ReadError::Damaged { .. } => Self::data_loss(text),
            ReadError::Bucket { .. } | ReadError::Newer { .. } | ReadError::Busy(_) => {
                Self::unavailable(text)
            }
            ReadError::OverBudget { .. } => Self::resource_exhausted(text),
            ReadError::Lost(_) => Self::internal(text),
        }
    }
}

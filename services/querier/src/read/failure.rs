//! Why a source's answer does not count.

use narthex_promql::SourceError;
use narthex_rpc::RpcError;

/// An answer that is missing or incomplete. The texts end up in the error that a user reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Down, cut off, replaying or RECOVERING (rule 2).
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The owner knows another ring than the plan: worth a new plan.
    #[error("does not hold the partition: {0}")]
    NotHeld(String),
    /// The answer breaks the protocol or its bytes are damaged.
    #[error("answer is damaged: {0}")]
    Malformed(String),
    /// A block is not in the bucket: worth a plan on a newer manifest (rule 6).
    #[error("{0}")]
    BlockMissing(String),
    /// A block is damaged.
    #[error("{0}")]
    BlockDamaged(String),
    /// The answer is of another epoch than those that were counted.
    #[error("answered in another epoch")]
    OtherEpoch,
    /// Asked, and not heard of when the read was given up.
    #[error("no answer yet")]
    Silent,
}

impl Failure {
    /// The label in metrics.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::NotHeld(_) => "not_held",
            Self::Malformed(_) => "malformed",
            Self::BlockMissing(_) => "block_missing",
            Self::BlockDamaged(_) => "block_damaged",
            Self::OtherEpoch => "other_epoch",
            Self::Silent => "silent",
        }
    }
}

/// What ends an owner's part: its answer does not count, or the whole read is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnerError {
    Failed(Failure),
    Fatal(SourceError),
}

impl From<Failure> for OwnerError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RpcError> for OwnerError {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::StaleRing(text) => Self::Failed(Failure::NotHeld(text)),
            RpcError::OverBudget(text) => Self::Fatal(SourceError::LimitExceeded(text)),
            RpcError::BadRequest(text) => {
                Self::Fatal(SourceError::Internal(format!("an owner refused the read: {text}")))
            }
            RpcError::NotFound(text) => Self::Failed(Failure::BlockMissing(text)),
            RpcError::DataLoss(text) => Self::Failed(Failure::BlockDamaged(text)),
            RpcError::Unavailable(text) => Self::Failed(Failure::Unavailable(text)),
            // A defect or a closed connection of one owner; the others may still answer.
            error => Self::Failed(Failure::Unavailable(error.to_string())),
        }
    }
}

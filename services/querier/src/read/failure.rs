//! Why an owner's answer does not count.

use narthex_promql::SourceError;
use tonic::{Code, Status};

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

impl From<Status> for OwnerError {
    fn from(status: Status) -> Self {
        let text = || status.message().chars().take(300).collect::<String>();
        match status.code() {
            Code::FailedPrecondition => Self::Failed(Failure::NotHeld(text())),
            Code::ResourceExhausted => Self::Fatal(SourceError::LimitExceeded(text())),
            Code::InvalidArgument => Self::Fatal(SourceError::Internal(format!("an owner refused the read: {}", text()))),
            Code::DataLoss => Self::Failed(Failure::Malformed(text())),
            code => Self::Failed(Failure::Unavailable(format!("{code:?}: {}", text()))),
        }
    }
}

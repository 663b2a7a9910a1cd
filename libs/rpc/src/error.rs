//! What a call between services can fail with, chosen by what the caller does about it, and the one place that maps it to gRPC
//! status codes and back.

use tonic::{Code, Status};

/// A failed call. The text is the callee's, or says what kept the call from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// Not reachable, not ready, replaying, RECOVERING or no longer writing: ask another owner, or again later. The call may
    /// have had its effect all the same.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The callee's ring is another one (epoch, state or owner of the partition): catch up and plan again (rules 3 and 7).
    #[error("stale ring: {0}")]
    StaleRing(String),
    /// More series, samples, bytes or memory than allowed; final for this request.
    #[error("over budget: {0}")]
    OverBudget(String),
    /// The request itself is at fault; final.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// What was named is not there: a block that a newer manifest no longer names (rule 6). Catch up and plan again.
    #[error("not found: {0}")]
    NotFound(String),
    /// What was named is there and damaged; nobody but an operator can help.
    #[error("data loss: {0}")]
    DataLoss(String),
    /// A defect, here or there.
    #[error("internal error: {0}")]
    Internal(String),
    /// No answer in time. The call may have had its effect all the same.
    #[error("deadline exceeded: {0}")]
    DeadlineExceeded(String),
    /// The caller went away.
    #[error("cancelled: {0}")]
    Cancelled(String),
}

impl RpcError {
    /// Whether the same request may succeed later or elsewhere.
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::StaleRing(_) | Self::DeadlineExceeded(_))
    }

    /// A word for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::StaleRing(_) => "stale_ring",
            Self::OverBudget(_) => "over_budget",
            Self::BadRequest(_) => "bad_request",
            Self::NotFound(_) => "not_found",
            Self::DataLoss(_) => "data_loss",
            Self::Internal(_) => "internal",
            Self::DeadlineExceeded(_) => "deadline_exceeded",
            Self::Cancelled(_) => "cancelled",
        }
    }
}

impl From<Status> for RpcError {
    fn from(status: Status) -> Self {
        let text = status.message().to_owned();
        match status.code() {
            // Unknown is what broken connections end in.
            Code::Unavailable | Code::Unknown => Self::Unavailable(text),
            Code::FailedPrecondition => Self::StaleRing(text),
            Code::ResourceExhausted => Self::OverBudget(text),
            Code::InvalidArgument => Self::BadRequest(text),
            Code::NotFound => Self::NotFound(text),
            Code::DataLoss => Self::DataLoss(text),
            Code::DeadlineExceeded => Self::DeadlineExceeded(text),
            Code::Cancelled => Self::Cancelled(text),
            code => Self::Internal(format!("{code:?}: {text}")),
        }
    }
}

impl From<RpcError> for Status {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::Unavailable(text) => Self::unavailable(text),
            RpcError::StaleRing(text) => Self::failed_precondition(text),
            RpcError::OverBudget(text) => Self::resource_exhausted(text),
            RpcError::BadRequest(text) => Self::invalid_argument(text),
            RpcError::NotFound(text) => Self::not_found(text),
            RpcError::DataLoss(text) => Self::data_loss(text),
            RpcError::Internal(text) => Self::internal(text),
            RpcError::DeadlineExceeded(text) => Self::deadline_exceeded(text),
            RpcError::Cancelled(text) => Self::cancelled(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_way_through_a_status() {
        let errors: [fn(String) -> RpcError; 8] = [
            RpcError::NotFound,
            RpcError::DataLoss,
            RpcError::Unavailable,
            RpcError::StaleRing,
            RpcError::OverBudget,
            RpcError::BadRequest,
            RpcError::DeadlineExceeded,
            RpcError::Cancelled,
        ];
        for error in errors.map(|make| make("why".into())) {
            assert_eq!(RpcError::from(Status::from(error.clone())), error);
        }
        let internal = RpcError::from(Status::from(RpcError::Internal("why".into())));
        assert_eq!(internal, RpcError::Internal("Internal: why".into()));
        assert!(RpcError::from(Status::unknown("transport error")).is_retriable());
    }
}

//! Refusals and failures in Prometheus's shape: `{"status":"error","errorType":...,"error":...}`.
//!
//! One type for all of them, so that status codes and words are decided in one place.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use narthex_promql::{EvalError, SourceError};

use super::{json::write_string, limits};

/// nginx's number for a client that went away while the answer was made; nobody reads it but logs.
const CLIENT_CLOSED: u16 = 499;

/// Prometheus's kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ErrorKind {
    /// The request is wrong.
    BadData,
    /// The query failed on the data or went over a limit.
    Execution,
    /// Time is up.
    Timeout,
    /// The client is gone.
    Canceled,
    /// A fault of the system.
    Internal,
    /// Part of the system cannot be reached, or it is too busy.
    Unavailable,
    /// The workspace already has as many queries as it may.
    TooManyRequests,
    /// The method is not one of the path's.
    MethodNotAllowed,
}

impl ErrorKind {
    /// The `errorType` member, also the outcome in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::BadData | Self::MethodNotAllowed => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Internal => "internal",
            Self::Unavailable | Self::TooManyRequests => "unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Timeout | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Canceled => StatusCode::from_u16(CLIENT_CLOSED).expect("a three-digit number"),
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ApiError {
    /// What went wrong, for programs.
    pub(crate) kind: ErrorKind,
    /// What went wrong, for people.
    pub(crate) text: String,
}

impl ApiError {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(crate) fn bad_data(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadData, text)
    }

    /// Prometheus's words for a parameter that it cannot read.
    pub(crate) fn parameter(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {reason}"))
    }
}

impl From<EvalError> for ApiError {
    fn from(error: EvalError) -> Self {
        let kind = match &error {
            EvalError::BadData(reason) => return Self::parameter("query", reason),
            EvalError::TooManyProcessed(limit) => {
                return Self::new(ErrorKind::Execution, limits::over_threshold(*limit));
            }
            EvalError::Execution(_) | EvalError::TooManySamples | EvalError::LimitExceeded(_) => {
                ErrorKind::Execution
            }
            EvalError::Timeout => ErrorKind::Timeout,
            EvalError::Canceled => ErrorKind::Canceled,
            EvalError::Unavailable(_) => ErrorKind::Unavailable,
            EvalError::Internal(_) => ErrorKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        EvalError::from(error).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = b"{\"status\":\"error\",\"errorType\":".to_vec();
        write_string(&mut body, self.kind.as_str());
        body.extend_from_slice(b",\"error\":");
        write_string(&mut body, &self.text);
        body.push(b'}');
        (self.kind.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

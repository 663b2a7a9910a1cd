//! Errors of parsing and evaluation, with Prometheus's texts: clients and tests compare them.

use std::fmt;

use crate::source::SourceError;

/// A range of byte offsets in the query text, with the line and column of its start for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PositionRange {
    /// First byte.
    pub start: usize,
    /// First byte after.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: u32,
    /// Column of the first byte in bytes, from 1.
    pub column: u32,
}

impl Default for PositionRange {
    fn default() -> Self {
        Self { start: 0, end: 0, line: 1, column: 1 }
    }
}

impl PositionRange {
    /// From the start of `self` to the byte offset `end`.
    #[must_use]
    pub fn until(self, end: usize) -> Self {
        Self { end, ..self }
    }
}

impl fmt::Display for PositionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A query that does not parse: `1:5: parse error: ...`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: parse error: {message}")]
pub struct ParseError {
    /// Where in the text.
    pub position: PositionRange,
    /// What is wrong.
    pub message: String,
}

/// A query that cannot be answered. Each kind is another HTTP status and `errorType`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The request itself is wrong (`bad_data`, 400).
    #[error("{0}")]
    BadData(String),
    /// The query failed on the data (`execution`, 422).
    #[error("{0}")]
    Execution(String),
    /// Time is up (`timeout`, 503).
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// The client is gone (`canceled`, 499).
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// Part of the data cannot be reached (`unavailable`, 503).
    #[error("{0}")]
    Unavailable(String),
    /// The query needs more samples than it may hold (`execution`, 422).
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// The query processes more samples than its caller wants (`execution`, 422).
    #[error("the query processes more than {0} samples")]
    TooManyProcessed(u64),
    /// A limit of the source, which the text names (`execution`, 422).
    #[error("{0}")]
    LimitExceeded(String),
    /// A fault of the system (`internal`, 500).
    #[error("{0}")]
    Internal(String),
}

impl From<SourceError> for EvalError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unavailable(text) => Self::Unavailable(text),
            SourceError::LimitExceeded(text) => Self::LimitExceeded(text),
            SourceError::Canceled => Self::Canceled,
            SourceError::Internal(text) => Self::Internal(text),
        }
    }
}

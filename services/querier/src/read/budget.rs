//! What one selector may cost, checked while answers arrive and before they are decoded.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use narthex_promql::SourceError;

/// Upper bounds of one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Series of one partition's answer, and of the merged one.
    pub series: u64,
    /// Samples likewise.
    pub samples: u64,
    /// Bytes of labels and chunks from all owners together.
    pub bytes: u64,
}

/// The running total of one read. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Limits,
    bytes: Arc<AtomicU64>,
}

impl Budget {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, bytes: Arc::default() }
    }

    /// The bounds.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Bytes received so far.
    pub fn received(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Adds received bytes.
    pub fn charge_bytes(&self, bytes: usize) -> Result<(), SourceError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        check("bytes", total, self.limits.bytes)
    }

    /// Checks a number of series against its bound.
    pub fn check_series(&self, series: usize) -> Result<(), SourceError> {
        check("series", u64::try_from(series).unwrap_or(u64::MAX), self.limits.series)
    }

    /// Checks a number of samples against its bound.
    pub fn check_samples(&self, samples: u64) -> Result<(), SourceError> {
        check("samples", samples, self.limits.samples)
    }
}

fn check(what: &str, found: u64, limit: u64) -> Result<(), SourceError> {
    if found <= limit {
        return Ok(());
    }
    Err(SourceError::LimitExceeded(format!(
        "the query reads more than {limit} {what}, its limit; select fewer series or a shorter time"
    )))
}

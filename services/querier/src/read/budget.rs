//! What one selector may cost, checked while answers arrive and before they are decoded.
//!
//! Heads and blocks spend from one budget. Bytes are counted over all sources. Series and samples of the result are what the
//! limits speak of: no answer may hold more, nor the merged result, and all answers together hold at most as many copies as a
//! read makes of a sample, which bounds memory while they arrive.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use narthex_promql::SourceError;

/// Copies of a sample that a read receives at most: of three owners, of a block and of the one that replaced it meanwhile, and
/// of these two from a second gateway each.
const COPIES: u64 = 7;

/// Upper bounds of one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Series of one source's answer, and of the merged one.
    pub series: u64,
    /// Samples likewise.
    pub samples: u64,
    /// Bytes of labels and chunks from all sources together.
    pub bytes: u64,
}

/// The running total of one read. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Limits,
    spent: Arc<Spent>,
    of_blocks: bool,
}

#[derive(Debug, Default)]
struct Spent {
    bytes: AtomicU64,
    block_bytes: AtomicU64,
    samples: AtomicU64,
}

impl Budget {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, spent: Arc::default(), of_blocks: false }
    }

    /// The same budget, spent for blocks.
    #[must_use]
    pub fn for_blocks(self) -> Self {
        Self { of_blocks: true, ..self }
    }

    /// The bounds.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Bytes received so far from heads, and from gateways.
    pub fn received(&self) -> (u64, u64) {
        let all = self.spent.bytes.load(Ordering::Relaxed);
        let blocks = self.spent.block_bytes.load(Ordering::Relaxed);
        (all.saturating_sub(blocks), blocks)
    }

    /// Adds received bytes.
    pub fn charge_bytes(&self, bytes: usize) -> Result<(), SourceError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if self.of_blocks {
            self.spent.block_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        let total = self.spent.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        check("bytes", total, self.limits.bytes)
    }

    /// Adds received samples to those of all answers.
    pub fn charge_samples(&self, samples: u64) -> Result<(), SourceError> {
        let total = self.spent.samples.fetch_add(samples, Ordering::Relaxed).saturating_add(samples);
        check("samples", total.div_ceil(COPIES), self.limits.samples)
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

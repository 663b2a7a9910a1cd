//! What a query may read, checked while answers arrive and before they are decoded.
//!
//! All reads of a query, heads and blocks alike, spend from one budget. A range query has it anew for every 24 hours of its
//! range (QLIM-1); what it reads from before its start counts to the first of them. Bytes and chunks are counted over all
//! sources. Series and samples of the merged result are what the limits speak of: no answer may hold more, and all answers
//! together hold at most as many copies as a read makes of a sample, which bounds memory while they arrive.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use narthex_model::TimeRange;
use narthex_promql::{SeriesData, SourceError};
use parking_lot::Mutex;
use prometheus_client::metrics::{counter::Counter, family::Family};

use super::days::{Days, Tally};
use crate::metrics::Reason;

/// Copies of a sample that a read receives at most: of three owners, of a block and of the one that replaced it meanwhile, and
/// of these two from a second gateway each.
const COPIES: u64 = 7;

/// Upper bounds of an instant query, and of every 24 hours of a range query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Series of the merged answers.
    pub series: u64,
    /// Samples likewise.
    pub samples: u64,
    /// Bytes of labels and chunks from all sources together.
    pub bytes: u64,
    /// Chunks likewise.
    pub chunks: u64,
}

impl Limits {
    fn times(self, days: usize) -> Self {
        let days = days as u64;
        let Self { series, samples, bytes, chunks } = self;
        Self {
            series: series.saturating_mul(days),
            samples: samples.saturating_mul(days),
            bytes: bytes.saturating_mul(days),
            chunks: chunks.saturating_mul(days),
        }
    }
}

/// The running totals of one query, and of one of its reads. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Limits,
    spent: Arc<Spent>,
    received: Arc<Received>,
    of_blocks: bool,
    refused: Family<Reason, Counter>,
}

/// What all reads of the query spent.
#[derive(Debug)]
struct Spent {
    days: Days,
    bytes: Vec<AtomicU64>,
    chunks: Vec<AtomicU64>,
    copies: AtomicU64,
    merged: Mutex<Vec<Tally>>,
    refused: AtomicBool,
}

/// Bytes that one read received.
#[derive(Debug, Default)]
struct Received {
    heads: AtomicU64,
    blocks: AtomicU64,
}

impl Budget {
    /// Nothing used yet of one budget for all time.
    pub fn new(limits: Limits) -> Self {
        Self::with(limits, Days::one(), Family::default())
    }

    /// Nothing used yet of what a query over a range may use. Its refusal is counted once.
    pub(crate) fn of_query(limits: Limits, range: TimeRange, refused: Family<Reason, Counter>) -> Self {
        Self::with(limits, Days::of(range), refused)
    }

    fn with(limits: Limits, days: Days, refused: Family<Reason, Counter>) -> Self {
        let zeros = || (0..days.count()).map(|_| AtomicU64::new(0)).collect();
        let spent = Spent {
            bytes: zeros(),
            chunks: zeros(),
            copies: AtomicU64::new(0),
            merged: Mutex::new(vec![Tally::default(); days.count()]),
            refused: AtomicBool::new(false),
            days,
        };
        Self { limits, spent: Arc::new(spent), received: Arc::default(), of_blocks: false, refused }
    }

    /// The same budget for another read of the query.
    #[must_use]
    pub fn another_read(&self) -> Self {
        Self { received: Arc::default(), ..self.clone() }
    }

    /// The same budget, spent for blocks.
    #[must_use]
    pub fn for_blocks(self) -> Self {
        Self { of_blocks: true, ..self }
    }

    /// The most that one answer may hold.
    pub fn most(&self) -> Limits {
        self.limits.times(self.days())
    }

    /// Bytes that this read received so far from heads, and from gateways.
    pub fn received(&self) -> (u64, u64) {
        let Received { heads, blocks } = &*self.received;
        (heads.load(Ordering::Relaxed), blocks.load(Ordering::Relaxed))
    }

    /// Adds received bytes that belong to no time.
    pub fn charge_bytes(&self, bytes: usize) -> Result<(), SourceError> {
        self.charge(0, bytes)
    }

    /// Adds a received chunk to the time of its first sample.
    pub fn charge_chunk(&self, first_ms: i64, bytes: usize, samples: u32) -> Result<(), SourceError> {
        let day = self.spent.days.at(first_ms);
        self.charge(day, bytes)?;
        let chunks = add(&self.spent.chunks[day], 1);
        self.check(What::Chunks, chunks, 1)?;
        let copies = add(&self.spent.copies, u64::from(samples));
        self.check(What::Samples, copies.div_ceil(COPIES), self.days())
    }

    fn charge(&self, day: usize, bytes: usize) -> Result<(), SourceError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let Received { heads, blocks } = &*self.received;
        add(if self.of_blocks { blocks } else { heads }, bytes);
        self.check(What::Bytes, add(&self.spent.bytes[day], bytes), 1)
    }

    /// Checks the series and samples of one answer so far.
    pub fn check_answer(&self, series: usize, samples: u64) -> Result<(), SourceError> {
        self.check(What::Series, u64::try_from(series).unwrap_or(u64::MAX), self.days())?;
        self.check(What::Samples, samples, self.days())
    }

    /// Adds the merged series of this read to those of the query's other reads.
    pub fn settle(&self, series: &[SeriesData]) -> Result<(), SourceError> {
        let mut merged = self.spent.merged.lock();
        series.iter().for_each(|one| self.spent.days.add(one, &mut merged));
        merged.iter().try_for_each(|tally| {
            self.check(What::Series, tally.series, 1)?;
            self.check(What::Samples, tally.samples, 1)
        })
    }

    /// Adds series, samples and bytes of chunks that owners looked at; only heads hold them, so they are of the newest day.
    pub fn settle_newest(&self, series: u64, samples: u64, bytes: u64) -> Result<(), SourceError> {
        let mut merged = self.spent.merged.lock();
        let Some(newest) = merged.last_mut() else { return Ok(()) };
        if let Some(spent) = self.spent.bytes.last() {
            self.check(What::Bytes, add(spent, bytes), 1)?;
        }
        newest.series += series;
        newest.samples += samples;
        self.check(What::Series, newest.series, 1)?;
        self.check(What::Samples, newest.samples, 1)
    }

    /// The error of a read as the user is to see it: a source that refused before it sent anything says only which of our
    /// bounds it would pass (`series limit exceeded: ...`).
    pub(crate) fn explain(&self, error: SourceError) -> SourceError {
        let SourceError::LimitExceeded(text) = error else { return error };
        let all = [What::Series, What::Samples, What::Bytes];
        match all.into_iter().find(|what| text.starts_with(&format!("{} limit exceeded", what.name()))) {
            Some(what) => self.over(what),
            None => {
                self.refuse("source");
                SourceError::LimitExceeded(text)
            }
        }
    }

    /// Counts the query as refused for a reason, if it is not yet.
    fn refuse(&self, reason: &'static str) {
        if !self.spent.refused.swap(true, Ordering::Relaxed) {
            self.refused.get_or_create(&Reason { reason }).inc();
        }
    }

    /// Checks a total against the limits of so many days.
    fn check(&self, what: What, found: u64, days: usize) -> Result<(), SourceError> {
        let limit = what.of(self.limits);
        if found <= limit.saturating_mul(days as u64) { Ok(()) } else { Err(self.over(what)) }
    }

    fn over(&self, what: What) -> SourceError {
        let (name, limit) = (what.name(), what.of(self.limits));
        self.refuse(name);
        let of = if self.days() > 1 { " for 24 hours of its range" } else { "" };
        // Two begin with words of the managed service (ERR-8), as its clients may look for them.
        let hit = match what {
            What::Bytes => "the query hit the aggregated data size limit: it reads",
            What::Chunks => {
                "the query hit the max number of chunks limit while fetching chunks from ingesters: it reads"
            }
            What::Series | What::Samples => "the query reads",
        };
        let text =
            format!("{hit} more than {limit} {name}{of}, its limit; select fewer series or a shorter time");
        SourceError::LimitExceeded(text)
    }

    fn days(&self) -> usize {
        self.spent.days.count()
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Series,
    Samples,
    Bytes,
    Chunks,
}

impl What {
    const fn of(self, limits: Limits) -> u64 {
        match self {
            Self::Series => limits.series,
            Self::Samples => limits.samples,
            Self::Bytes => limits.bytes,
            Self::Chunks => limits.chunks,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::Samples => "samples",
            Self::Bytes => "bytes",
            Self::Chunks => "chunks",
        }
    }
}

fn add(total: &AtomicU64, more: u64) -> u64 {
    total.fetch_add(more, Ordering::Relaxed).saturating_add(more)
}

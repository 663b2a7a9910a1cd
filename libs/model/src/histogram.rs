//! Native histograms: exponential schemas -4 to 8 and custom buckets (schema -53), integer or float counts.
//!
//! The byte form of [`Histogram::to_bytes`] is what frames, WAL, chunks and Select carry for a histogram. It keeps every bit
//! (W-5), is self-contained, and is bounded: [`Histogram::from_bytes`] refuses more than [`MAX_HISTOGRAM_BYTES`]. Integers are
//! LEB128 (zig-zag where signed), floats 8 bytes little-endian. Bucket counts are absolute here, not deltas as in remote write.

mod byte_form;
mod encoded;

use byte_form::{FLOAT_COUNTS, Reader, put_floats, put_int, put_uint};
pub use encoded::{EncodedHistogram, SparseHistogram, Totals};

/// Largest encoded histogram that is accepted, in bytes. Prometheus itself refuses more than 160 buckets only by scrape option.
pub const MAX_HISTOGRAM_BYTES: usize = 1 << 20;

/// The schema of histograms with custom bucket boundaries.
const CUSTOM_BUCKETS: i8 = -53;

/// What is known about a reset between this histogram and the one before it in the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CounterResetHint {
    /// Must be found out by comparing.
    #[default]
    Unknown,
    /// A reset happened.
    Reset,
    /// No reset happened.
    NotReset,
    /// A gauge, for which resets mean nothing.
    Gauge,
}

impl CounterResetHint {
    /// The number on the wire; other numbers become [`Self::Unknown`].
    pub const fn from_wire(number: u8) -> Self {
        match number {
            1 => Self::Reset,
            2 => Self::NotReset,
            3 => Self::Gauge,
            _ => Self::Unknown,
        }
    }

    /// The number on the wire.
    pub const fn to_wire(self) -> u8 {
        self as u8
    }
}

/// A run of consecutive buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BucketSpan {
    /// Gap to the previous span, or the first bucket's index for the first span, which alone may be negative.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// Bucket counts, absolute, in the order of the spans.
#[derive(Debug, Clone)]
pub enum Counts {
    /// Integer histogram: zero count, total count, positive buckets, negative buckets.
    Int {
        /// Observations in the zero bucket.
        zero: u64,
        /// All observations.
        total: u64,
        /// Positive buckets.
        positive: Vec<i64>,
        /// Negative buckets.
        negative: Vec<i64>,
    },
    /// Float histogram.
    Float {
        /// Observations in the zero bucket.
        zero: f64,
        /// All observations.
        total: f64,
        /// Positive buckets.
        positive: Vec<f64>,
        /// Negative buckets.
        negative: Vec<f64>,
    },
}

impl Default for Counts {
    fn default() -> Self {
        Self::Int { zero: 0, total: 0, positive: Vec::new(), negative: Vec::new() }
    }
}

/// A native histogram. Equality is by bits.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Resolution: -4 to 8 exponential, -53 custom buckets.
    pub schema: i8,
    /// What is known about a counter reset.
    pub reset_hint: CounterResetHint,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Sum of all observations; the stale marker's bits make the whole histogram a stale marker.
    pub sum: f64,
    /// Where the positive (or custom) buckets lie.
    pub positive_spans: Vec<BucketSpan>,
    /// Where the negative buckets lie.
    pub negative_spans: Vec<BucketSpan>,
    /// Upper bounds of custom buckets, ascending; empty for exponential schemas.
    pub custom_bounds: Vec<f64>,
    /// The counts.
    pub counts: Counts,
}

/// Why a histogram is refused; texts as in Prometheus where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// The encoded form ends early or has bytes left over.
    #[error("encoded histogram is cut off or too long")]
    Malformed,
    /// More than [`MAX_HISTOGRAM_BYTES`].
    #[error("histogram of {0} encoded bytes exceeds the limit of {MAX_HISTOGRAM_BYTES}")]
    TooLarge(usize),
    /// A schema that is neither exponential nor custom.
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got {0}"
    )]
    Schema(i8),
    /// Spans and counts do not agree.
    #[error(
        "{side} side: spans need {need} buckets, have {have} buckets: histogram spans specify different number of buckets than provided"
    )]
    SpansMismatch {
        /// `positive` or `negative`.
        side: &'static str,
        /// Buckets that the spans describe.
        need: u64,
        /// Buckets that are there.
        have: usize,
    },
    /// A later span that reaches back.
    #[error(
        "{side} side: span number {number} with offset {offset}: histogram has a span whose offset is negative"
    )]
    SpanNegativeOffset {
        /// `positive` or `negative`.
        side: &'static str,
        /// Number of the span, from 1.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// A bucket that counts below zero.
    #[error(
        "{side} side: bucket number {number} has observation count of {count}: histogram has a bucket whose observation count is negative"
    )]
    NegativeBucketCount {
        /// `positive` or `negative`.
        side: &'static str,
        /// Number of the bucket, from 1.
        number: usize,
        /// Its count.
        count: String,
    },
    /// Total and buckets disagree.
    #[error(
        "{buckets} observations found in buckets, but the Count field is {total}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)"
    )]
    CountMismatch {
        /// Sum over the buckets.
        buckets: u64,
        /// The stated total.
        total: u64,
    },
    /// Custom buckets with parts they cannot have, or boundaries out of order.
    #[error("histogram custom buckets are invalid: {0}")]
    Custom(&'static str),
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Histogram {}

impl Histogram {
    /// Whether the buckets have custom boundaries.
    pub fn has_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS
    }

    /// Whether counts are floats.
    pub fn is_float(&self) -> bool {
        matches!(self.counts, Counts::Float { .. })
    }

    /// Checks what Prometheus checks before it stores a histogram.
    pub fn validate(&self) -> Result<(), HistogramError> {
        if !(-4..=8).contains(&self.schema) && !self.has_custom_buckets() {
            return Err(HistogramError::Schema(self.schema));
        }
        let (positive, negative) = match &self.counts {
            Counts::Int { positive, negative, .. } => (positive.len(), negative.len()),
            Counts::Float { positive, negative, .. } => (positive.len(), negative.len()),
        };
        check_spans("positive", &self.positive_spans, positive)?;
        check_spans("negative", &self.negative_spans, negative)?;
        self.validate_custom(negative)?;
        match &self.counts {
            Counts::Int { zero, total, positive, negative } => {
                check_not_negative("positive", positive, |count| count < 0)?;
                check_not_negative("negative", negative, |count| count < 0)?;
                let buckets = positive
                    .iter()
                    .chain(negative)
                    .fold(*zero, |sum, count| sum.saturating_add(count.unsigned_abs()));
                let agrees = if self.sum.is_nan() { buckets <= *total } else { buckets == *total };
                if agrees { Ok(()) } else { Err(HistogramError::CountMismatch { buckets, total: *total }) }
            }
            Counts::Float { positive, negative, .. } => {
                check_not_negative("positive", positive, |count| count < 0.0)?;
                check_not_negative("negative", negative, |count| count < 0.0)
            }
        }
    }

    fn validate_custom(&self, negative_buckets: usize) -> Result<(), HistogramError> {
        if !self.has_custom_buckets() {
            let clean = self.custom_bounds.is_empty();
            return if clean {
                Ok(())
            } else {
                Err(HistogramError::Custom("exponential schema with custom bounds"))
            };
        }
        let zero_is_empty = match self.counts {
            Counts::Int { zero, .. } => zero == 0,
            Counts::Float { zero, .. } => zero == 0.0,
        };
        if !zero_is_empty || self.zero_threshold != 0.0 {
            return Err(HistogramError::Custom("must have zero count and threshold of 0"));
        }
        if negative_buckets > 0 || !self.negative_spans.is_empty() {
            return Err(HistogramError::Custom("must not have negative buckets"));
        }
        let ascending = self.custom_bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || self.custom_bounds.iter().any(|bound| bound.is_nan()) {
            return Err(HistogramError::Custom("bounds must ascend strictly and not be NaN"));
        }
        let reach: i64 =
            self.positive_spans.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum();
        if self.positive_spans.first().is_some_and(|span| span.offset < 0)
            || reach > self.custom_bounds.len() as i64 + 1
        {
            return Err(HistogramError::Custom("spans reach outside the bounds"));
        }
        Ok(())
    }

    /// The byte form. Equal histograms have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.parts().write(&mut out);
        out
    }

    /// Its parts, borrowed.
    pub fn parts(&self) -> HistogramRef<'_> {
        HistogramRef {
            schema: self.schema,
            reset_hint: self.reset_hint,
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive_spans: &self.positive_spans,
            negative_spans: &self.negative_spans,
            custom_bounds: &self.custom_bounds,
            counts: match &self.counts {
                Counts::Int { zero, total, positive, negative } => {
                    CountsRef::Int { zero: *zero, total: *total, positive, negative }
                }
                Counts::Float { zero, total, positive, negative } => {
                    CountsRef::Float { zero: *zero, total: *total, positive, negative }
                }
            },
        }
    }

    /// Reads the byte form; the whole input must be used.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HistogramError> {
        if bytes.len() > MAX_HISTOGRAM_BYTES {
            return Err(HistogramError::TooLarge(bytes.len()));
        }
        let mut reader = Reader::new(bytes);
        let histogram = reader.histogram().ok_or(HistogramError::Malformed)?;
        if reader.is_at_end() { Ok(histogram) } else { Err(HistogramError::Malformed) }
    }
}

/// The parts of a [`Histogram`], wherever they are.
#[derive(Debug, Clone, Copy)]
pub struct HistogramRef<'a> {
    /// As [`Histogram::schema`].
    pub schema: i8,
    /// As [`Histogram::reset_hint`].
    pub reset_hint: CounterResetHint,
    /// As [`Histogram::zero_threshold`].
    pub zero_threshold: f64,
    /// As [`Histogram::sum`].
    pub sum: f64,
    /// As [`Histogram::positive_spans`].
    pub positive_spans: &'a [BucketSpan],
    /// As [`Histogram::negative_spans`].
    pub negative_spans: &'a [BucketSpan],
    /// As [`Histogram::custom_bounds`].
    pub custom_bounds: &'a [f64],
    /// As [`Histogram::counts`].
    pub counts: CountsRef<'a>,
}

/// The parts of [`Counts`].
#[derive(Debug, Clone, Copy)]
pub enum CountsRef<'a> {
    /// Integers.
    Int {
        /// In the zero bucket.
        zero: u64,
        /// All observations.
        total: u64,
        /// Of the positive buckets.
        positive: &'a [i64],
        /// Of the negative buckets.
        negative: &'a [i64],
    },
    /// Floats.
    Float {
        /// In the zero bucket.
        zero: f64,
        /// All observations.
        total: f64,
        /// Of the positive buckets.
        positive: &'a [f64],
        /// Of the negative buckets.
        negative: &'a [f64],
    },
}

impl HistogramRef<'_> {
    /// Appends the byte form of [`Histogram::to_bytes`].
    pub fn write(&self, out: &mut Vec<u8>) {
        let float_counts = matches!(self.counts, CountsRef::Float { .. });
        out.push(self.schema as u8);
        out.push(self.reset_hint.to_wire() | if float_counts { FLOAT_COUNTS } else { 0 });
        out.extend_from_slice(&self.zero_threshold.to_le_bytes());
        out.extend_from_slice(&self.sum.to_le_bytes());
        for spans in [self.positive_spans, self.negative_spans] {
            put_uint(out, spans.len() as u64);
            for span in spans {
                put_int(out, i64::from(span.offset));
                put_uint(out, u64::from(span.length));
            }
        }
        put_floats(out, self.custom_bounds);
        match self.counts {
            CountsRef::Int { zero, total, positive, negative } => {
                put_uint(out, zero);
                put_uint(out, total);
                for buckets in [positive, negative] {
                    put_uint(out, buckets.len() as u64);
                    buckets.iter().for_each(|count| put_int(out, *count));
                }
            }
            CountsRef::Float { zero, total, positive, negative } => {
                out.extend_from_slice(&zero.to_le_bytes());
                out.extend_from_slice(&total.to_le_bytes());
                put_floats(out, positive);
                put_floats(out, negative);
            }
        }
    }
}

fn check_spans(side: &'static str, spans: &[BucketSpan], have: usize) -> Result<(), HistogramError> {
    if let Some((at, span)) = spans.iter().enumerate().skip(1).find(|(_, span)| span.offset < 0) {
        return Err(HistogramError::SpanNegativeOffset { side, number: at + 1, offset: span.offset });
    }
    let need = spans.iter().map(|span| u64::from(span.length)).sum();
    if need == have as u64 { Ok(()) } else { Err(HistogramError::SpansMismatch { side, need, have }) }
}

fn check_not_negative<T: Copy + std::fmt::Display>(
    side: &'static str,
    counts: &[T],
    negative: impl Fn(T) -> bool,
) -> Result<(), HistogramError> {
    match counts.iter().position(|count| negative(*count)) {
        None => Ok(()),
        Some(at) => {
            let count = counts[at].to_string();
            Err(HistogramError::NegativeBucketCount { side, number: at + 1, count })
        }
    }
}

#[cfg(test)]
mod tests;

//! The histogram value itself: conversion, scaling, comparison, text.

use std::{fmt, ops::Deref, sync::Arc};

use narthex_model::{BucketSpan, CounterResetHint, Counts, EncodedHistogram, Histogram, SparseHistogram};

use super::buckets::bound;
use crate::ast::format_number;

/// The schema of histograms with custom bounds.
pub(crate) const CUSTOM: i32 = -53;

/// Sparse buckets: (index, count), ascending.
pub(crate) type Sparse = Vec<(i32, f64)>;

/// A histogram with float counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct FloatHistogram {
    pub(crate) schema: i32,
    pub(crate) hint: CounterResetHint,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: f64,
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) positive: Sparse,
    pub(crate) negative: Sparse,
    /// Upper bounds of custom buckets.
    pub(crate) custom: Bounds,
}

/// Upper bounds of custom buckets, shared. Most histograms have none, which costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds(Option<Arc<[f64]>>);

impl Deref for Bounds {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Vec<f64>> for Bounds {
    fn from(bounds: Vec<f64>) -> Self {
        Self((!bounds.is_empty()).then(|| bounds.into()))
    }
}

impl PartialEq for Bounds {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

fn to_spans(sparse: &Sparse) -> (Vec<BucketSpan>, Vec<f64>) {
    let mut spans: Vec<BucketSpan> = Vec::new();
    let mut next = 0;
    for (index, _) in sparse {
        match spans.last_mut() {
            Some(last) if *index == next => last.length += 1,
            _ => spans.push(BucketSpan { offset: index - next, length: 1 }),
        }
        next = index + 1;
    }
    (spans, sparse.iter().map(|(_, count)| *count).collect())
}

impl From<SparseHistogram> for FloatHistogram {
    fn from(histogram: SparseHistogram) -> Self {
        let SparseHistogram { schema, reset_hint, zero_threshold, sum, zero, total, .. } = histogram;
        Self {
            schema: i32::from(schema),
            hint: reset_hint,
            zero_threshold,
            zero_count: zero,
            count: total,
            sum,
            positive: histogram.positive,
            negative: histogram.negative,
            custom: histogram.custom_bounds.into(),
        }
    }
}

impl FloatHistogram {
    /// The float form of a stored histogram.
    pub(crate) fn from_model(histogram: &Histogram) -> Self {
        EncodedHistogram::from(histogram).sparse().into()
    }

    /// The form that leaves the engine.
    pub(crate) fn to_model(&self) -> Histogram {
        let (positive_spans, positive) = to_spans(&self.positive);
        let (negative_spans, negative) = to_spans(&self.negative);
        Histogram {
            schema: self.schema as i8,
            reset_hint: self.hint,
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive_spans,
            negative_spans,
            custom_bounds: self.custom.to_vec(),
            counts: Counts::Float { zero: self.zero_count, total: self.count, positive, negative },
        }
    }

    pub(crate) fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM
    }

    /// How many float samples it weighs in statistics and limits, as Prometheus counts them.
    pub(crate) fn weight(&self) -> usize {
        let spans = |sparse: &Sparse| to_spans_count(sparse) * 8;
        let bytes = 168
            + spans(&self.positive)
            + spans(&self.negative)
            + (self.positive.len() + self.negative.len() + self.custom.len()) * 8;
        (bytes + 8) / 16
    }

    fn all_counts(&mut self) -> impl Iterator<Item = &mut f64> {
        let buckets = self.positive.iter_mut().chain(&mut self.negative).map(|(_, count)| count);
        [&mut self.zero_count, &mut self.count, &mut self.sum].into_iter().chain(buckets)
    }

    /// Multiplies everything; a negative factor makes a gauge.
    pub(crate) fn scale(mut self, factor: f64) -> Self {
        self.all_counts().for_each(|count| *count *= factor);
        if factor < 0.0 {
            self.hint = CounterResetHint::Gauge;
        }
        self
    }

    /// Divides everything; zero leaves no buckets.
    pub(crate) fn divide(mut self, divisor: f64) -> Self {
        self.all_counts().for_each(|count| *count /= divisor);
        if divisor == 0.0 {
            self.positive.clear();
            self.negative.clear();
        } else if divisor < 0.0 {
            self.hint = CounterResetHint::Gauge;
        }
        self
    }

    /// Leaves empty buckets out.
    pub(crate) fn compact(mut self) -> Self {
        self.positive.retain(|(_, count)| *count != 0.0);
        self.negative.retain(|(_, count)| *count != 0.0);
        self
    }

    /// Whether any part overflowed to infinity.
    pub(crate) fn has_overflow(&self) -> bool {
        let buckets = self.positive.iter().chain(&self.negative).any(|(_, count)| count.is_infinite());
        buckets || self.zero_count.is_infinite() || self.count.is_infinite() || self.sum.is_infinite()
    }

    /// Equality of all but the reset hint.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let bits = |a: &Sparse, b: &Sparse| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && a.1.to_bits() == b.1.to_bits())
        };
        self.schema == other.schema
            && self.count.to_bits() == other.count.to_bits()
            && self.sum.to_bits() == other.sum.to_bits()
            && self.custom == other.custom
            && self.zero_threshold == other.zero_threshold
            && self.zero_count.to_bits() == other.zero_count.to_bits()
            && bits(&self.positive, &other.positive)
            && bits(&self.negative, &other.negative)
    }
}

fn to_spans_count(sparse: &Sparse) -> usize {
    let gaps = sparse.windows(2).filter(|pair| pair[1].0 != pair[0].0 + 1).count();
    if sparse.is_empty() { 0 } else { gaps + 1 }
}

/// Prometheus's text: `{count:3, sum:1.5, [-0.1,0.1]:1, (0.5,1]:2}`.
impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", format_number(self.count), format_number(self.sum))?;
        for (index, count) in self.negative.iter().rev().filter(|(_, count)| *count != 0.0) {
            let (lower, upper) = (-bound(*index, self.schema, &[]), -bound(index - 1, self.schema, &[]));
            write!(f, ", [{},{}):{}", format_number(lower), format_number(upper), format_number(*count))?;
        }
        if self.zero_count != 0.0 {
            let edge = self.zero_threshold;
            write!(
                f,
                ", [{},{}]:{}",
                format_number(-edge),
                format_number(edge),
                format_number(self.zero_count)
            )?;
        }
        for (index, count) in self.positive.iter().filter(|(_, count)| *count != 0.0) {
            let (lower, upper) =
                (bound(index - 1, self.schema, &self.custom), bound(*index, self.schema, &self.custom));
            let custom = self.uses_custom_buckets();
            let open = if if custom { *index == 0 } else { lower < 0.0 } { '[' } else { '(' };
            let close = if custom || upper > 0.0 { ']' } else { ')' };
            write!(
                f,
                ", {open}{},{}{close}:{}",
                format_number(lower),
                format_number(upper),
                format_number(*count)
            )?;
        }
        f.write_str("}")
    }
}

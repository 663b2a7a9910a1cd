//! What is known of one group after some of its series: the state of `sum`, `avg`, `count`, `min`, `max` and `group`.
//!
//! States of different series of a group can be merged in any order with the same result, so cores and machines can share the
//! work. One row for each step; what only histograms need exists only where there are some.

use std::sync::Arc;

use narthex_model::{CounterResetHint, Labels};

use super::exact::ExactSums;
use crate::{
    ast::AggregateOp,
    engine::{
        column::{Column, Sample, SampleRef},
        functions::HistogramMean,
        notes::Notes,
    },
    error::PositionRange,
    histogram::{FloatHistogram, Incompatible},
};

/// What a state may note.
pub(in crate::engine) struct Context<'a> {
    pub(in crate::engine) notes: &'a mut Notes,
    /// Where the aggregated expression stands.
    pub(in crate::engine) position: PositionRange,
    pub(in crate::engine) op: AggregateOp,
}

impl Context<'_> {
    fn merged(&mut self, merged: Result<bool, Incompatible>, name: &str) -> bool {
        match merged {
            Ok(true) => self.notes.bounds_reconciled("aggregation", self.position),
            Ok(false) => {}
            Err(Incompatible) => self.notes.mixed_schemas(name, self.position),
        }
        merged.is_ok()
    }
}

/// What floats add up to.
#[derive(Debug, Clone)]
pub(in crate::engine) enum Floats {
    /// `group`: whether there are samples.
    Present(Vec<bool>),
    /// `count`: how many samples there are.
    Count(Vec<u64>),
    /// `min`, `max`: the best so far, where there is one.
    Best(Vec<f64>, Vec<bool>),
    /// `sum`, `avg`: the sum of the floats, and how many there are.
    Sum(ExactSums, Vec<u64>),
}

/// The histograms of a step.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Histograms {
    /// Their sum or mean.
    pub(in crate::engine) total: HistogramTotal,
    /// Any of them said that its counter was reset.
    pub(in crate::engine) reset: bool,
    /// Any of them said that it was not.
    pub(in crate::engine) not_reset: bool,
    /// They do not fit together, so there is no result.
    pub(in crate::engine) incompatible: bool,
}

/// Sum or mean under way.
#[derive(Debug, Clone)]
pub(in crate::engine) enum HistogramTotal {
    /// Value and what rounding lost.
    Sum(FloatHistogram, Option<Box<FloatHistogram>>),
    Mean(HistogramMean),
}

impl HistogramTotal {
    fn add(&mut self, histogram: &FloatHistogram) -> Result<bool, Incompatible> {
        match self {
            Self::Sum(value, lost) => value.kahan_add(histogram, lost).map(|merged| merged.bounds_reconciled),
            Self::Mean(mean) => {
                mean.reconciled = false;
                mean.add(histogram)?;
                Ok(mean.reconciled)
            }
        }
    }

    fn merge(&mut self, other: Self) -> Result<bool, Incompatible> {
        match (self, other) {
            (Self::Sum(value, lost), Self::Sum(other, other_lost)) => {
                let mut reconciled = value.kahan_add(&other, lost)?.bounds_reconciled;
                if let Some(other) = other_lost {
                    reconciled |= value.kahan_add(&other, lost)?.bounds_reconciled;
                }
                Ok(reconciled)
            }
            (Self::Mean(mean), Self::Mean(other)) => mean.merge(&other),
            _ => Err(Incompatible),
        }
    }

    /// Resolution and width of the zero bucket: where they differ, buckets depend on the order of what was added.
    fn layout(&self) -> (i32, f64) {
        let histogram = match self {
            Self::Sum(value, _) => value,
            Self::Mean(mean) => &mean.value,
        };
        (histogram.schema, histogram.zero_threshold)
    }

    /// Whether its bits depend on the order of what was added.
    fn is_rounded(&self) -> bool {
        matches!(self, Self::Mean(mean) if mean.incremental)
    }

    fn finish(self) -> FloatHistogram {
        match self {
            Self::Sum(mut value, lost) => {
                if let Some(lost) = lost {
                    // Both have the same layout, so this cannot fail.
                    let _ = value.add(&lost);
                }
                value
            }
            Self::Mean(mean) => mean.finish(),
        }
    }
}

/// The state of a group.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Partial {
    /// Any of its series lost its name.
    pub(in crate::engine) drop_name: bool,
    pub(in crate::engine) floats: Floats,
    /// One a step, or none at all. Only `sum` and `avg` look at histograms.
    pub(in crate::engine) histograms: Vec<Option<Box<Histograms>>>,
    /// The first of its series, by their order.
    pub(in crate::engine) first: (usize, Labels),
    /// Means of histograms met that are rounded on the way, so another way may have led to other bits.
    pub(in crate::engine) undecided: bool,
}

impl Partial {
    pub(in crate::engine) fn new(op: AggregateOp, steps: usize) -> Self {
        let floats = match op {
            AggregateOp::Sum | AggregateOp::Avg => Floats::Sum(ExactSums::new(steps), vec![0; steps]),
            AggregateOp::Count => Floats::Count(vec![0; steps]),
            AggregateOp::Min | AggregateOp::Max => Floats::Best(vec![0.0; steps], vec![false; steps]),
            _ => Floats::Present(vec![false; steps]),
        };
        let first = (usize::MAX, Labels::EMPTY);
        Self { drop_name: false, floats, histograms: Vec::new(), first, undecided: false }
    }

    /// Bytes of a state without histograms.
    pub(in crate::engine) const fn bytes_of(steps: usize) -> usize {
        size_of::<Self>() + steps.saturating_mul(2 * size_of::<f64>() + size_of::<u64>())
    }

    /// Adds the series at a place of the order of series.
    pub(in crate::engine) fn add(&mut self, place: usize, column: &Column, context: &mut Context<'_>) {
        self.drop_name |= column.drop_name;
        if place < self.first.0 {
            self.first = (place, column.labels.clone());
        }
        match &mut self.floats {
            Floats::Present(present) => {
                present.iter_mut().enumerate().for_each(|(at, present)| *present |= column.has(at));
            }
            Floats::Count(counts) => {
                counts.iter_mut().enumerate().for_each(|(at, count)| *count += u64::from(column.has(at)));
            }
            Floats::Best(values, present) => {
                for (at, sample) in column.samples() {
                    match sample {
                        SampleRef::Float(value) => best(context.op, values, present, at, value),
                        SampleRef::Histogram(_) => {
                            context.notes.ignored_in_aggregation(context.op.as_str(), context.position);
                        }
                    }
                }
            }
            Floats::Sum(sums, counts) => match column.dense_floats() {
                Some(values) if self.histograms.is_empty() => {
                    values.iter().enumerate().for_each(|(at, value)| sums.add(at, *value));
                    counts.iter_mut().for_each(|count| *count += 1);
                }
                _ => self.add_mixed(column, context),
            },
        }
    }

    fn add_mixed(&mut self, column: &Column, context: &mut Context<'_>) {
        let Floats::Sum(sums, counts) = &mut self.floats else { return };
        for (at, sample) in column.samples() {
            match sample {
                SampleRef::Float(value) => {
                    let histograms = self.histograms.get(at).and_then(Option::as_ref);
                    if histograms.is_none_or(|histograms| !histograms.incompatible) {
                        sums.add(at, value);
                        counts[at] += 1;
                    }
                }
                SampleRef::Histogram(histogram) => {
                    if self.histograms.is_empty() {
                        self.histograms = vec![None; counts.len()];
                    }
                    let name = || column.labels.metric_name();
                    add_histogram(&mut self.histograms[at], histogram, context, name);
                }
            }
        }
    }

    /// Adds the state of other series of the same group.
    pub(in crate::engine) fn merge(&mut self, other: Self, context: &mut Context<'_>) {
        self.drop_name |= other.drop_name;
        self.undecided |= other.undecided;
        if other.first.1 < self.first.1 {
            self.first = other.first;
        }
        match (&mut self.floats, other.floats) {
            (Floats::Present(mine), Floats::Present(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine |= theirs);
            }
            (Floats::Count(mine), Floats::Count(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
            }
            (Floats::Best(values, present), Floats::Best(theirs, others)) => {
                for (at, _) in others.into_iter().enumerate().filter(|(_, there)| *there) {
                    best(context.op, values, present, at, theirs[at]);
                }
            }
            (Floats::Sum(sums, counts), Floats::Sum(others, theirs)) => {
                sums.merge(others);
                counts.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
            }
            _ => debug_assert!(false, "states of different aggregations"),
        }
        if self.histograms.is_empty() {
            self.histograms = other.histograms;
            return;
        }
        for (mine, theirs) in self.histograms.iter_mut().zip(other.histograms) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => {
                    self.undecided |= mine.total.is_rounded() || theirs.total.is_rounded();
                    self.undecided |= mine.total.layout() != theirs.total.layout();
                    mine.merge(*theirs, context, self.first.1.metric_name());
                    self.undecided |= mine.total.is_rounded();
                }
                (mine @ None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
    }

    /// The result of the group.
    pub(in crate::engine) fn finish(self, labels: Labels, context: &mut Context<'_>) -> Column {
        let steps = match &self.floats {
            Floats::Present(rows) | Floats::Best(_, rows) => rows.len(),
            Floats::Count(counts) | Floats::Sum(_, counts) => counts.len(),
        };
        let mut column = Column::new(labels, self.drop_name, steps);
        let float = |at: usize| match &self.floats {
            Floats::Present(present) => present[at].then_some(1.0),
            Floats::Count(counts) => (counts[at] > 0).then_some(counts[at] as f64),
            Floats::Best(values, present) => present[at].then_some(values[at]),
            Floats::Sum(sums, counts) => (counts[at] > 0).then(|| match context.op {
                AggregateOp::Avg => sums.mean(at, counts[at] as f64),
                _ => sums.sum(at),
            }),
        };
        for at in 0..steps {
            if let Some(value) = float(at) {
                column.set_float(at, value);
            }
        }
        for (at, histograms) in self.histograms.into_iter().enumerate() {
            let Some(histograms) = histograms else { continue };
            if column.has(at) {
                context.notes.mixed_aggregation(context.position);
                column.clear(at);
            } else if let Some(sample) = histograms.finish(context) {
                column.set(at, sample);
            }
        }
        column
    }
}

/// Floats win over NaN; of zeros the negative one is the less.
fn best(op: AggregateOp, values: &mut [f64], present: &mut [bool], at: usize, value: f64) {
    let old = values[at];
    let wins = if op == AggregateOp::Max {
        old < value || (old == value && old.is_sign_negative())
    } else {
        old > value || (old == value && old.is_sign_positive())
    };
    if !present[at] || old.is_nan() || wins {
        values[at] = value;
        present[at] = true;
    }
}

fn add_histogram<'a>(
    slot: &mut Option<Box<Histograms>>,
    histogram: &Arc<FloatHistogram>,
    context: &mut Context<'_>,
    name: impl FnOnce() -> &'a str,
) {
    let (reset, not_reset) =
        (histogram.hint == CounterResetHint::Reset, histogram.hint == CounterResetHint::NotReset);
    let Some(histograms) = slot else {
        let total = match context.op {
            AggregateOp::Avg => HistogramTotal::Mean(HistogramMean::new(histogram)),
            _ => HistogramTotal::Sum(FloatHistogram::clone(histogram), None),
        };
        *slot = Some(Box::new(Histograms { total, reset, not_reset, incompatible: false }));
        return;
    };
    if !histograms.incompatible {
        histograms.reset |= reset;
        histograms.not_reset |= not_reset;
        histograms.incompatible = !context.merged(histograms.total.add(histogram), name());
    }
}

impl Histograms {
    fn merge(&mut self, other: Self, context: &mut Context<'_>, name: &str) {
        self.reset |= other.reset;
        self.not_reset |= other.not_reset;
        if other.incompatible || self.incompatible {
            self.incompatible = true;
        } else {
            self.incompatible = !context.merged(self.total.merge(other.total), name);
        }
    }

    fn finish(self, context: &mut Context<'_>) -> Option<Sample> {
        if self.incompatible {
            return None;
        }
        if self.reset && self.not_reset {
            context.notes.reset_collision("aggregation", context.position);
        }
        Some(Sample::Histogram(Arc::new(self.total.finish().compact())))
    }
}

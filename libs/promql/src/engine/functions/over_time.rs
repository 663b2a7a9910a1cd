//! The `*_over_time` family.

use std::sync::Arc;

use narthex_model::CounterResetHint;

use super::{
    range::{RangeFunction, Window},
    statistics,
};
use crate::{
    engine::{column::Sample, eval::Evaluated, notes::Notes},
    histogram::{FloatHistogram, Incompatible, Merged},
};

type Outcome = Evaluated<Option<Sample>>;

pub(super) fn function(name: &str) -> Option<RangeFunction> {
    Some(match name {
        "avg_over_time" => |window, notes| summed(window, notes, statistics::mean, mean_histogram),
        "sum_over_time" => |window, notes| summed(window, notes, statistics::sum, sum_histogram),
        "count_over_time" => |window, _| float((window.values.len() + window.histograms.len()) as f64),
        "present_over_time" | "absent_over_time" => |_, _| float(1.0),
        "first_over_time" => |window, _| Ok(end_sample(window, false)),
        "last_over_time" => |window, _| Ok(end_sample(window, true)),
        "ts_of_first_over_time" => |window, _| float(end_time(window, false)),
        "ts_of_last_over_time" => |window, _| float(end_time(window, true)),
        "max_over_time" => |window, notes| extreme(window, notes, |new, old| new > old, false),
        "min_over_time" => |window, notes| extreme(window, notes, |new, old| new < old, false),
        "ts_of_max_over_time" => |window, notes| extreme(window, notes, |new, old| new >= old, true),
        "ts_of_min_over_time" => |window, notes| extreme(window, notes, |new, old| new <= old, true),
        "stdvar_over_time" => |window, notes| floats_only(window, notes, statistics::variance),
        "stddev_over_time" => {
            |window, notes| floats_only(window, notes, |values| statistics::variance(values).sqrt())
        }
        "mad_over_time" => |window, notes| floats_only(window, notes, median_deviation),
        "quantile_over_time" => quantile,
        _ => return None,
    })
}

fn float(value: f64) -> Outcome {
    Ok(Some(Sample::Float(value)))
}

/// Floats decide; histograms beside them are ignored, with a note.
fn floats_only(window: &Window<'_>, notes: &mut Notes, function: impl Fn(&[f64]) -> f64) -> Outcome {
    if window.values.is_empty() {
        return Ok(None);
    }
    if !window.histograms.is_empty() {
        notes.ignored_in_range(window.name(), window.position);
    }
    float(function(window.values))
}

fn quantile(window: &Window<'_>, notes: &mut Notes) -> Outcome {
    let q = window.scalars[0];
    if !window.values.is_empty() && !(0.0..=1.0).contains(&q) {
        notes.quantile(q, window.position);
    }
    floats_only(window, notes, |values| statistics::quantile(q, &mut values.to_vec()))
}

fn median_deviation(values: &[f64]) -> f64 {
    if values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let mut values = values.to_vec();
    let median = statistics::quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    statistics::quantile(0.5, &mut values)
}

fn extreme(window: &Window<'_>, notes: &mut Notes, better: fn(f64, f64) -> bool, timestamp: bool) -> Outcome {
    floats_only(window, notes, |values| {
        let mut best = 0;
        for (at, value) in values.iter().enumerate() {
            if better(*value, values[best]) || values[best].is_nan() {
                best = at;
            }
        }
        if timestamp { window.times[best] as f64 / 1000.0 } else { values[best] }
    })
}

fn end_sample(window: &Window<'_>, last: bool) -> Option<Sample> {
    let float =
        if last { window.times.len().checked_sub(1) } else { (!window.times.is_empty()).then_some(0) };
    let histogram = if last { window.histograms.last() } else { window.histograms.first() };
    match (float, histogram) {
        (Some(at), Some((time, _))) if (window.times[at] > *time) == last && window.times[at] != *time => {
            Some(Sample::Float(window.values[at]))
        }
        (_, Some((_, histogram))) => Some(Sample::Histogram(Arc::clone(histogram))),
        (Some(at), None) => Some(Sample::Float(window.values[at])),
        (None, None) => None,
    }
}

fn end_time(window: &Window<'_>, last: bool) -> f64 {
    let times = window.times.iter().copied().chain(window.histograms.iter().map(|(time, _)| *time));
    let time = if last { times.max() } else { times.min() };
    time.unwrap_or_default() as f64 / 1000.0
}

/// A sum or mean of histograms under way, and what happened to it.
type HistogramSum = Result<(FloatHistogram, bool), Incompatible>;

fn summed(
    window: &Window<'_>,
    notes: &mut Notes,
    floats: fn(&[f64]) -> f64,
    histograms: fn(&[&FloatHistogram]) -> HistogramSum,
) -> Outcome {
    if window.is_mixed() {
        notes.mixed_range(window.name(), window.position);
        return Ok(None);
    }
    if !window.values.is_empty() {
        return float(floats(window.values));
    }
    let all: Vec<&FloatHistogram> = window.histograms.iter().map(|(_, histogram)| &**histogram).collect();
    let hinted = |hint: CounterResetHint| all.iter().any(|histogram| histogram.hint == hint);
    match histograms(&all) {
        Ok((histogram, reconciled)) => {
            if hinted(CounterResetHint::Reset) && hinted(CounterResetHint::NotReset) {
                notes.reset_collision("aggregation", window.position);
            }
            if reconciled {
                notes.bounds_reconciled("aggregation", window.position);
            }
            Ok(Some(Sample::Histogram(Arc::new(histogram))))
        }
        Err(Incompatible) => {
            notes.mixed_schemas(window.name(), window.position);
            Ok(None)
        }
    }
}

fn sum_histogram(all: &[&FloatHistogram]) -> HistogramSum {
    let (mut sum, mut lost, mut reconciled) = (all[0].clone(), None, false);
    for histogram in &all[1..] {
        let Merged { bounds_reconciled, .. } = sum.kahan_add(histogram, &mut lost)?;
        reconciled |= bounds_reconciled;
    }
    if let Some(lost) = lost {
        sum.add(&lost)?;
    }
    Ok((sum, reconciled))
}

fn mean_histogram(all: &[&FloatHistogram]) -> HistogramSum {
    let mut mean = HistogramMean::new(all[0]);
    for histogram in &all[1..] {
        mean.add(histogram)?;
    }
    let reconciled = mean.reconciled;
    Ok((mean.finish(), reconciled))
}

/// The mean of histograms: of the sum as long as that does not overflow, then incrementally.
#[derive(Debug, Clone)]
pub(in crate::engine) struct HistogramMean {
    pub(in crate::engine) value: FloatHistogram,
    pub(in crate::engine) lost: Option<Box<FloatHistogram>>,
    pub(in crate::engine) count: f64,
    pub(in crate::engine) incremental: bool,
    pub(in crate::engine) reconciled: bool,
}

impl HistogramMean {
    pub(in crate::engine) fn new(first: &FloatHistogram) -> Self {
        Self { value: first.clone(), lost: None, count: 1.0, incremental: false, reconciled: false }
    }

    pub(in crate::engine) fn add(&mut self, histogram: &FloatHistogram) -> Result<(), Incompatible> {
        self.count += 1.0;
        if !self.incremental {
            let (mut value, mut lost) = (self.value.clone(), self.lost.clone());
            self.reconciled |= value.kahan_add(histogram, &mut lost)?.bounds_reconciled;
            if !value.has_overflow() {
                (self.value, self.lost) = (value, lost);
                return Ok(());
            }
            self.incremental = true;
            self.change(|histogram, count| histogram.divide(count - 1.0));
        }
        self.change(|histogram, count| histogram.scale((count - 1.0) / count));
        let part = histogram.clone().divide(self.count);
        self.reconciled |= self.value.kahan_add(&part, &mut self.lost)?.bounds_reconciled;
        Ok(())
    }

    /// Joins the mean of other histograms; whether bounds were reconciled.
    pub(in crate::engine) fn merge(&mut self, other: &Self) -> Result<bool, Incompatible> {
        if !self.incremental && !other.incremental {
            let (mut value, mut lost) = (self.value.clone(), self.lost.clone());
            let mut reconciled = value.kahan_add(&other.value, &mut lost)?.bounds_reconciled;
            if let Some(other) = &other.lost {
                reconciled |= value.kahan_add(other, &mut lost)?.bounds_reconciled;
            }
            if !value.has_overflow() {
                (self.value, self.lost) = (value, lost);
                self.count += other.count;
                return Ok(reconciled);
            }
        }
        let total = self.count + other.count;
        let mut mean = self.clone().finish().scale(self.count / total);
        let merged = mean.add(&other.clone().finish().scale(other.count / total))?;
        *self = Self { value: mean, lost: None, count: total, incremental: true, reconciled: false };
        Ok(merged.bounds_reconciled)
    }

    fn change(&mut self, change: impl Fn(FloatHistogram, f64) -> FloatHistogram) {
        self.value = change(std::mem::take(&mut self.value), self.count);
        self.lost = self.lost.take().map(|lost| Box::new(change(*lost, self.count)));
    }

    pub(in crate::engine) fn finish(mut self) -> FloatHistogram {
        if !self.incremental {
            self.change(FloatHistogram::divide);
        }
        if let Some(lost) = self.lost.take() {
            // Both have the same layout, so this cannot fail.
            let _ = self.value.add(&lost);
        }
        self.value
    }
}

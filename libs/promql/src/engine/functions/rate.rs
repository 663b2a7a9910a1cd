//! `rate`, `increase` and `delta`: the change over a window, extrapolated to its ends.
//!
//! A series whose first or last sample is nearer to the window's end than 1.1 times the average distance of its samples is
//! taken to cover the window up to there, otherwise for half that distance. A counter is never extrapolated below zero.

use narthex_model::CounterResetHint;

use super::{
    extended,
    range::{RangeFunction, Window},
};
use crate::{
    engine::{column::Sample, eval::Evaluated, notes::Notes},
    histogram::{FloatHistogram, Incompatible, Merged},
};

/// Functions that understand `anchored`.
pub(super) const ANCHORED: [&str; 5] = ["changes", "delta", "increase", "rate", "resets"];

/// Functions that understand `smoothed`.
pub(super) const SMOOTHED: [&str; 3] = ["delta", "increase", "rate"];

/// What kind of change is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Drops are resets.
    pub(super) counter: bool,
    /// Per second.
    pub(super) per_second: bool,
}

pub(super) fn function(name: &str) -> Option<RangeFunction> {
    Some(match name {
        "rate" => |window, notes| change(window, notes, Kind { counter: true, per_second: true }),
        "increase" => |window, notes| change(window, notes, Kind { counter: true, per_second: false }),
        "delta" => |window, notes| change(window, notes, Kind { counter: false, per_second: false }),
        _ => return None,
    })
}

fn change(window: &Window<'_>, notes: &mut Notes, kind: Kind) -> Evaluated<Option<Sample>> {
    if window.is_mixed() {
        notes.mixed_range(window.name(), window.position);
        return Ok(None);
    }
    if window.anchored || window.smoothed {
        return Ok(extended::change(window, notes, kind));
    }
    if window.histograms.len() > 1 {
        let Some(histogram) = histogram_change(window, notes, kind.counter) else { return Ok(None) };
        let first = &window.histograms[0];
        let times = (first.0, window.histograms[window.histograms.len() - 1].0);
        let to_zero =
            (histogram.count > 0.0 && first.1.count >= 0.0).then(|| first.1.count / histogram.count);
        let factor = extrapolation(window, times, window.histograms.len(), to_zero, kind);
        return Ok(Some(Sample::Histogram(histogram.scale(factor).into())));
    }
    let [first, .., last] = window.values else { return Ok(None) };
    let mut result = last - first;
    if kind.counter {
        let drops = window.values.windows(2).filter(|pair| pair[1] < pair[0]);
        // One after the other, in this order: the sum is rounded as Prometheus rounds it.
        drops.for_each(|pair| result += pair[0]);
    }
    let times = (window.times[0], window.times[window.times.len() - 1]);
    let to_zero = (result > 0.0 && *first >= 0.0).then(|| first / result);
    Ok(Some(Sample::Float(result * extrapolation(window, times, window.values.len(), to_zero, kind))))
}

/// By how much the change between the samples grows on the whole window. `to_zero` is how far before the first sample the
/// counter was zero, in sampled intervals.
fn extrapolation(
    window: &Window<'_>,
    (first, last): (i64, i64),
    samples: usize,
    to_zero: Option<f64>,
    kind: Kind,
) -> f64 {
    let mut to_start = (first - window.start) as f64 / 1000.0;
    let mut to_end = (window.end - last) as f64 / 1000.0;
    let sampled = (last - first) as f64 / 1000.0;
    let average = sampled / (samples - 1) as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if let Some(intervals) = to_zero.filter(|_| kind.counter) {
        let zero = sampled * intervals;
        if zero < to_start {
            to_start = zero;
        }
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
    if kind.per_second { factor / window.seconds } else { factor }
}

/// The change between the first and last of at least two histograms, as a gauge.
fn histogram_change(window: &Window<'_>, notes: &mut Notes, counter: bool) -> Option<FloatHistogram> {
    let (name, at) = (window.name(), window.position);
    let points = window.histograms;
    let (first, last) = (&*points[0].1, &*points[points.len() - 1].1);
    let is_gauge = |histogram: &FloatHistogram| histogram.hint == CounterResetHint::Gauge;
    if counter && (is_gauge(first) || is_gauge(last)) {
        notes.not_counter(name, at);
    }
    // A first histogram before a reset counts for nothing, so its layout does not matter either.
    let second = &*points[1].1;
    let nothing =
        FloatHistogram { schema: second.schema, custom: second.custom.clone(), ..FloatHistogram::default() };
    let base = if counter && second.detect_reset(first) { &nothing } else { first };
    let custom = base.uses_custom_buckets();
    if last.uses_custom_buckets() != custom {
        notes.mixed_schemas(name, at);
        return None;
    }
    let mut schema = last.schema.min(base.schema);
    if counter {
        for (_, histogram) in &points[1..points.len() - 1] {
            if is_gauge(histogram) {
                notes.not_counter(name, at);
            }
            schema = schema.min(histogram.schema);
            if histogram.uses_custom_buckets() != custom {
                notes.mixed_schemas(name, at);
                return None;
            }
        }
    }
    let mut result = last.to_schema(schema);
    let merged = result.sub(base);
    note_merge(merged, "subtraction", window, notes)?;
    if counter {
        let mut previous = base;
        for (_, histogram) in &points[1..] {
            if histogram.detect_reset(previous) {
                let merged = result.add(previous);
                note_merge(merged, "addition", window, notes)?;
            }
            previous = histogram;
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        notes.not_gauge(name, at);
    }
    result.hint = CounterResetHint::Gauge;
    Some(result.compact())
}

/// Notes what a combination of histograms met; none if it failed.
pub(super) fn note_merge(
    merged: Result<Merged, Incompatible>,
    operation: &str,
    window: &Window<'_>,
    notes: &mut Notes,
) -> Option<()> {
    match merged {
        Ok(merged) => {
            if merged.bounds_reconciled {
                notes.bounds_reconciled(operation, window.position);
            }
            Some(())
        }
        Err(Incompatible) => {
            notes.mixed_schemas(window.name(), window.position);
            None
        }
    }
}

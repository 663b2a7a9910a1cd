//! `anchored` and `smoothed` selectors: the window's ends are real or interpolated samples instead of extrapolated ones.

use std::sync::Arc;

use narthex_model::CounterResetHint;

use super::{
    range::Window,
    rate::{Kind, note_merge},
};
use crate::{
    ast::VectorSelector,
    engine::{
        column::{Column, Sample, Steps},
        eval::{Evaluated, Evaluator},
        load::Series,
        notes::Notes,
        selector::View,
    },
    error::PositionRange,
    histogram::{FloatHistogram, Incompatible},
};

type Point = (i64, Arc<FloatHistogram>);

/// The value at `at` on the line between two samples. A counter that fell is taken to have started from zero.
fn interpolate((t1, v1): (i64, f64), (t2, v2): (i64, f64), at: i64, counter: bool) -> f64 {
    let v1 = if counter && v2 < v1 { 0.0 } else { v1 };
    v1 + (v2 - v1) * (at - t1) as f64 / (t2 - t1) as f64
}

/// Which samples stand for the ends of the window, if any lies after its start.
fn boundaries(times: &[i64], start: i64, end: i64, smoothed: bool) -> Option<(usize, usize)> {
    let before_last = &times[..times.len().checked_sub(1)?];
    let first = before_last.partition_point(|time| *time <= start).saturating_sub(1);
    let last = if smoothed { before_last.partition_point(|time| *time < end) } else { times.len() - 1 };
    if times[last] <= start || (smoothed && times[first] > end) {
        return None;
    }
    Some((first, last))
}

fn left_value(times: &[i64], values: &[f64], first: usize, start: i64, smoothed: bool, counter: bool) -> f64 {
    if smoothed && times[first] < start && first + 1 < times.len() {
        return interpolate(
            (times[first], values[first]),
            (times[first + 1], values[first + 1]),
            start,
            counter,
        );
    }
    values[first]
}

fn right_value(times: &[i64], values: &[f64], last: usize, end: i64, smoothed: bool, counter: bool) -> f64 {
    if smoothed && last > 0 && times[last] > end {
        return interpolate((times[last - 1], values[last - 1]), (times[last], values[last]), end, counter);
    }
    values[last]
}

/// The change over a window of floats or of histograms.
pub(super) fn change(window: &Window<'_>, notes: &mut Notes, kind: Kind) -> Option<Sample> {
    if !window.histograms.is_empty() {
        return histogram_change(window, notes, kind).map(|histogram| Sample::Histogram(Arc::new(histogram)));
    }
    let Window { times, values, start, end, smoothed, .. } = *window;
    let (mut first, last) = boundaries(times, start, end, smoothed)?;
    let left = left_value(times, values, first, start, smoothed, kind.counter);
    let right = right_value(times, values, last, end, smoothed, kind.counter);
    let mut result = right - left;
    if kind.counter {
        // The ends have dealt with their own resets.
        if times[first] <= start {
            first += 1;
        }
        let until = if times[last] >= end { last } else { last + 1 };
        let (mut previous, mut correction) = (left, 0.0);
        for value in values.get(first..until).unwrap_or_default() {
            if *value < previous {
                correction += previous;
            }
            previous = *value;
        }
        if right < previous {
            correction += previous;
        }
        result += correction;
    }
    Some(Sample::Float(if kind.per_second { result / window.seconds } else { result }))
}

fn interpolate_histograms(
    (t1, h1): &Point,
    (t2, h2): &Point,
    at: i64,
    counter: bool,
    position: PositionRange,
    notes: &mut Notes,
) -> Result<FloatHistogram, Incompatible> {
    if at == *t1 {
        return Ok((**h1).clone());
    }
    if at == *t2 {
        return Ok((**h2).clone());
    }
    let fraction = (at - t1) as f64 / (t2 - t1) as f64;
    let mut result = (**h2).clone();
    if counter && h2.detect_reset(h1) {
        return Ok(result.scale(fraction));
    }
    if result.sub(h1)?.bounds_reconciled {
        notes.bounds_reconciled("subtraction", position);
    }
    result = result.scale(fraction);
    if result.add(h1)?.bounds_reconciled {
        notes.bounds_reconciled("addition", position);
    }
    Ok(result)
}

fn histogram_change(window: &Window<'_>, notes: &mut Notes, kind: Kind) -> Option<FloatHistogram> {
    let Window { histograms: points, start, end, smoothed, position, .. } = *window;
    let times: Vec<i64> = points.iter().map(|(time, _)| *time).collect();
    let (first, last) = boundaries(&times, start, end, smoothed)?;
    let is_gauge = |histogram: &FloatHistogram| histogram.hint == CounterResetHint::Gauge;
    let custom = points[first].1.uses_custom_buckets();
    for (_, histogram) in &points[first..=last] {
        if histogram.uses_custom_buckets() != custom {
            notes.mixed_schemas(window.name(), position);
            return None;
        }
        if kind.counter && is_gauge(histogram) {
            notes.not_counter(window.name(), position);
        }
    }
    let left = if smoothed && points[first].0 < start && first + 1 < points.len() {
        interpolate_histograms(&points[first], &points[first + 1], start, kind.counter, position, notes)
    } else {
        Ok((*points[first].1).clone())
    };
    let right = if smoothed && last > 0 && points[last].0 > end {
        interpolate_histograms(&points[last - 1], &points[last], end, kind.counter, position, notes)
    } else {
        Ok((*points[last].1).clone())
    };
    let (Ok(left), Ok(right)) = (left, right) else {
        notes.mixed_schemas(window.name(), position);
        return None;
    };
    if !kind.counter && (!is_gauge(&left) || !is_gauge(&right)) {
        notes.not_gauge(window.name(), position);
    }
    let mut result = right.clone();
    let merged = result.sub(&left);
    note_merge(merged, "subtraction", window, notes)?;
    if kind.counter {
        for before_reset in resets(points, first, last, &left, &right, smoothed && points[first].0 < start) {
            let merged = result.add(before_reset);
            note_merge(merged, "addition", window, notes)?;
        }
    }
    if kind.per_second {
        result = result.divide(window.seconds);
    }
    result.hint = CounterResetHint::Gauge;
    Some(result.compact())
}

/// The histograms right before each reset between the ends.
fn resets<'a>(
    points: &'a [Point],
    first: usize,
    last: usize,
    left: &'a FloatHistogram,
    right: &FloatHistogram,
    left_interpolated: bool,
) -> Vec<&'a FloatHistogram> {
    let (mut from, mut previous) = (first + 1, left);
    // A reset right after the left end is already in its interpolated value.
    if left_interpolated && points.get(first + 1).is_some_and(|next| next.1.detect_reset(&points[first].1)) {
        previous = &points[first + 1].1;
        from += 1;
    }
    let mut found = Vec::new();
    if from > last {
        return found;
    }
    for (_, histogram) in &points[from..last] {
        if histogram.detect_reset(previous) {
            found.push(previous);
        }
        previous = histogram;
    }
    if right.detect_reset(previous) {
        found.push(previous);
    }
    found
}

/// Cuts a raw range to its ends, with a sample at each (for a range selector as the whole query).
pub(in crate::engine) fn extend(series: &mut Series, start: i64, end: i64, smoothed: bool) {
    let times = std::mem::take(&mut series.times);
    let values = std::mem::take(&mut series.values);
    let Some((first, last)) = boundaries(&times, start, end, smoothed) else { return };
    series.times.push(start);
    series.values.push(left_value(&times, &values, first, start, smoothed, false));
    for at in first..=last {
        if times[at] > start && times[at] < end {
            series.times.push(times[at]);
            series.values.push(values[at]);
        }
    }
    series.times.push(end);
    series.values.push(right_value(&times, &values, last, end, smoothed, false));
}

/// A smoothed instant selector: the value on the line between the samples around each step.
pub(in crate::engine) async fn smoothed_vector(
    evaluator: &mut Evaluator<'_>,
    selector: &VectorSelector,
    position: PositionRange,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let view = View::new(selector.at, selector.offset.millis());
    let lookback = evaluator.config.lookback_delta_ms;
    let series = evaluator.loaded.get(selector);
    let mut columns = Vec::new();
    for series in series.iter() {
        evaluator.tick(steps.count).await?;
        let mut column = Column::new(series.labels.clone(), false, steps.count);
        for at in 0..steps.count {
            let time = view.reference(steps.time(at));
            if let Some(sample) = smoothed(series, time, lookback, position, &mut evaluator.notes) {
                column.set(at, sample);
            }
        }
        if !column.is_empty() {
            columns.push(column);
        }
    }
    Ok(columns)
}

fn smoothed(
    series: &Series,
    at: i64,
    lookback: i64,
    position: PositionRange,
    notes: &mut Notes,
) -> Option<Sample> {
    let (first, last) = (at.saturating_sub(lookback), at.saturating_add(lookback));
    let slice = |time_of: &dyn Fn(usize) -> i64, len: usize| {
        let from = (0..len).find(|at| time_of(*at) > first).unwrap_or(len);
        let to = (from..len).find(|at| time_of(*at) > last).unwrap_or(len);
        from..to
    };
    let floats = slice(&|at| series.times[at], series.times.len());
    let histograms = slice(&|at| series.histograms[at].0, series.histograms.len());
    if !floats.is_empty() && !histograms.is_empty() {
        notes.mixed_range(series.labels.metric_name(), position);
        return None;
    }
    if !histograms.is_empty() {
        let points = &series.histograms[histograms];
        let next = points.partition_point(|(time, _)| *time < at);
        return match (next.checked_sub(1).map(|before| &points[before]), points.get(next)) {
            (_, Some((time, histogram))) if *time == at => Some(Sample::Histogram(Arc::clone(histogram))),
            (Some(before), Some(after))
                if before.1.uses_custom_buckets() != after.1.uses_custom_buckets() =>
            {
                notes.mixed_schemas(series.labels.metric_name(), position);
                None
            }
            (Some(before), Some(after)) => {
                let is_gauge = |point: &Point| point.1.hint == CounterResetHint::Gauge;
                let counter = !is_gauge(before) || !is_gauge(after);
                match interpolate_histograms(before, after, at, counter, position, notes) {
                    Ok(histogram) => Some(Sample::Histogram(Arc::new(histogram))),
                    Err(Incompatible) => {
                        notes.mixed_schemas(series.labels.metric_name(), position);
                        None
                    }
                }
            }
            (Some((_, histogram)), None) => {
                let mut histogram = (**histogram).clone();
                histogram.hint = CounterResetHint::Unknown;
                Some(Sample::Histogram(Arc::new(histogram)))
            }
            _ => None,
        };
    }
    let (times, values) = (&series.times[floats.clone()], &series.values[floats]);
    let next = times.partition_point(|time| *time < at);
    if times.get(next) == Some(&at) {
        return Some(Sample::Float(values[next]));
    }
    let before = next.checked_sub(1)?;
    Some(Sample::Float(match times.get(next) {
        Some(after) => interpolate((times[before], values[before]), (*after, values[next]), at, false),
        None => values[before],
    }))
}

//! `rate`, `increase` and `delta`: the change over a window, extrapolated to its ends.
//!
//! A series whose first or last sample is nearer to the window's end than 1.1 times the average distance of its samples is
//! taken to cover the window up to there, otherwise for half that distance. A counter is never extrapolated below zero.
//! A counter whose start is known to lie inside of the window counts from zero there instead, even with one sample only.

use narthex_model::CounterResetHint;

use super::{
    extended,
    range::{RangeFunction, Window},
    starts,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    Ok(match window.histograms.is_empty() {
        true => float_rate(window, notes, kind).map(Sample::Float),
        false => histogram_rate(window, notes, kind).map(|histogram| Sample::Histogram(histogram.into())),
    })
}

fn float_rate(window: &Window<'_>, notes: &mut Notes, kind: Kind) -> Option<f64> {
    let values = window.values;
    let (first, last) = (*values.first()?, *values.last()?);
    let mut result = last - first;
    if kind.counter {
        if overlap(window.float_starts, |at| window.times[at]) {
            notes.start_overlap(window.name(), window.position);
        }
        // One after the other, in this order: the sum is rounded as Prometheus rounds it.
        let known = !window.float_starts.is_empty();
        for at in 1..values.len() {
            let began = || known && began_anew(window.float_starts, |at| window.times[at], at);
            if values[at] < values[at - 1] || began() {
                result += values[at - 1];
            }
        }
    }
    let times = (window.times[0], window.times[window.times.len() - 1]);
    let begun = begun_inside(window, window.float_starts, times.0, kind);
    if begun.is_some() {
        result += first;
    }
    let to_zero = (result > 0.0 && first >= 0.0).then(|| first / result);
    Some(
        result
            * extrapolation(
                (window.start, window.end),
                times,
                values.len(),
                Origin { to_zero, begun },
                kind,
            )?,
    )
}

fn histogram_rate(window: &Window<'_>, notes: &mut Notes, kind: Kind) -> Option<FloatHistogram> {
    let points = window.histograms;
    let (first, last) = (points.first()?, points.last()?);
    let begun = begun_inside(window, window.histogram_starts, first.0, kind);
    let mut result = match (points.len(), begun) {
        (0 | 1, None) => return None,
        (0 | 1, Some(_)) => (*first.1).clone(),
        (_, begun) => {
            let mut result = histogram_change(window, notes, kind.counter)?;
            if begun.is_some() {
                let merged = result.add(&first.1);
                note_merge(merged, "addition", window, notes)?;
            }
            result
        }
    };
    let to_zero = (result.count > 0.0 && first.1.count >= 0.0).then(|| first.1.count / result.count);
    let origin = Origin { to_zero, begun };
    result = result.scale(extrapolation(
        (window.start, window.end),
        (first.0, last.0),
        points.len(),
        origin,
        kind,
    )?);
    Some(result)
}

/// Whether the sample at `at` is known to count anew, whatever its value.
fn began_anew(starts: &[i64], time: impl Fn(usize) -> i64, at: usize) -> bool {
    starts::pair(starts, time, at).is_some_and(|(previous, current)| starts::is_reset(previous, current))
}

/// Whether any sample counts again what the one before has counted.
fn overlap(starts: &[i64], time: impl Fn(usize) -> i64) -> bool {
    let pairs = (1..starts.len()).filter_map(|at| starts::pair(starts, &time, at));
    pairs.into_iter().any(|(previous, current)| starts::overlaps(previous, current))
}

/// When the count of the first sample began, if that is known and lies inside of the window.
fn begun_inside(window: &Window<'_>, starts: &[i64], first: i64, kind: Kind) -> Option<i64> {
    let start = *starts.first().filter(|_| kind.counter)?;
    (start != 0 && start > window.start && start < first).then_some(start)
}

/// What is known of a counter before its first sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// How far before the first sample the counter was zero if it always grew as in the window, in sampled intervals.
    pub(super) to_zero: Option<f64>,
    /// When it really was zero, inside of the window.
    pub(super) begun: Option<i64>,
}

/// How far the samples of a window reach, in seconds.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// What is taken to be covered before the first sample.
    to_start: f64,
    /// From the first sample, or the counter's beginning, to the last sample.
    sampled: f64,
    /// What is taken to be covered behind the last sample.
    to_end: f64,
}

impl Reach {
    /// None if there is one sample of unknown origin.
    fn of(
        (start, end): (i64, i64),
        (first, last): (i64, i64),
        samples: usize,
        begun: Option<i64>,
    ) -> Option<Self> {
        let mut to_start = (first - start) as f64 / 1000.0;
        let mut to_end = (end - last) as f64 / 1000.0;
        let mut sampled = (last - first) as f64 / 1000.0;
        let average = if samples > 1 { sampled / (samples - 1) as f64 } else { 0.0 };
        let threshold = average * 1.1;
        if let Some(begun) = begun {
            to_start = 0.0;
            sampled = (last - begun) as f64 / 1000.0;
        } else if samples < 2 {
            return None;
        } else if to_start >= threshold {
            to_start = average / 2.0;
        }
        if to_end >= threshold {
            to_end = average / 2.0;
        }
        Some(Self { to_start, sampled, to_end })
    }

    /// Not further back than to where the counter was zero, so many sampled intervals before the first sample.
    fn not_below_zero(self, intervals: f64) -> Self {
        Self { to_start: self.to_start.min(self.sampled * intervals), ..self }
    }

    /// By how much the change between the samples grows on a whole window of so many milliseconds.
    fn factor(self, range: i64, kind: Kind) -> f64 {
        let Self { to_start, sampled, to_end } = self;
        let factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
        if kind.per_second { factor / (range as f64 / 1000.0) } else { factor }
    }
}

/// By how much the change between the samples grows on the whole window; none if there is one sample of unknown origin.
pub(super) fn extrapolation(
    window: (i64, i64),
    samples: (i64, i64),
    count: usize,
    origin: Origin,
    kind: Kind,
) -> Option<f64> {
    let mut reach = Reach::of(window, samples, count, origin.begun)?;
    if let Some(intervals) = origin.to_zero.filter(|_| kind.counter && origin.begun.is_none()) {
        reach = reach.not_below_zero(intervals);
    }
    Some(reach.factor(window.1 - window.0, kind))
}

/// The factors of the windows of one series. Where scrapes and steps keep their distance one window is like the next, and
/// divisions are what a rate costs, so what holds for windows alike is kept.
#[derive(Debug)]
pub(super) struct Extrapolation {
    kind: Kind,
    /// Where the last window's samples lie in it, and how many there are.
    like: (i64, i64, i64, usize),
    reach: Reach,
    /// The factor where zero is no limit.
    whole: f64,
}

impl Extrapolation {
    pub(super) const fn new(kind: Kind) -> Self {
        let reach = Reach { to_start: 0.0, sampled: 0.0, to_end: 0.0 };
        Self { kind, like: (0, 0, 0, 0), reach, whole: 0.0 }
    }

    /// The factor for a window whose first value is `value` and whose change is `change`; none for fewer than two samples.
    pub(super) fn factor(
        &mut self,
        window: (i64, i64),
        samples: (i64, i64),
        count: usize,
        (value, change): (f64, f64),
    ) -> Option<f64> {
        let like = (samples.0 - window.0, samples.1 - samples.0, window.1 - samples.1, count);
        if like != self.like {
            self.reach = Reach::of(window, samples, count, None)?;
            self.whole = self.reach.factor(window.1 - window.0, self.kind);
            self.like = like;
        }
        // Whether zero is nearer than the start, without a division: a little more often than it is.
        let Reach { to_start, sampled, .. } = self.reach;
        let far = sampled * value > (to_start * change * 1.000_001).max(1e-290);
        if !self.kind.counter || far || change <= 0.0 || value < 0.0 || change.is_nan() || value.is_nan() {
            return Some(self.whole);
        }
        Some(self.reach.not_below_zero(value / change).factor(window.1 - window.0, self.kind))
    }
}

/// The change between the first and last of at least two histograms, as a gauge.
fn histogram_change(window: &Window<'_>, notes: &mut Notes, counter: bool) -> Option<FloatHistogram> {
    // Names are looked up only for notes: this runs for every step.
    let (name, at) = (|| window.name(), window.position);
    let points = window.histograms;
    let (first, last) = (&*points[0].1, &*points[points.len() - 1].1);
    let is_gauge = |histogram: &FloatHistogram| histogram.hint == CounterResetHint::Gauge;
    if counter && (is_gauge(first) || is_gauge(last)) {
        notes.not_counter(name(), at);
    }
    // A first histogram before a reset counts for nothing, so its layout does not matter either.
    let second = &*points[1].1;
    let reset = |at: usize| window.resets[at] || began_anew(window.histogram_starts, |at| points[at].0, at);
    let nothing;
    let base = if counter && reset(1) {
        let (schema, custom) = (second.schema, second.custom.clone());
        nothing = FloatHistogram { schema, custom, ..FloatHistogram::default() };
        &nothing
    } else {
        first
    };
    let custom = base.uses_custom_buckets();
    if last.uses_custom_buckets() != custom {
        notes.mixed_schemas(name(), at);
        return None;
    }
    let mut schema = last.schema.min(base.schema);
    if counter {
        for (_, histogram) in &points[1..points.len() - 1] {
            if is_gauge(histogram) {
                notes.not_counter(name(), at);
            }
            schema = schema.min(histogram.schema);
            if histogram.uses_custom_buckets() != custom {
                notes.mixed_schemas(name(), at);
                return None;
            }
        }
    }
    let mut result = last.to_schema(schema);
    let merged = result.sub(base);
    note_merge(merged, "subtraction", window, notes)?;
    if counter {
        if overlap(window.histogram_starts, |at| points[at].0) {
            notes.start_overlap(name(), at);
        }
        for at in (2..points.len()).filter(|at| reset(*at)) {
            let merged = result.add(&points[at - 1].1);
            note_merge(merged, "addition", window, notes)?;
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        notes.not_gauge(name(), at);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => -2.0..50.0f64,
            1 => prop_oneof![Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(1e-310), Just(1e308)],
        ]
    }

    proptest! {
        /// What is kept of windows alike changes no bit, wherever zero is.
        #[test]
        fn factors_are_those_of_each_window_alone(
            counter: bool,
            per_second: bool,
            windows in prop::collection::vec((0..3i64, 0..3i64, 1..4i64, 2..4usize, value(), value()), 1..30),
        ) {
            let kind = Kind { counter, per_second };
            let mut kept = Extrapolation::new(kind);
            for (before, behind, length, count, value, change) in windows {
                let (start, first) = (1_000, 1_000 + before * 700);
                let last = first + length * 1_500;
                let window = (start, last + behind * 700 + 1);
                let to_zero = (change > 0.0 && value >= 0.0).then(|| value / change);
                let alone = extrapolation(window, (first, last), count, Origin { to_zero, begun: None }, kind);
                let found = kept.factor(window, (first, last), count, (value, change));
                prop_assert_eq!(found.map(f64::to_bits), alone.map(f64::to_bits));
            }
        }
    }
}

//! The common range functions over series of floats alone, which nearly all series are.
//!
//! They answer what the functions of windows answer, to the bit or rounded better, at a cost per step that does not grow with the
//! window: resets, changes and extremes are found once for a series, and sums slide exactly.

use std::collections::VecDeque;

use super::{
    rate::{Extrapolation, Kind},
    statistics,
};
use crate::{
    engine::{
        column::{Column, Steps},
        pace::Place,
        selector::View,
        stats::Stats,
    },
    histogram::two_sum,
};

/// A function that has a short way for floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FloatFunction {
    /// `rate`, `increase`, `delta`.
    Change(Kind),
    /// `irate`, `idelta`.
    LastTwo {
        /// Drops are resets, and the result is per second.
        counter: bool,
    },
    /// `resets`.
    Resets,
    /// `changes`.
    Changes,
    /// `sum_over_time`.
    Sum,
    /// `avg_over_time`.
    Mean,
    /// `count_over_time`.
    Count,
    /// `present_over_time` and `absent_over_time`.
    Present,
    /// `last_over_time`.
    Last,
    /// `max_over_time`.
    Max,
    /// `min_over_time`.
    Min,
}

impl FloatFunction {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "rate" => Self::Change(Kind { counter: true, per_second: true }),
            "increase" => Self::Change(Kind { counter: true, per_second: false }),
            "delta" => Self::Change(Kind { counter: false, per_second: false }),
            "irate" => Self::LastTwo { counter: true },
            "idelta" => Self::LastTwo { counter: false },
            "resets" => Self::Resets,
            "changes" => Self::Changes,
            "sum_over_time" => Self::Sum,
            "avg_over_time" => Self::Mean,
            "count_over_time" => Self::Count,
            "present_over_time" | "absent_over_time" => Self::Present,
            "last_over_time" => Self::Last,
            "max_over_time" => Self::Max,
            "min_over_time" => Self::Min,
            _ => return None,
        })
    }
}

/// The samples of a series, without stale markers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floats<'a> {
    pub(super) times: &'a [i64],
    pub(super) values: &'a [f64],
}

/// Where the windows lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sweep {
    pub(super) steps: Steps,
    pub(super) view: View,
    /// Length of a window in milliseconds.
    pub(super) range: i64,
}

/// A window: the samples from `from` up to before `to`, of the time after `start` up to `end`.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
    start: i64,
    end: i64,
}

impl Sweep {
    /// Visits every window that holds a sample, and puts what comes of it into the row of its step.
    fn each(
        self,
        floats: Floats<'_>,
        column: &mut Column,
        stats: &mut Stats,
        mut value: impl FnMut(Span) -> Option<f64>,
    ) {
        let times = floats.times;
        let (mut first, mut last) = (Place::default(), Place::default());
        for at in 0..self.steps.count {
            let time = self.steps.time(at);
            let end = self.view.reference(time);
            let start = end.saturating_sub(self.range);
            let from = first.advance(times, start);
            let to = last.advance(times, end).max(from);
            if from < to {
                stats.count(time, to - from);
                if let Some(value) = value(Span { from, to, start, end }) {
                    column.set_float(at, value);
                }
            }
        }
    }

    /// Evaluates a function over a series.
    pub(super) fn run(
        self,
        function: FloatFunction,
        floats: Floats<'_>,
        column: &mut Column,
        stats: &mut Stats,
    ) {
        let Floats { times, values } = floats;
        match function {
            FloatFunction::Change(kind) => self.change(kind, floats, column, stats),
            FloatFunction::LastTwo { counter } => self.each(floats, column, stats, |span| {
                let [.., previous, last] = values[span.from..span.to] else { return None };
                let interval = times[span.to - 1] - times[span.to - 2];
                // A counter that fell has counted from zero.
                let change = if counter && last < previous { last } else { last - previous };
                (interval != 0).then(|| if counter { change / (interval as f64 / 1000.0) } else { change })
            }),
            FloatFunction::Resets => {
                self.pairs(floats, column, stats, |previous, current| current < previous);
            }
            FloatFunction::Changes => {
                self.pairs(floats, column, stats, |a, b| a != b && !(a.is_nan() && b.is_nan()));
            }
            FloatFunction::Sum | FloatFunction::Mean => {
                let mean = function == FloatFunction::Mean;
                self.sum(mean, floats, column, stats);
            }
            FloatFunction::Count => {
                self.each(floats, column, stats, |span| Some((span.to - span.from) as f64));
            }
            FloatFunction::Present => self.each(floats, column, stats, |_| Some(1.0)),
            FloatFunction::Last => self.each(floats, column, stats, |span| Some(values[span.to - 1])),
            FloatFunction::Max => self.extreme(floats, column, stats, |new, old| new > old),
            FloatFunction::Min => self.extreme(floats, column, stats, |new, old| new < old),
        }
    }

    fn change(self, kind: Kind, floats: Floats<'_>, column: &mut Column, stats: &mut Stats) {
        let Floats { times, values } = floats;
        let drops = if kind.counter { drops(values) } else { Vec::new() };
        let (mut passed, mut extrapolation) = (0, Extrapolation::new(kind));
        self.each(floats, column, stats, |span| {
            let Span { from, to, start, end } = span;
            if to - from < 2 {
                return None;
            }
            let mut result = values[to - 1] - values[from];
            while drops.get(passed).is_some_and(|drop| *drop <= from) {
                passed += 1;
            }
            // One after the other, in this order: the sum is rounded as Prometheus rounds it.
            for drop in drops[passed..].iter().take_while(|drop| **drop < to) {
                result += values[*drop - 1];
            }
            let (first, last) = (times[from], times[to - 1]);
            let change = (values[from], result);
            Some(result * extrapolation.factor((start, end), (first, last), to - from, change)?)
        });
    }

    /// How many pairs of neighbours in a window satisfy `counts`.
    fn pairs(self, floats: Floats<'_>, column: &mut Column, stats: &mut Stats, counts: fn(f64, f64) -> bool) {
        let values = floats.values;
        let pair = |at: &usize| counts(values[*at - 1], values[*at]);
        let found: Vec<usize> = (1..values.len()).filter(pair).collect();
        let (mut first, mut last) = (0, 0);
        self.each(floats, column, stats, |span| {
            while found.get(first).is_some_and(|at| *at <= span.from) {
                first += 1;
            }
            last = last.max(first);
            while found.get(last).is_some_and(|at| *at < span.to) {
                last += 1;
            }
            Some((last - first) as f64)
        });
    }

    fn extreme(
        self,
        floats: Floats<'_>,
        column: &mut Column,
        stats: &mut Stats,
        better: fn(f64, f64) -> bool,
    ) {
        let values = floats.values;
        // Samples that are the best from themselves to the window's end; each is better than the one behind it.
        let mut best: VecDeque<usize> = VecDeque::new();
        let mut seen = 0;
        self.each(floats, column, stats, |span| {
            for at in seen.max(span.from)..span.to {
                if !values[at].is_nan() {
                    while best.back().is_some_and(|last| better(values[at], values[*last])) {
                        best.pop_back();
                    }
                    best.push_back(at);
                }
            }
            seen = span.to;
            while best.front().is_some_and(|first| *first < span.from) {
                best.pop_front();
            }
            Some(best.front().map_or(values[span.from], |at| values[*at]))
        });
    }

    fn sum(self, mean: bool, floats: Floats<'_>, column: &mut Column, stats: &mut Stats) {
        let values = floats.values;
        let direct = if mean { statistics::mean } else { statistics::sum };
        let mut sliding = Sliding::default();
        self.each(floats, column, stats, |span| {
            let window = &values[span.from..span.to];
            let Some((sum, error)) = sliding.slide(values, span.from, span.to) else {
                return Some(direct(window));
            };
            let count = window.len() as f64;
            Some(if mean { sum / count + error / count } else { sum })
        });
    }
}

/// The places of values that are less than the one before.
fn drops(values: &[f64]) -> Vec<usize> {
    /// Counters seldom fall, so many pairs are compared without a branch.
    const AT_ONCE: usize = 32;
    let mut drops = Vec::new();
    for start in (1..values.len()).step_by(AT_ONCE) {
        let end = (start + AT_ONCE).min(values.len());
        let (before, now) = (&values[start - 1..end - 1], &values[start..end]);
        let falls = |any: bool, (before, now): (&f64, &f64)| any | (now < before);
        if before.iter().zip(now).fold(false, falls) {
            drops.extend((start..end).filter(|at| values[*at] < values[*at - 1]));
        }
    }
    drops
}

/// The exact sum of a window that slides, in two floats; none while they cannot hold it.
#[derive(Debug, Default)]
struct Sliding {
    from: usize,
    to: usize,
    high: f64,
    low: f64,
    inexact: bool,
}

impl Sliding {
    /// The sum of the window and what rounding took from it. Windows never move back.
    fn slide(&mut self, values: &[f64], from: usize, to: usize) -> Option<(f64, f64)> {
        let moved = (from - self.from) + (to - self.to);
        if self.inexact || from >= self.to || moved >= to - from {
            *self = Self { from, to, ..Self::default() };
            values[from..to].iter().for_each(|value| self.add(*value));
        } else {
            values[self.from..from].iter().for_each(|value| self.add(-value));
            values[self.to..to].iter().for_each(|value| self.add(*value));
            (self.from, self.to) = (from, to);
        }
        let (sum, error) = two_sum(self.high, self.low);
        (!self.inexact).then_some((sum, error))
    }

    fn add(&mut self, value: f64) {
        let (high, error) = two_sum(self.high, value);
        let (low, lost) = two_sum(self.low, error);
        (self.high, self.low) = (high, low);
        // Also where something is not finite.
        self.inexact |= lost != 0.0;
    }
}

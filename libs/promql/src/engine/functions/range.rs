//! Functions over range vectors: for every series and step, a window of its samples.
//!
//! Windows are open at the left and closed at the right. Both ends only move forward over the steps, so a series is walked
//! once. `anchored` and `smoothed` selectors get wider windows than they ask for.

use std::sync::Arc;

use narthex_model::Labels;

use super::{
    absent, counters,
    floats::{FloatFunction, Floats, Sweep},
    over_time, rate, trend,
};
use crate::{
    ast::{Call, ExprKind, ValueType},
    engine::{
        column::{Column, Sample, Steps},
        eval::{Evaluated, Evaluator},
        leaf::{self, Leaf},
        load::Series,
        notes::Notes,
        parallel::Work,
        selector::View,
    },
    error::{EvalError, PositionRange},
    histogram::FloatHistogram,
};

/// The samples of a series that one step sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) labels: &'a Labels,
    pub(super) times: &'a [i64],
    pub(super) values: &'a [f64],
    pub(super) histograms: &'a [(i64, Arc<FloatHistogram>)],
    /// For each histogram, whether its counter was reset since the one before, which may lie outside; only for counters.
    pub(super) resets: &'a [bool],
    /// How much the histograms weigh.
    histogram_weight: usize,
    /// When the floats' counts began; empty where it is not known.
    pub(super) float_starts: &'a [i64],
    /// The same of the histograms.
    pub(super) histogram_starts: &'a [i64],
    /// Left end of what was asked for, itself outside.
    pub(super) start: i64,
    /// Right end, inside.
    pub(super) end: i64,
    /// The step's time.
    pub(super) now: i64,
    /// Length of what was asked for, in seconds.
    pub(super) seconds: f64,
    /// Boundaries are real samples.
    pub(super) anchored: bool,
    /// Boundaries are interpolated.
    pub(super) smoothed: bool,
    /// Where the first argument stands, for notes.
    pub(super) position: PositionRange,
    /// Scalar arguments at this step.
    pub(super) scalars: [f64; 2],
}

impl Window<'_> {
    /// The metric's name, for notes.
    pub(super) fn name(&self) -> &str {
        self.labels.metric_name()
    }

    /// Whether the window holds floats and histograms, which most functions cannot mix.
    pub(super) fn is_mixed(&self) -> bool {
        !self.values.is_empty() && !self.histograms.is_empty()
    }

    fn weight(&self) -> usize {
        self.values.len() + self.histogram_weight
    }
}

/// A function of a window that is not empty.
pub(super) type RangeFunction = fn(&Window<'_>, &mut Notes) -> Evaluated<Option<Sample>>;

fn lookup(name: &str) -> Option<RangeFunction> {
    rate::function(name)
        .or_else(|| over_time::function(name))
        .or_else(|| counters::function(name))
        .or_else(|| trend::function(name))
}

/// Where windows lie.
#[derive(Debug, Clone, Copy)]
struct Windowing {
    range: i64,
    view: View,
    anchored: bool,
    smoothed: bool,
    lookback: i64,
}

/// The series that windows are made of, and where the windows lie.
async fn input(
    evaluator: &mut Evaluator<'_>,
    call: &Call,
    at: usize,
    steps: Steps,
) -> Evaluated<(Arc<Vec<Series>>, Windowing)> {
    let lookback = evaluator.config.lookback_delta_ms;
    match &call.args[at].kind {
        ExprKind::Matrix(matrix) => {
            let selector = &matrix.selector;
            check_extension(selector.anchored, "anchored", &rate::ANCHORED, call.function)?;
            check_extension(selector.smoothed, "smoothed", &rate::SMOOTHED, call.function)?;
            let windowing = Windowing {
                range: matrix.range.millis(),
                view: View::new(selector.at, selector.offset.millis()),
                anchored: selector.anchored,
                smoothed: selector.smoothed,
                lookback,
            };
            Ok((evaluator.loaded.get(selector), windowing))
        }
        ExprKind::Subquery(subquery) => {
            let series = evaluator.subquery(subquery, steps).await?;
            let range = subquery.range.millis();
            let view = View::new(subquery.at, subquery.offset.millis());
            let windowing = Windowing { range, view, anchored: false, smoothed: false, lookback };
            Ok((Arc::new(series), windowing))
        }
        _ => Err(EvalError::Internal(format!("{} is no range vector", call.args[at]))),
    }
}

/// Where notes say that the first argument stands: the start of the query for a subquery, whose place Prometheus forgets.
fn position_for_notes(call: &Call) -> PositionRange {
    match &call.args[0] {
        arg if matches!(arg.kind, ExprKind::Subquery(_)) => PositionRange::default(),
        arg => arg.position,
    }
}

fn check_extension(used: bool, word: &str, allowed: &[&str], function: &str) -> Evaluated<()> {
    if !used || allowed.contains(&function) {
        return Ok(());
    }
    let message =
        format!("{word} modifier can only be used with: {} - not with {function}", allowed.join(", "));
    Err(EvalError::Execution(message))
}

/// A range function with all that it needs but the series.
#[derive(Debug, Clone)]
pub(in crate::engine) struct RangeLeaf {
    name: &'static str,
    function: RangeFunction,
    floats: Option<FloatFunction>,
    windowing: Windowing,
    /// Scalar arguments, by step.
    scalars: Arc<Vec<Vec<f64>>>,
    position: PositionRange,
}

impl RangeLeaf {
    /// The leaf that a call is, if it has a range vector among its arguments.
    pub(in crate::engine) async fn of(
        evaluator: &mut Evaluator<'_>,
        call: &Call,
        steps: Steps,
    ) -> Evaluated<Option<(Self, Arc<Vec<Series>>)>> {
        let Some(matrix_at) = call.args.iter().position(|arg| arg.value_type() == ValueType::Matrix) else {
            return Ok(None);
        };
        let function = lookup(call.function)
            .ok_or_else(|| EvalError::Execution(format!("function {:?} is not supported", call.function)))?;
        let mut scalars: Vec<Vec<f64>> = Vec::new();
        for (at, arg) in call.args.iter().enumerate() {
            if at != matrix_at {
                scalars.push(evaluator.scalar(arg, steps).await?);
            }
        }
        let (series, windowing) = input(evaluator, call, matrix_at, steps).await?;
        let leaf = Self {
            name: call.function,
            function,
            floats: FloatFunction::of(call.function).filter(|_| !windowing.anchored && !windowing.smoothed),
            windowing,
            scalars: Arc::new(scalars),
            position: position_for_notes(call),
        };
        Ok(Some((leaf, series)))
    }

    /// The leaf of a function over plain windows.
    pub(in crate::engine) fn at(
        name: &'static str,
        view: View,
        range: i64,
        scalars: Vec<Vec<f64>>,
        position: PositionRange,
    ) -> Evaluated<Self> {
        let function = lookup(name)
            .ok_or_else(|| EvalError::Execution(format!("function {name:?} is not supported")))?;
        // The lookback matters only for windows that are wider than asked for.
        let windowing = Windowing { range, view, anchored: false, smoothed: false, lookback: 0 };
        let (floats, scalars) = (FloatFunction::of(name), Arc::new(scalars));
        Ok(Self { name, function, floats, windowing, scalars, position })
    }

    fn is_of_counters(&self) -> bool {
        matches!(self.name, "rate" | "increase")
    }

    /// Whether what counts is which series have nothing.
    pub(in crate::engine) fn is_absent(&self) -> bool {
        self.name == "absent_over_time"
    }

    pub(in crate::engine) fn drops_name(&self, series: &Series) -> bool {
        !matches!(self.name, "last_over_time" | "first_over_time") || series.drop_name
    }

    /// Puts the function of each window that holds a sample into an empty column.
    pub(in crate::engine) fn evaluate(
        &self,
        series: &Series,
        steps: Steps,
        column: &mut Column,
        work: &mut Work,
    ) -> Evaluated<()> {
        match self.floats {
            Some(function) if series.histograms.is_empty() && series.starts.is_none() => {
                let floats = Floats { times: &series.times, values: &series.values };
                let Windowing { range, view, .. } = self.windowing;
                Sweep { steps, view, range }.run(function, floats, column, &mut work.stats);
            }
            _ => self.windows(series, steps, column, work)?,
        }
        if self.is_of_counters() {
            note_non_counter(&mut work.notes, column, self.position);
        }
        Ok(())
    }

    fn windows(&self, series: &Series, steps: Steps, column: &mut Column, work: &mut Work) -> Evaluated<()> {
        // Wider windows look for resets between samples that they make up.
        let resets = self.is_of_counters() && !self.windowing.anchored && !self.windowing.smoothed;
        let facts = HistogramFacts::of(&series.histograms, resets);
        let mut windows = Windows::new(series, &facts, self.windowing);
        for at in 0..steps.count {
            let mut window = windows.next(steps.time(at), self.position);
            if window.times.is_empty() && window.histograms.is_empty() {
                continue;
            }
            for (slot, values) in window.scalars.iter_mut().zip(&*self.scalars) {
                *slot = values[at];
            }
            work.stats.count(steps.time(at), window.weight());
            if let Some(sample) = (self.function)(&window, &mut work.notes)? {
                column.set(at, sample);
            }
        }
        Ok(())
    }
}

/// The value of a call with a range vector among its arguments.
pub(super) async fn call(evaluator: &mut Evaluator<'_>, call: &Call, steps: Steps) -> Evaluated<Vec<Column>> {
    let Some((range, series)) = RangeLeaf::of(evaluator, call, steps).await? else {
        return Err(EvalError::Internal(format!("{} has no range vector", call.function)));
    };
    let absent = range.is_absent();
    let columns = leaf::columns(evaluator, Leaf::Range(range), series, steps).await?;
    if absent {
        return Ok(absent::missing(&columns, &call.args[0], steps, true));
    }
    Ok(columns)
}

fn note_non_counter(notes: &mut Notes, column: &Column, position: PositionRange) {
    let name = column.labels.metric_name();
    let counter = ["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix));
    if !name.is_empty() && !counter && (0..column.len()).any(|at| column.float(at).is_some()) {
        notes.possible_non_counter(name, position);
    }
}

/// What all windows ask of the histograms of a series, found out once.
#[derive(Debug, Default)]
struct HistogramFacts {
    /// Whether the counter was reset since the one before; empty where nobody asks.
    resets: Vec<bool>,
    /// What those before weigh together, one more than there are histograms.
    weights: Vec<usize>,
}

impl HistogramFacts {
    fn of(histograms: &[(i64, Arc<FloatHistogram>)], with_resets: bool) -> Self {
        if histograms.is_empty() {
            return Self::default();
        }
        let mut resets = Vec::new();
        if with_resets {
            resets.push(false);
            resets.extend(histograms.windows(2).map(|pair| pair[1].1.detect_reset(&pair[0].1)));
        }
        let mut total = 0;
        let mut weights = vec![0];
        weights.extend(histograms.iter().map(|(_, histogram)| {
            total += histogram.weight();
            total
        }));
        Self { resets, weights }
    }

    fn weight(&self, (from, to): (usize, usize)) -> usize {
        let before = |at: usize| self.weights.get(at).copied().unwrap_or_default();
        before(to) - before(from)
    }
}

/// The windows of one series, step after step.
struct Windows<'a> {
    series: &'a Series,
    facts: &'a HistogramFacts,
    windowing: Windowing,
    before: i64,
    after: i64,
    floats: (usize, usize),
    histograms: (usize, usize),
}

impl<'a> Windows<'a> {
    fn new(series: &'a Series, facts: &'a HistogramFacts, windowing: Windowing) -> Self {
        let Windowing { anchored, smoothed, lookback, .. } = windowing;
        let before = if anchored || smoothed { lookback } else { 0 };
        let after = if smoothed { lookback } else { 0 };
        Self { series, facts, windowing, before, after, floats: (0, 0), histograms: (0, 0) }
    }

    fn next(&mut self, now: i64, position: PositionRange) -> Window<'a> {
        let series = self.series;
        let end = self.windowing.view.reference(now);
        let start = end.saturating_sub(self.windowing.range);
        let (first, last) = (start.saturating_sub(self.before), end.saturating_add(self.after));
        let skip = |from: usize, until: i64| {
            from + series.times[from..].iter().take_while(|time| **time <= until).count()
        };
        self.floats.0 = skip(self.floats.0, first);
        self.floats.1 = skip(self.floats.1.max(self.floats.0), last);
        let skip = |from: usize, until: i64| {
            from + series.histograms[from..].iter().take_while(|(time, _)| *time <= until).count()
        };
        self.histograms.0 = skip(self.histograms.0, first);
        self.histograms.1 = skip(self.histograms.1.max(self.histograms.0), last);
        let (float_starts, histogram_starts) = match &series.starts {
            None => (&[][..], &[][..]),
            Some(starts) => (
                &starts.floats[self.floats.0..self.floats.1],
                &starts.histograms[self.histograms.0..self.histograms.1],
            ),
        };
        Window {
            labels: &series.labels,
            times: &series.times[self.floats.0..self.floats.1],
            values: &series.values[self.floats.0..self.floats.1],
            histograms: &series.histograms[self.histograms.0..self.histograms.1],
            resets: self.facts.resets.get(self.histograms.0..self.histograms.1).unwrap_or_default(),
            histogram_weight: self.facts.weight(self.histograms),
            float_starts,
            histogram_starts,
            start,
            end,
            now,
            seconds: self.windowing.range as f64 / 1000.0,
            anchored: self.windowing.anchored,
            smoothed: self.windowing.smoothed,
            position,
            scalars: [f64::NAN; 2],
        }
    }
}

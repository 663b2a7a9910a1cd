//! Selectors: the newest sample at each step within the lookback, and raw ranges.
//!
//! A lookback of five minutes at 10:05 does not reach the sample of 10:00 sharp: windows are open at the left.

use std::sync::Arc;

use narthex_model::is_stale;

use super::{
    column::{Column, Steps},
    eval::{Evaluated, Evaluator},
    functions::extended,
    leaf::{self, Leaf},
    load::Series,
    pace::Place,
};
use crate::{
    ast::{At, MatrixSelector, VectorSelector},
    error::{EvalError, PositionRange},
};

/// Where a selector looks at each step.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    at: Option<i64>,
    offset: i64,
}

impl View {
    pub(super) fn new(at: Option<At>, offset: i64) -> Self {
        let at = match at {
            Some(At::Time(at)) => Some(at),
            _ => None,
        };
        Self { at, offset }
    }

    /// At a fixed time or at the step's, and so far before it.
    pub(super) const fn at(at: Option<i64>, offset: i64) -> Self {
        Self { at, offset }
    }

    /// The first and last time that is looked at.
    pub(super) fn span(self, steps: Steps) -> (i64, i64) {
        (self.reference(steps.start), self.reference(steps.end()))
    }

    /// The time that is looked at when the query is at `time`.
    pub(super) fn reference(self, time: i64) -> i64 {
        self.at.unwrap_or(time).saturating_sub(self.offset)
    }
}

/// What an instant selector puts into the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    Value,
    Timestamp,
    Start,
}

/// An instant vector selector.
pub(super) async fn vector(
    evaluator: &mut Evaluator<'_>,
    selector: &VectorSelector,
    position: PositionRange,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    if selector.smoothed {
        return extended::smoothed_vector(evaluator, selector, position, steps).await;
    }
    columns(evaluator, selector, steps, Pick::Value).await
}

/// `timestamp(selector)`: when the newest sample was taken, in seconds.
pub(super) async fn timestamps(
    evaluator: &mut Evaluator<'_>,
    selector: &VectorSelector,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    columns(evaluator, selector, steps, Pick::Timestamp).await
}

/// `start_timestamp(selector)`: when the count of the newest sample began, in seconds; 0 where that is not known.
pub(super) async fn start_timestamps(
    evaluator: &mut Evaluator<'_>,
    selector: &VectorSelector,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    columns(evaluator, selector, steps, Pick::Start).await
}

async fn columns(
    evaluator: &mut Evaluator<'_>,
    selector: &VectorSelector,
    steps: Steps,
    pick: Pick,
) -> Evaluated<Vec<Column>> {
    let leaf = InstantLeaf::new(selector, evaluator.config.lookback_delta_ms, pick);
    let series = evaluator.loaded.get(selector);
    leaf::columns(evaluator, Leaf::Instant(leaf), series, steps).await
}

/// The newest sample of a series at each step.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstantLeaf {
    view: View,
    lookback: i64,
    pick: Pick,
}

impl InstantLeaf {
    fn new(selector: &VectorSelector, lookback: i64, pick: Pick) -> Self {
        Self { view: View::new(selector.at, selector.offset.millis()), lookback, pick }
    }

    /// The values of the samples.
    pub(super) fn values(selector: &VectorSelector, lookback: i64) -> Self {
        Self::new(selector, lookback, Pick::Value)
    }

    /// The values of the samples where a view looks.
    pub(super) const fn at(view: View, lookback: i64) -> Self {
        Self { view, lookback, pick: Pick::Value }
    }

    /// Puts the samples into an empty column.
    pub(super) fn evaluate(self, series: &Series, steps: Steps, column: &mut Column) {
        let Self { view, lookback, pick } = self;
        // How many samples lie at or before the reference time; it never falls.
        let (mut floats_place, mut histograms) = (Place::default(), 0);
        for at in 0..steps.count {
            let reference = view.reference(steps.time(at));
            let floats = floats_place.advance(&series.times, reference);
            histograms +=
                series.histograms[histograms..].iter().take_while(|(time, _)| *time <= reference).count();
            let float = floats.checked_sub(1).map(|last| (series.times[last], series.values[last]));
            let histogram = histograms.checked_sub(1).map(|last| &series.histograms[last]);
            let oldest = reference.saturating_sub(lookback);
            let newer_histogram = histogram.filter(|(time, _)| float.is_none_or(|(other, _)| other < *time));
            if let Some((time, histogram)) = newer_histogram {
                match pick {
                    _ if *time <= oldest || is_stale(histogram.sum) => {}
                    Pick::Value => column.set_histogram(at, Arc::clone(histogram)),
                    Pick::Timestamp => column.set_float(at, *time as f64 / 1000.0),
                    Pick::Start => {
                        let start =
                            series.starts.as_ref().map_or(0, |starts| starts.histograms[histograms - 1]);
                        column.set_float(at, start as f64 / 1000.0);
                    }
                }
            } else if let Some((time, value)) = float
                && time > oldest
                && !is_stale(value)
            {
                let start = || series.starts.as_ref().map_or(0, |starts| starts.floats[floats - 1]);
                column.set_float(
                    at,
                    match pick {
                        Pick::Value => value,
                        Pick::Timestamp => time as f64 / 1000.0,
                        Pick::Start => start() as f64 / 1000.0,
                    },
                );
            }
        }
    }
}

fn newest(series: &Series, steps: Steps, view: View, lookback: i64, pick: Pick) -> Column {
    let mut column = Column::new(series.labels.clone(), false, steps.count);
    InstantLeaf { view, lookback, pick }.evaluate(series, steps, &mut column);
    column
}

/// When each newest sample of an info series was taken, in milliseconds; fails where it is a histogram.
pub(super) fn info_times(series: &Series, steps: Steps, view: View, lookback: i64) -> Evaluated<Column> {
    let values = newest(series, steps, view, lookback, Pick::Value);
    if values.samples().any(|(_, sample)| matches!(sample, super::column::SampleRef::Histogram(_))) {
        let message = format!("this should be an info metric, with float samples: {}", series.labels);
        return Err(EvalError::Execution(message));
    }
    let mut times = newest(series, steps, view, lookback, Pick::Timestamp);
    times.map_floats(|seconds| (seconds * 1000.0).round());
    Ok(times)
}

/// A range selector as the whole query: the raw samples of its window.
pub(super) fn matrix(
    evaluator: &mut Evaluator<'_>,
    matrix: &MatrixSelector,
    steps: Steps,
) -> Evaluated<Vec<Series>> {
    let selector = &matrix.selector;
    let end = View::new(selector.at, selector.offset.millis()).reference(steps.start);
    let start = end.saturating_sub(matrix.range.millis());
    let lookback = evaluator.config.lookback_delta_ms;
    let (mut first, mut last) = (start, end);
    if selector.anchored || selector.smoothed {
        first = first.saturating_sub(lookback);
    }
    if selector.smoothed {
        last = last.saturating_add(lookback);
    }
    let mut out = Vec::new();
    for series in evaluator.loaded.get(selector).iter() {
        let within = |time: i64| first < time && time <= last;
        let mut found = Series {
            labels: series.labels.clone(),
            drop_name: false,
            times: series.times.iter().copied().filter(|time| within(*time)).collect(),
            values: series
                .times
                .iter()
                .zip(&series.values)
                .filter(|(time, _)| within(**time))
                .map(|(_, v)| *v)
                .collect(),
            histograms: series.histograms.iter().filter(|(time, _)| within(*time)).cloned().collect(),
            starts: None,
        };
        if selector.anchored || selector.smoothed {
            if !found.histograms.is_empty() {
                let word = if selector.anchored { "anchored" } else { "smoothed" };
                return Err(EvalError::Execution(format!(
                    "{word} modifier is not supported with histograms"
                )));
            }
            extended::extend(&mut found, start, end, selector.smoothed);
        }
        let weight = found.values.len()
            + found.histograms.iter().map(|(_, histogram)| histogram.weight()).sum::<usize>();
        if weight > 0 {
            evaluator.stats.count(steps.start, weight);
            evaluator.hold(weight)?;
            out.push(found);
        }
    }
    Ok(out)
}

//! Loading: every selector of the tree is read once, all at the same time, for exactly the times that evaluation will ask.
//!
//! The walk mirrors evaluation: where evaluation changes the steps (subqueries, step-invariant parts), so does the walk.
//! Selectors that ask for the same series and times share one answer.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use narthex_model::{Labels, Matcher, TimeRange, TimestampMs, is_stale};

use super::{EngineConfig, column::Steps, subquery_steps};
use crate::{
    ast::{At, Expr, ExprKind, VectorSelector},
    error::EvalError,
    histogram::FloatHistogram,
    source::{SelectHints, Selection, SeriesData, SeriesSource},
};

/// How many selectors are read at the same time.
const PARALLEL_READS: usize = 16;

/// One series as the engine keeps it. Stale markers are gone from those that range selectors read.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) drop_name: bool,
    pub(super) times: Vec<i64>,
    pub(super) values: Vec<f64>,
    pub(super) histograms: Vec<(i64, Arc<FloatHistogram>)>,
}

/// The answers, by the address of the selector in the prepared tree.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    series: HashMap<usize, Arc<Vec<Series>>>,
    pub(super) warnings: Vec<String>,
}

impl Loaded {
    /// The series of a selector of the tree that was loaded.
    pub(super) fn get(&self, selector: &VectorSelector) -> Arc<Vec<Series>> {
        self.series.get(&address(selector)).cloned().unwrap_or_default()
    }
}

fn address(selector: &VectorSelector) -> usize {
    std::ptr::from_ref(selector).addr()
}

struct Need {
    addresses: Vec<usize>,
    key: String,
    selection: Selection,
    keep_stale: bool,
}

/// Reads all selectors of a prepared tree.
pub(super) async fn load(
    source: &dyn SeriesSource,
    expr: &Expr,
    steps: Steps,
    config: &EngineConfig,
) -> Result<Loaded, EvalError> {
    let mut walk = Walk { config, step_ms: if steps.count > 1 { steps.step } else { 0 }, needs: Vec::new() };
    walk.visit(expr, steps, "");
    let answers: Vec<_> = stream::iter(walk.needs.into_iter().map(|need| async move {
        let answer = source.select(&need.selection).await?;
        let series: Vec<Series> = answer.series.into_iter().map(|data| convert(data, need.keep_stale)).collect();
        Ok::<_, EvalError>((need.addresses, Arc::new(series), answer.warnings))
    }))
    .buffered(PARALLEL_READS)
    .try_collect()
    .await?;
    let mut loaded = Loaded::default();
    for (addresses, series, warnings) in answers {
        loaded.warnings.extend(warnings);
        loaded.series.extend(addresses.into_iter().map(|address| (address, Arc::clone(&series))));
    }
    Ok(loaded)
}

fn convert(data: SeriesData, keep_stale: bool) -> Series {
    let SeriesData { labels, mut timestamps, mut values, histograms } = data;
    if !keep_stale && values.iter().any(|value| is_stale(*value)) {
        let mut keep = values.iter().map(|value| !is_stale(*value));
        timestamps.retain(|_| keep.next().unwrap_or(true));
        values.retain(|value| !is_stale(*value));
    }
    let histograms = histograms
        .into_iter()
        .filter(|(_, histogram)| keep_stale || !is_stale(histogram.sum))
        .map(|(time, histogram)| (time, Arc::new(FloatHistogram::from_model(&histogram))))
        .collect();
    Series { labels, drop_name: false, times: timestamps, values, histograms }
}

struct Walk<'a> {
    config: &'a EngineConfig,
    step_ms: i64,
    needs: Vec<Need>,
}

impl Walk<'_> {
    fn visit(&mut self, expr: &Expr, steps: Steps, around: &str) {
        if steps.count == 0 {
            return;
        }
        match &expr.kind {
            ExprKind::Vector(selector) => self.need(selector, steps, None, around),
            ExprKind::Matrix(matrix) => self.need(&matrix.selector, steps, Some(matrix.range.millis()), around),
            ExprKind::Subquery(subquery) => {
                self.visit(&subquery.expr, subquery_steps(subquery, steps, self.config), around);
            }
            ExprKind::StepInvariant(inner) => self.visit(inner, steps.single(), around),
            ExprKind::Aggregate(aggregate) => {
                for child in expr.children() {
                    self.visit(child, steps, aggregate.op.as_str());
                }
            }
            ExprKind::Call(call) => {
                // The second argument of `info` only says which labels are wanted.
                let used = if call.function == "info" { 1 } else { call.args.len() };
                for child in call.args.iter().take(used) {
                    self.visit(child, steps, call.function);
                }
            }
            _ => {
                for child in expr.children() {
                    self.visit(child, steps, around);
                }
            }
        }
    }

    fn need(&mut self, selector: &VectorSelector, steps: Steps, range: Option<i64>, around: &str) {
        let lookback = self.config.lookback_delta_ms;
        let (first, last) = match selector.at {
            Some(At::Time(at)) => (at, at),
            _ => (steps.start, steps.end()),
        };
        let offset = selector.offset.millis();
        let (mut first, mut last) = (first.saturating_sub(offset), last.saturating_sub(offset));
        let widen = selector.anchored || selector.smoothed;
        // Windows are open at the left: the sample right at their start is outside.
        first = match range {
            Some(range) if widen => first.saturating_sub(range).saturating_sub(lookback),
            Some(range) => first.saturating_sub(range),
            None => first.saturating_sub(lookback),
        };
        first = first.saturating_add(1);
        if selector.smoothed {
            last = last.saturating_add(lookback);
        }
        let range_of_times = TimeRange { min: TimestampMs(first), max: TimestampMs(last) };
        let keep_stale = range.is_none() && !selector.smoothed;
        let key = format!("{:?} {first} {last} {keep_stale}", selector.matchers);
        if let Some(known) = self.needs.iter_mut().find(|need| need.key == key) {
            known.addresses.push(address(selector));
            return;
        }
        let hints =
            SelectHints { function: around.to_owned(), step_ms: self.step_ms, range_ms: range.unwrap_or_default() };
        let matchers: Vec<Matcher> = selector.matchers.clone();
        let selection = Selection { matchers, range: range_of_times, hints };
        self.needs.push(Need { addresses: vec![address(selector)], key, selection, keep_stale });
    }
}

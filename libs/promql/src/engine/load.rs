//! Loading: every selector of the tree is read once, all at the same time, for exactly the times that evaluation will ask.
//!
//! The walk mirrors evaluation: where evaluation changes the steps (subqueries, step-invariant parts), so does the walk.
//! Selectors that ask for the same series and times share one answer. Aggregations that the source can answer where the series
//! are ([`Fragment`]) are asked for first, and only what it refuses is read.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use narthex_model::{Labels, Matcher, TimeRange, TimestampMs, is_stale};

use super::{
    EngineConfig,
    column::Steps,
    fragment::{Fragment, FragmentAnswer, Places},
    functions::InfoRequest,
    selector::View,
    subquery_steps,
    totals::totals,
};
use crate::{
    ast::{Aggregate, BinaryOp, Call, Expr, ExprKind, VectorSelector},
    error::EvalError,
    histogram::FloatHistogram,
    memory::Reservation,
    source::{SelectHints, Selection, SeriesData, SeriesSource, StartTimestamps},
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
    /// As many as samples, where they are known.
    pub(super) starts: Option<Box<StartTimestamps>>,
}

/// The answers, by the address of the selector or aggregation in the prepared tree.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    series: HashMap<usize, Arc<Vec<Series>>>,
    answers: HashMap<usize, (Fragment, Arc<FragmentAnswer>)>,
    pub(super) warnings: Vec<String>,
    /// What the answers occupy.
    memory: Vec<Reservation>,
}

impl Loaded {
    /// The series of a selector of the tree that was loaded.
    pub(super) fn get(&self, selector: &VectorSelector) -> Arc<Vec<Series>> {
        self.series.get(&address(selector)).cloned().unwrap_or_default()
    }

    /// What came of an aggregation where its series are, if it was asked for there. Given out once, as every node is
    /// evaluated once.
    pub(super) fn take_answer(&mut self, node: &Aggregate) -> Option<(Fragment, FragmentAnswer)> {
        let (fragment, answer) = self.answers.remove(&node_address(node))?;
        Some((fragment, Arc::unwrap_or_clone(answer)))
    }

    /// The info series of a call of `info`.
    pub(super) fn info(&self, call: &Call) -> Arc<Vec<Series>> {
        self.series.get(&call_address(call)).cloned().unwrap_or_default()
    }
}

pub(super) fn address(selector: &VectorSelector) -> usize {
    std::ptr::from_ref(selector).addr()
}

pub(super) fn call_address(call: &Call) -> usize {
    call.args.as_ptr().addr()
}

pub(super) fn node_address(node: &Aggregate) -> usize {
    std::ptr::from_ref(node).addr()
}

/// An aggregation that may be answered where its series are, else by what its selector needs.
pub(super) struct Wish {
    pub(super) fragment: Fragment,
    /// Where it stands, and other places that ask for the same.
    pub(super) nodes: Vec<(usize, Places)>,
    pub(super) otherwise: Vec<Need>,
}

/// Series that some selectors need.
pub(super) struct Need {
    pub(super) addresses: Vec<usize>,
    key: String,
    pub(super) selection: Selection,
    form: Form,
}

/// All that a prepared tree needs of a source.
#[derive(Default)]
pub(super) struct Reads {
    pub(super) needs: Vec<Need>,
    pub(super) wishes: Vec<Wish>,
    /// Why other aggregations are not asked for, by their addresses.
    pub(super) kept: HashMap<usize, &'static str>,
}

/// In which form samples are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) keep_stale: bool,
    /// Of histograms only count and sum are looked at.
    pub(super) totals_only: bool,
}

/// Where in the tree the walk is.
#[derive(Debug, Clone, Copy, Default)]
struct Surroundings<'a> {
    /// The function or aggregation right around.
    function: &'a str,
    /// Inside of a function that needs only count and sum of histograms.
    totals: bool,
    /// Inside of something that needs the buckets.
    buckets: bool,
}

impl Surroundings<'_> {
    fn totals_only(self) -> bool {
        self.totals && !self.buckets
    }
}

/// What a prepared tree needs.
pub(super) fn reads(expr: &Expr, steps: Steps, config: &EngineConfig) -> Reads {
    let step_ms = if steps.count > 1 { steps.step } else { 0 };
    let mut walk = Walk { config, step_ms, reads: Reads::default() };
    walk.visit(expr, steps, Surroundings::default());
    walk.reads
}

/// Reads what a tree needs.
pub(super) async fn load(source: &dyn SeriesSource, reads: Reads) -> Result<Loaded, EvalError> {
    let Reads { mut needs, wishes, .. } = reads;
    let asked = stream::iter(wishes.into_iter().map(|wish| async move {
        let answer = source.aggregate(&wish.fragment).await?;
        Ok::<_, EvalError>((wish, answer))
    }));
    let mut loaded = Loaded::default();
    for (wish, answer) in asked.buffered(PARALLEL_READS).try_collect::<Vec<_>>().await? {
        match answer.filter(|answer| answer.is_decided(&wish.fragment)) {
            Some(answer) => loaded.answered(wish, answer),
            None => wish.otherwise.into_iter().for_each(|need| join(&mut needs, need)),
        }
    }
    let answers: Vec<_> = stream::iter(needs.into_iter().map(|need| async move {
        let answer = source.select(&need.selection).await?;
        let series: Vec<Series> = answer.series.into_iter().map(|data| convert(data, need.form)).collect();
        Ok::<_, EvalError>((need.addresses, Arc::new(series), answer.warnings, answer.memory))
    }))
    .buffered(PARALLEL_READS)
    .try_collect()
    .await?;
    for (addresses, series, warnings, memory) in answers {
        loaded.memory.push(memory);
        loaded.warnings.extend(warnings);
        loaded.series.extend(addresses.into_iter().map(|address| (address, Arc::clone(&series))));
    }
    Ok(loaded)
}

impl Loaded {
    fn answered(&mut self, wish: Wish, answer: FragmentAnswer) {
        let Wish { fragment, nodes, .. } = wish;
        let answer = Arc::new(answer);
        for (node, places) in nodes {
            let answer = if places == fragment.places {
                Arc::clone(&answer)
            } else {
                Arc::new(answer.moved(fragment.places, places))
            };
            self.answers.insert(node, (Fragment { places, ..fragment.clone() }, answer));
        }
    }
}

/// Adds a need, or where it stands to one that is the same.
fn join(needs: &mut Vec<Need>, need: Need) {
    match needs.iter_mut().find(|known| known.key == need.key) {
        Some(known) => known.addresses.extend(need.addresses),
        None => needs.push(need),
    }
}

pub(super) fn convert(data: SeriesData, Form { keep_stale, totals_only }: Form) -> Series {
    let SeriesData { labels, mut timestamps, mut values, histograms, mut starts } = data;
    if let Some(starts) = starts.as_mut().filter(|_| !keep_stale) {
        let mut keep = values.iter().map(|value| !is_stale(*value));
        starts.floats.retain(|_| keep.next().unwrap_or(true));
        let mut keep = histograms.iter().map(|(_, histogram)| !is_stale(histogram.sum()));
        starts.histograms.retain(|_| keep.next().unwrap_or(true));
    }
    if !keep_stale && any_is_stale(&values) {
        let mut keep = values.iter().map(|value| !is_stale(*value));
        timestamps.retain(|_| keep.next().unwrap_or(true));
        values.retain(|value| !is_stale(*value));
    }
    let kept = histograms.iter().filter(|(_, histogram)| keep_stale || !is_stale(histogram.sum()));
    let histograms = if totals_only {
        totals(kept)
    } else {
        kept.map(|(time, histogram)| (*time, Arc::new(FloatHistogram::from(histogram.sparse())))).collect()
    };
    Series { labels, drop_name: false, times: timestamps, values, histograms, starts }
}

/// Whether a value is a stale marker, many looked at without a branch.
fn any_is_stale(values: &[f64]) -> bool {
    values.chunks(64).any(|some| some.iter().fold(false, |any, value| any | is_stale(*value)))
}

struct Walk<'a> {
    config: &'a EngineConfig,
    step_ms: i64,
    reads: Reads,
}

impl Walk<'_> {
    fn visit(&mut self, expr: &Expr, steps: Steps, around: Surroundings<'_>) {
        if steps.count == 0 {
            return;
        }
        match &expr.kind {
            ExprKind::Vector(selector) => self.selector(selector, steps, None, around),
            ExprKind::Matrix(matrix) => {
                self.selector(&matrix.selector, steps, Some(matrix.range.millis()), around)
            }
            ExprKind::Subquery(subquery) => {
                let around = Surroundings { buckets: true, ..around };
                self.visit(&subquery.expr, subquery_steps(subquery, steps, self.config), around);
            }
            ExprKind::StepInvariant(inner) => self.visit(inner, steps.single(), around),
            ExprKind::Call(call) => {
                let mut around = Surroundings { function: call.function, ..around };
                around.totals |=
                    matches!(call.function, "histogram_count" | "histogram_sum" | "histogram_avg");
                around.buckets |= matches!(
                    call.function,
                    "histogram_quantile" | "histogram_quantiles" | "histogram_fraction"
                );
                let mut used = call.args.len();
                if call.function == "info" {
                    // The second argument only says which labels are wanted.
                    used = 1;
                    self.info(call, steps);
                }
                call.args.iter().take(used).for_each(|arg| self.visit(arg, steps, around));
            }
            ExprKind::Aggregate(aggregate) => {
                let around = Surroundings { function: aggregate.op.as_str(), ..around };
                match Fragment::of(aggregate, expr.position, steps, self.config, around.totals_only()) {
                    Ok(fragment) => self.wish(aggregate, fragment, steps, around),
                    Err(reason) => {
                        self.reads.kept.insert(node_address(aggregate), reason);
                        expr.children().into_iter().for_each(|child| self.visit(child, steps, around));
                    }
                }
            }
            _ => {
                let mut around = around;
                if let ExprKind::Binary(binary) = &expr.kind {
                    around.buckets |= matches!(binary.op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
                }
                expr.children().into_iter().for_each(|child| self.visit(child, steps, around));
            }
        }
    }

    fn selector(
        &mut self,
        selector: &VectorSelector,
        steps: Steps,
        range: Option<i64>,
        around: Surroundings<'_>,
    ) {
        let lookback = self.config.lookback_delta_ms;
        let (first, mut last) = View::new(selector.at, selector.offset.millis()).span(steps);
        let widen = selector.anchored || selector.smoothed;
        let before = match range {
            Some(range) if widen => range.saturating_add(lookback),
            Some(range) => range,
            None => lookback,
        };
        if selector.smoothed {
            last = last.saturating_add(lookback);
        }
        let form =
            Form { keep_stale: range.is_none() && !selector.smoothed, totals_only: around.totals_only() };
        let hints = SelectHints {
            function: around.function.to_owned(),
            step_ms: self.step_ms,
            range_ms: range.unwrap_or_default(),
        };
        let times = (first.saturating_sub(before), last);
        self.need(address(selector), selector.matchers.clone(), times, form, hints);
    }

    fn wish(&mut self, node: &Aggregate, fragment: Fragment, steps: Steps, around: Surroundings<'_>) {
        let place = (node_address(node), fragment.places);
        // What the aggregated expression needs, apart from what is needed anyway.
        let before = std::mem::take(&mut self.reads.needs);
        self.visit(&node.expr, steps, around);
        let otherwise = std::mem::replace(&mut self.reads.needs, before);
        match self.reads.wishes.iter_mut().find(|wish| wish.fragment.same_but_places(&fragment)) {
            Some(wish) => {
                wish.nodes.push(place);
                otherwise.into_iter().for_each(|need| join(&mut wish.otherwise, need));
            }
            None => self.reads.wishes.push(Wish { fragment, nodes: vec![place], otherwise }),
        }
    }

    fn info(&mut self, call: &Call, steps: Steps) {
        let request = InfoRequest::new(call);
        let (first, last) = request.view.span(steps);
        let times = (first.saturating_sub(self.config.lookback_delta_ms), last);
        let hints = SelectHints { function: "info".into(), step_ms: self.step_ms, range_ms: 0 };
        let form = Form { keep_stale: true, totals_only: false };
        self.need(call_address(call), request.matchers(), times, form, hints);
    }

    /// `times` are open at the left, as windows are: the sample right at their start is outside.
    fn need(
        &mut self,
        address: usize,
        matchers: Vec<Matcher>,
        times: (i64, i64),
        form: Form,
        hints: SelectHints,
    ) {
        let (first, last) = (times.0.saturating_add(1), times.1);
        let key = format!("{matchers:?} {first} {last} {form:?}");
        let range = TimeRange { min: TimestampMs(first), max: TimestampMs(last) };
        let selection = Selection { matchers, range, hints };
        join(&mut self.reads.needs, Need { addresses: vec![address], key, selection, form });
    }
}

//! Aggregations that choose series: `topk`, `bottomk`, `limitk`, `limit_ratio`.
//!
//! Of equal values `topk` and `bottomk` keep those that Prometheus's binary heap keeps. `limit_ratio` decides by Prometheus's
//! hash of the labels, so the same series are chosen at every step, by every replica, and a ratio and its complement share the
//! series between them.

use super::{Grouping, heap::Heap, label_hash::label_hash, members};
use crate::{
    ast::{Aggregate, AggregateOp},
    engine::{
        column::{Column, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
        fragment::Fragment,
        functions::compare_values,
        notes::Notes,
    },
    error::{EvalError, PositionRange},
};

/// The chosen series; for an instant query in the order of the choice.
pub(in crate::engine) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    position: PositionRange,
    param: &[f64],
    columns: Vec<Column>,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    check(evaluator, node, param)?;
    if columns.is_empty() || nothing_chosen(node.op, param) {
        return Ok(Vec::new());
    }
    let mut choice = Choice::new(node.op, &columns, steps);
    for group in members(&columns, &Grouping::of(node)) {
        evaluator.tick(group.members.len() * steps.count).await?;
        choice.group(&columns, &group.members, param);
    }
    if choice.ignored {
        evaluator.notes.ignored_in_aggregation(node.op.as_str(), position);
    }
    if steps.count == 1 {
        return Ok(choice.order.into_iter().map(|member| columns[member].clone()).collect());
    }
    Ok(choice.apply(columns))
}

/// Of the series in one place, those that can be among the chosen of all places, and for `topk` and `bottomk` one more, which
/// tells whether they are ([`decided`]).
pub(in crate::engine) fn candidates(
    fragment: &Fragment,
    columns: Vec<Column>,
    notes: &mut Notes,
) -> Vec<Column> {
    let steps = fragment.step_times();
    let asked = fragment.param.unwrap_or_default();
    if nothing_chosen(fragment.op, &[asked]) {
        // Nor is anything noted.
        return Vec::new();
    }
    let one_more = f64::from(u8::from(by_value(fragment.op)));
    let param = vec![asked + one_more; steps.count];
    let mut choice = Choice::new(fragment.op, &columns, steps);
    for group in members(&columns, &fragment.grouping()) {
        choice.group(&columns, &group.members, &param);
    }
    if choice.ignored {
        notes.ignored_in_aggregation(fragment.op.as_str(), fragment.places.aggregation);
    }
    choice.apply(columns)
}

fn by_value(op: AggregateOp) -> bool {
    matches!(op, AggregateOp::TopK | AggregateOp::BottomK)
}

/// Whether the candidates of all places are enough to choose from. They are not where equal values compete for the last place,
/// or for the order of an instant query's answer: then it matters in which order all series come.
pub(in crate::engine) fn decided(fragment: &Fragment, columns: &[Column]) -> bool {
    if !by_value(fragment.op) {
        return true;
    }
    let k = whole(fragment.param.unwrap_or_default());
    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
    let top = fragment.op == AggregateOp::TopK;
    members(columns, &fragment.grouping()).iter().all(|group| {
        (0..fragment.steps).all(|at| {
            let floats = group.members.iter().filter_map(|member| columns[*member].float(at));
            let mut values: Vec<f64> = floats.collect();
            values.sort_by(|a, b| compare_values(Some(*a), Some(*b), top));
            let from = if fragment.steps == 1 { 1 } else { k.max(1) };
            // However many are asked for, there are no more than these.
            let to = values.len().min(k.saturating_add(1));
            (from..to).all(|next| !same(values[next - 1], values[next]))
        })
    })
}

/// Which rows are chosen.
struct Choice {
    op: AggregateOp,
    keep: Vec<Vec<bool>>,
    /// Series in the order of the choice, for a single step.
    order: Vec<usize>,
    /// Histograms were left out.
    ignored: bool,
}

impl Choice {
    fn new(op: AggregateOp, columns: &[Column], steps: Steps) -> Self {
        Self { op, keep: vec![vec![false; steps.count]; columns.len()], order: Vec::new(), ignored: false }
    }

    fn group(&mut self, columns: &[Column], members: &[usize], param: &[f64]) {
        for (at, param) in param.iter().enumerate() {
            let chosen = match self.op {
                AggregateOp::LimitK => limit(columns, members, at, *param),
                AggregateOp::LimitRatio => ratio(columns, members, at, *param),
                op => best(columns, members, at, *param, op == AggregateOp::TopK, &mut self.ignored),
            };
            for member in chosen {
                self.keep[member][at] = true;
                if self.keep[member].len() == 1 {
                    self.order.push(member);
                }
            }
        }
    }

    fn apply(&self, mut columns: Vec<Column>) -> Vec<Column> {
        for (column, keep) in columns.iter_mut().zip(&self.keep) {
            for (at, _) in keep.iter().enumerate().filter(|(_, keep)| !**keep) {
                column.clear(at);
            }
        }
        columns.retain(|column| !column.is_empty());
        columns
    }
}

fn check(evaluator: &mut Evaluator<'_>, node: &Aggregate, param: &[f64]) -> Evaluated<()> {
    let fail = |message: String| Err(EvalError::Execution(message));
    let nan = param.iter().any(|value| value.is_nan());
    let max = param.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let min = param.iter().copied().fold(f64::INFINITY, f64::min);
    if node.op == AggregateOp::LimitRatio {
        if nan {
            return fail("Ratio value is NaN".into());
        }
        let at = node.param.as_ref().map_or(node.expr.position, |param| param.position);
        if max > 1.0 {
            evaluator.notes.ratio(max, 1.0, at);
        }
        if min < -1.0 {
            evaluator.notes.ratio(min, -1.0, at);
        }
        return Ok(());
    }
    if max < 1.0 && !nan {
        return Ok(());
    }
    if nan {
        return fail("Parameter value is NaN".into());
    }
    if min <= i64::MIN as f64 {
        return fail(format!("Scalar value {} underflows int64", crate::ast::format_number(min)));
    }
    if max >= i64::MAX as f64 {
        return fail(format!("Scalar value {} overflows int64", crate::ast::format_number(max)));
    }
    Ok(())
}

fn nothing_chosen(op: AggregateOp, param: &[f64]) -> bool {
    match op {
        AggregateOp::LimitRatio => param.iter().all(|value| *value == 0.0),
        _ => param.iter().all(|value| *value < 1.0),
    }
}

/// `k` as a number of series.
fn whole(k: f64) -> usize {
    if k < 1.0 { 0 } else { k as usize }
}

fn limit(columns: &[Column], members: &[usize], at: usize, k: f64) -> Vec<usize> {
    members.iter().copied().filter(|member| columns[*member].has(at)).take(whole(k)).collect()
}

fn ratio(columns: &[Column], members: &[usize], at: usize, ratio: f64) -> Vec<usize> {
    let ratio = ratio.clamp(-1.0, 1.0);
    let chosen = |member: &usize| {
        let place = label_hash(&columns[*member].labels) as f64 / u64::MAX as f64;
        if ratio >= 0.0 { place < ratio } else { place >= 1.0 + ratio }
    };
    members.iter().copied().filter(|member| columns[*member].has(at)).filter(chosen).collect()
}

fn best(
    columns: &[Column],
    members: &[usize],
    at: usize,
    k: f64,
    top: bool,
    ignored: &mut bool,
) -> Vec<usize> {
    if whole(k) == 0 {
        // Then Prometheus looks at no sample, so it notes no histogram either.
        return Vec::new();
    }
    let mut kept = Heap::new(top, whole(k));
    for member in members {
        match columns[*member].get(at) {
            Some(SampleRef::Float(value)) => kept.offer((*member, value)),
            Some(SampleRef::Histogram(_)) => *ignored = true,
            None => {}
        }
    }
    let mut kept = kept.into_items();
    kept.sort_by(|a, b| compare_values(Some(a.1), Some(b.1), top));
    kept.into_iter().map(|(member, _)| member).collect()
}

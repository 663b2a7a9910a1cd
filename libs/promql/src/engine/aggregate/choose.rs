//! Aggregations that choose series: `topk`, `bottomk`, `limitk`, `limit_ratio`.
//!
//! Of equal values `topk` and `bottomk` keep those that Prometheus's binary heap keeps. `limit_ratio` decides by Prometheus's
//! hash of the labels, so the same series are chosen at every step, by every replica, and a ratio and its complement share the
//! series between them.

use super::{heap::Heap, label_hash::label_hash, members};
use crate::{
    ast::{Aggregate, AggregateOp},
    engine::{
        column::{Column, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
        functions::compare_values,
    },
    error::{EvalError, PositionRange},
};

/// The chosen series; for an instant query in the order of the choice.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    position: PositionRange,
    param: &[f64],
    mut columns: Vec<Column>,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    check(evaluator, node, param)?;
    if columns.is_empty() || nothing_chosen(node.op, param) {
        return Ok(Vec::new());
    }
    let mut keep = vec![vec![false; steps.count]; columns.len()];
    let mut order = Vec::new();
    for group in members(&columns, node) {
        for at in 0..steps.count {
            evaluator.tick(group.members.len()).await?;
            let chosen = match node.op {
                AggregateOp::LimitK => limit(&columns, &group.members, at, param[at]),
                AggregateOp::LimitRatio => ratio(&columns, &group.members, at, param[at]),
                _ => {
                    let mut ignored = false;
                    let top = node.op == AggregateOp::TopK;
                    let chosen = best(&columns, &group.members, at, param[at], top, &mut ignored);
                    if ignored {
                        evaluator.notes.ignored_in_aggregation(node.op.as_str(), position);
                    }
                    chosen
                }
            };
            for member in chosen {
                keep[member][at] = true;
                if steps.count == 1 {
                    order.push(member);
                }
            }
        }
    }
    for (column, keep) in columns.iter_mut().zip(&keep) {
        for (at, keep) in keep.iter().enumerate() {
            if !keep {
                column.clear(at);
            }
        }
    }
    if steps.count == 1 {
        return Ok(order.into_iter().map(|member| columns[member].clone()).collect());
    }
    columns.retain(|column| !column.is_empty());
    Ok(columns)
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

//! Aggregations: series are put into groups once, then each group is folded over its series, step by step.
//!
//! Series are added in their own order, which fixes the rounding of sums. One group's state lives at a time.

mod choose;
mod count_values;
mod fold;

use std::collections::HashMap;

use narthex_model::{Labels, METRIC_NAME};

use super::{
    column::{Column, Steps},
    eval::{Evaluated, Evaluator, Value},
};
use crate::{
    ast::{Aggregate, AggregateOp},
    error::PositionRange,
};

/// Series that are aggregated together.
#[derive(Debug)]
struct Group {
    labels: Labels,
    members: Vec<usize>,
}

/// The value of an aggregation.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    position: PositionRange,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let param = match &node.param {
        Some(param) => Some(evaluator.eval(param, steps).await?),
        None => None,
    };
    let columns = evaluator.vector(&node.expr, steps).await?;
    match (node.op, param) {
        (AggregateOp::CountValues, Some(Value::Text(label))) => {
            count_values::eval(evaluator, node, &label, &columns, steps).await
        }
        (AggregateOp::Quantile, Some(Value::Scalar(q))) => {
            fold::quantile(evaluator, node, &q, &columns, steps).await
        }
        (op, Some(Value::Scalar(param))) if op.selects_series() => {
            choose::eval(evaluator, node, position, &param, columns, steps).await
        }
        _ => fold::eval(evaluator, node, &columns, steps).await,
    }
}

/// The labels of the group that a series belongs to.
fn group_labels(labels: &Labels, grouping: &[String], without: bool) -> Labels {
    let listed = |name: &str| grouping.iter().any(|label| label == name);
    if without {
        labels.filtered(|name| name != METRIC_NAME && !listed(name))
    } else {
        labels.filtered(listed)
    }
}

/// Groups in the order in which their first series come. `without` keeps series of different metadata labels apart only
/// as far as those are labels like any other.
fn groups(columns: &[Column], node: &Aggregate) -> Vec<Group> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let labels = group_labels(&column.labels, &node.grouping, node.without);
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            groups.push(Group { labels: labels.clone(), members: Vec::new() });
            groups.len() - 1
        });
        groups[place].members.push(at);
    }
    groups
}

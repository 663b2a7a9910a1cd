//! `quantile`, which needs all values of a step at once.

use super::{Grouping, members};
use crate::{
    ast::Aggregate,
    engine::{
        column::{Column, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
    },
};

/// The value of `quantile(q, v)`.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    q: &[f64],
    columns: &[Column],
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let position = node.param.as_ref().map_or(node.expr.position, |param| param.position);
    for q in q.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
        evaluator.notes.quantile(*q, position);
    }
    let mut out = Vec::new();
    let mut values = Vec::new();
    for group in members(columns, &Grouping::of(node)) {
        let drop_name = group.members.iter().any(|member| columns[*member].drop_name);
        let mut result = Column::new(group.labels, drop_name, steps.count);
        for (at, q) in q.iter().enumerate() {
            evaluator.tick(group.members.len()).await?;
            values.clear();
            for member in &group.members {
                match columns[*member].get(at) {
                    Some(SampleRef::Float(value)) => values.push(value),
                    Some(SampleRef::Histogram(_)) => {
                        evaluator.notes.ignored_in_aggregation("quantile", node.expr.position);
                    }
                    None => {}
                }
            }
            if !values.is_empty() {
                result.set_float(at, crate::engine::functions::quantile(*q, &mut values));
            }
        }
        if !result.is_empty() {
            out.push(result);
        }
    }
    Ok(out)
}

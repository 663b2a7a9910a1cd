//! `stddev` and `stdvar`, by Welford's recurrence over the series in their order, as Prometheus computes them.

use super::{Grouping, members};
use crate::{
    ast::{Aggregate, AggregateOp},
    engine::{
        column::{Column, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
    },
};

/// The state of a group at one step.
#[derive(Clone, Default)]
struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Variance {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn finish(&self, op: AggregateOp) -> Option<f64> {
        let variance = self.squares / self.count;
        (self.count > 0.0).then(|| if op == AggregateOp::Stddev { variance.sqrt() } else { variance })
    }
}

/// The value of either.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    columns: &[Column],
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let mut out = Vec::new();
    for group in members(columns, &Grouping::of(node)) {
        let mut states = vec![Variance::default(); steps.count];
        let mut result = Column::new(group.labels, false, steps.count);
        for member in &group.members {
            let column = &columns[*member];
            evaluator.tick(steps.count).await?;
            result.drop_name |= column.drop_name;
            for (at, sample) in column.samples() {
                match sample {
                    SampleRef::Float(value) => states[at].add(value),
                    SampleRef::Histogram(_) => {
                        evaluator.notes.ignored_in_aggregation(node.op.as_str(), node.expr.position);
                    }
                }
            }
        }
        for (at, state) in states.iter().enumerate() {
            if let Some(value) = state.finish(node.op) {
                result.set_float(at, value);
            }
        }
        if !result.is_empty() {
            out.push(result);
        }
    }
    Ok(out)
}

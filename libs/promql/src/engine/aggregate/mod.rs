//! Aggregations: series are put into groups once, and each group is folded over its series.
//!
//! Where what is aggregated is a [`Leaf`], its series are folded as they are evaluated, on all cores, and never all there at
//! one time. States are exact ([`ExactSums`](exact::ExactSums)), so it does not matter who folds what.

pub(super) mod choose;
mod count_values;
mod exact;
mod groups;
mod heap;
mod label_hash;
mod partial;
mod quantile;
mod variance;

use std::{convert::Infallible, sync::Arc};

use narthex_model::Labels;

use super::{
    column::{Column, Steps},
    eval::{Evaluated, Evaluator, Value},
    fragment::{Fragment, FragmentAnswer},
    leaf::{self, Leaf},
    load::Series,
    parallel::Work,
};
use crate::{
    ast::{Aggregate, AggregateOp, ExprKind},
    error::{EvalError, PositionRange},
};
pub(super) use exact::{ExactSums, Rest};
pub(super) use groups::{Grouping, Groups};
pub(super) use partial::{Context, Floats, HistogramTotal, Histograms, Partial};

/// The value of an aggregation.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    position: PositionRange,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let param = match &node.param {
        Some(param) if matches!(param.unwrapped().kind, ExprKind::Bytes(_)) => {
            return Err(EvalError::Execution(format!("invalid label name {}", param.unwrapped())));
        }
        Some(param) => Some(evaluator.eval(param, steps).await?),
        None => None,
    };
    if let Some((fragment, answer)) = evaluator.loaded.take_answer(node) {
        return merged(evaluator, node, position, &fragment, answer, param, steps).await;
    }
    if let Some(fold) = Fold::of(node) {
        if let Some((leaf, series)) = Leaf::of(evaluator, &node.expr, steps).await? {
            return fold.leaf(evaluator, leaf, series, steps).await;
        }
        let columns = evaluator.vector(&node.expr, steps).await?;
        return fold.columns(evaluator, columns, steps).await;
    }
    let columns = evaluator.vector(&node.expr, steps).await?;
    match (node.op, param) {
        (AggregateOp::CountValues, Some(Value::Text(label))) => {
            count_values::eval(evaluator, node, &label, &columns, steps).await
        }
        (AggregateOp::Quantile, Some(Value::Scalar(q))) => {
            quantile::eval(evaluator, node, &q, &columns, steps).await
        }
        (AggregateOp::Stddev | AggregateOp::Stdvar, _) => {
            variance::eval(evaluator, node, &columns, steps).await
        }
        (op, Some(Value::Scalar(param))) if op.selects_series() => {
            choose::eval(evaluator, node, position, &param, columns, steps).await
        }
        (op, _) => Err(EvalError::Internal(format!("wrong parameter of {}", op.as_str()))),
    }
}

/// The value of an aggregation whose parts were computed where the series are.
async fn merged(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    position: PositionRange,
    fragment: &Fragment,
    mut answer: FragmentAnswer,
    param: Option<Value>,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    evaluator.tick(answer.len() * steps.count).await?;
    evaluator.stats.absorb(&answer.stats);
    evaluator.notes.absorb(std::mem::take(&mut answer.notes));
    match param {
        Some(Value::Scalar(param)) => {
            let columns = answer.candidates();
            choose::eval(evaluator, node, position, &param, columns, steps).await
        }
        _ => Ok(answer.fold(fragment, &mut evaluator.notes)),
    }
}

/// Series that are aggregated together.
#[derive(Debug)]
struct Group {
    labels: Labels,
    members: Vec<usize>,
}

/// Groups in the order in which their first series come.
fn members(columns: &[Column], grouping: &Grouping) -> Vec<Group> {
    let mut groups = Groups::<Vec<usize>>::default();
    for (at, column) in columns.iter().enumerate() {
        let Ok(members) = groups.of_series(grouping, &column.labels, || Ok::<_, Infallible>(Vec::new()));
        members.push(at);
    }
    groups.into_groups().into_iter().map(|(labels, members)| Group { labels, members }).collect()
}

/// An aggregation that makes one value of many by [`Partial`] states.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    pub(super) op: AggregateOp,
    pub(super) grouping: Grouping,
    /// Where the aggregated expression stands.
    pub(super) position: PositionRange,
}

impl Fold {
    fn of(node: &Aggregate) -> Option<Self> {
        let fold = || Self { op: node.op, grouping: Grouping::of(node), position: node.expr.position };
        Self::adds_up(node.op).then(fold)
    }

    /// Whether states of an aggregation can be merged.
    pub(super) const fn adds_up(op: AggregateOp) -> bool {
        use AggregateOp::{Avg, Count, Group, Max, Min, Sum};
        matches!(op, Sum | Avg | Count | Min | Max | Group)
    }

    /// Adds a column to the state of its group.
    pub(super) fn add(
        &self,
        groups: &mut Groups<Partial>,
        place: usize,
        column: &Column,
        work: &mut Work,
    ) -> Evaluated<()> {
        let partial = groups.of_series(&self.grouping, &column.labels, || {
            work.reserve_bytes(Partial::bytes_of(column.len()))?;
            Ok::<_, EvalError>(Partial::new(self.op, column.len()))
        })?;
        let mut context = Context { notes: &mut work.notes, position: self.position, op: self.op };
        partial.add(place, column, &mut context);
        Ok(())
    }

    /// Folds what a leaf makes of each series.
    async fn leaf(
        &self,
        evaluator: &mut Evaluator<'_>,
        leaf: Leaf,
        series: Arc<Vec<Series>>,
        steps: Steps,
    ) -> Evaluated<Vec<Column>> {
        let (fold, items, cost) = (self.clone(), series.len(), leaf::cost(&series, steps));
        let parts = evaluator
            .spread(items, cost, move |range, work| {
                let mut groups = Groups::default();
                let mut column = Column::new(Labels::EMPTY, false, steps.count);
                for at in range {
                    let one = &series[at];
                    work.check()?;
                    column.reset(one.labels.clone(), leaf.drops_name(one));
                    leaf.evaluate(one, steps, &mut column, work)?;
                    if !column.is_empty() {
                        fold.add(&mut groups, at, &column, work)?;
                    }
                }
                Ok(groups)
            })
            .await?;
        self.finish(evaluator, parts, steps).await
    }

    /// Folds columns that are there.
    async fn columns(
        &self,
        evaluator: &mut Evaluator<'_>,
        columns: Vec<Column>,
        steps: Steps,
    ) -> Evaluated<Vec<Column>> {
        let (fold, items) = (self.clone(), columns.len());
        let parts = evaluator
            .spread(items, items * steps.count, move |range, work| {
                let mut groups = Groups::default();
                for at in range {
                    work.check()?;
                    fold.add(&mut groups, at, &columns[at], work)?;
                }
                Ok(groups)
            })
            .await?;
        self.finish(evaluator, parts, steps).await
    }

    async fn finish(
        &self,
        evaluator: &mut Evaluator<'_>,
        parts: Vec<Groups<Partial>>,
        steps: Steps,
    ) -> Evaluated<Vec<Column>> {
        let mut groups = Groups::<Partial>::default();
        for part in parts {
            evaluator.tick(part.len() * steps.count).await?;
            let mut context = Context { notes: &mut evaluator.notes, position: self.position, op: self.op };
            groups.merge(part, |mine, theirs| mine.merge(theirs, &mut context));
        }
        let mut out = Vec::with_capacity(groups.len());
        for (labels, partial) in groups.into_groups() {
            evaluator.tick(steps.count).await?;
            let mut context = Context { notes: &mut evaluator.notes, position: self.position, op: self.op };
            let column = partial.finish(labels, &mut context);
            if !column.is_empty() {
                out.push(column);
            }
        }
        Ok(out)
    }
}

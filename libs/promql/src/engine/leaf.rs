//! The part of a plan that looks at one series at a time: a selector, and the range function around it if there is one.
//!
//! A leaf needs nothing but the series, so leaves run on all cores and where the data is. Most of a query's time is spent here.

use std::sync::Arc;

use super::{
    column::{Column, SampleRef, Steps},
    eval::{Evaluated, Evaluator},
    functions::RangeLeaf,
    load::Series,
    parallel::Work,
    selector::InstantLeaf,
};
use crate::ast::{Expr, ExprKind};

/// What is done with each series.
#[derive(Debug, Clone)]
pub(super) enum Leaf {
    /// The newest sample at each step.
    Instant(InstantLeaf),
    /// A function of the samples of a window.
    Range(RangeLeaf),
}

impl Leaf {
    /// The leaf that an expression is, and the series that it looks at. Scalar arguments are evaluated.
    pub(super) async fn of(
        evaluator: &mut Evaluator<'_>,
        expr: &Expr,
        steps: Steps,
    ) -> Evaluated<Option<(Self, Arc<Vec<Series>>)>> {
        Ok(match &expr.kind {
            ExprKind::Paren(inner) => return Box::pin(Self::of(evaluator, inner, steps)).await,
            ExprKind::Vector(selector) if !selector.smoothed => {
                let leaf = InstantLeaf::values(selector, evaluator.config.lookback_delta_ms);
                Some((Self::Instant(leaf), evaluator.loaded.get(selector)))
            }
            ExprKind::Call(call) if call.function != "absent_over_time" => {
                let range = RangeLeaf::of(evaluator, call, steps).await?;
                range.map(|(leaf, series)| (Self::Range(leaf), series))
            }
            _ => None,
        })
    }

    /// Puts what comes of a series into an empty column.
    pub(super) fn evaluate(
        &self,
        series: &Series,
        steps: Steps,
        column: &mut Column,
        work: &mut Work,
    ) -> Evaluated<()> {
        match self {
            Self::Instant(leaf) => {
                leaf.evaluate(series, steps, column);
                for (at, sample) in column.samples() {
                    work.stats.count(steps.time(at), weight(sample));
                }
                Ok(())
            }
            Self::Range(leaf) => leaf.evaluate(series, steps, column, work),
        }
    }

    /// Whether the metric's name goes with what this makes of a series.
    pub(super) fn drops_name(&self, series: &Series) -> bool {
        match self {
            Self::Instant(_) => false,
            Self::Range(leaf) => leaf.drops_name(series),
        }
    }
}

/// How many float samples a sample weighs.
fn weight(sample: SampleRef<'_>) -> usize {
    match sample {
        SampleRef::Histogram(histogram) => histogram.weight(),
        SampleRef::Float(_) => 1,
    }
}

/// What looking at all series costs, in samples and rows.
pub(super) fn cost(series: &[Series], steps: Steps) -> usize {
    /// A histogram weighs more than a float.
    const HISTOGRAM: usize = 20;
    series.iter().map(|one| one.values.len() + one.histograms.len() * HISTOGRAM + steps.count).sum()
}

/// The columns of all series that are not empty, in their order.
pub(super) async fn columns(
    evaluator: &mut Evaluator<'_>,
    leaf: Leaf,
    series: Arc<Vec<Series>>,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let (items, cost) = (series.len(), cost(&series, steps));
    let parts = evaluator
        .spread(items, cost, move |range, work| {
            let mut columns = Vec::new();
            for one in &series[range] {
                work.check()?;
                work.check_rows(columns.len() + 1, steps)?;
                work.reserve(steps)?;
                let mut column = Column::new(one.labels.clone(), leaf.drops_name(one), steps.count);
                leaf.evaluate(one, steps, &mut column, work)?;
                let weight = column.weight();
                if weight == 0 {
                    work.discard(steps);
                    continue;
                }
                work.hold(weight)?;
                columns.push(column);
            }
            Ok(columns)
        })
        .await?;
    let columns: Vec<Column> = parts.into_iter().flatten().collect();
    evaluator.hold(columns.iter().map(Column::weight).sum())?;
    Ok(columns)
}

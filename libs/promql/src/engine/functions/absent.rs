//! `absent` and the labels that it can know.

use narthex_model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

use crate::{
    ast::{Expr, ExprKind},
    engine::{
        column::{Column, Steps},
        eval::{Evaluated, Evaluator},
    },
};

/// One where the vector is empty.
pub(super) async fn absent(
    evaluator: &mut Evaluator<'_>,
    arg: &Expr,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let columns = evaluator.vector(arg, steps).await?;
    Ok(missing(&columns, arg, steps, false))
}

/// A series of ones at the steps where no column has a row.
pub(super) fn missing(columns: &[Column], arg: &Expr, steps: Steps, drop_name: bool) -> Vec<Column> {
    let mut out = Column::new(known_labels(arg), drop_name, steps.count);
    for at in 0..steps.count {
        if !columns.iter().any(|column| column.has(at)) {
            out.set_float(at, 1.0);
        }
    }
    if out.is_empty() { Vec::new() } else { vec![out] }
}

/// Labels that a selector fixes to one value.
fn known_labels(arg: &Expr) -> Labels {
    // A step-invariant wrapper hides the selector from Prometheus, too.
    let matchers: &[Matcher] = match &arg.kind {
        ExprKind::Vector(selector) => &selector.matchers,
        ExprKind::Matrix(matrix) => &matrix.selector.matchers,
        ExprKind::StepInvariant(inner) => return known_labels(inner),
        _ => &[],
    };
    let mut labels = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            labels.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            labels.remove(matcher.name());
        }
    }
    labels.build()
}

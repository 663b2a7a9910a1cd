//! Pins a query to a time: `@` at every selector and subquery that has none.

use crate::ast::{At, Expr, ExprKind};

/// Functions whose value depends on the time of evaluation.
const TIME_DEPENDENT: [&str; 15] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "end",
    "hour",
    "minute",
    "month",
    "year",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
];

/// The pinned query; none if its value depends on the time of evaluation all the same.
pub(super) fn pin(mut expr: Expr, time: i64) -> Option<Expr> {
    walk(&mut expr, time).then_some(expr)
}

/// False if a time-dependent function was met.
fn walk(expr: &mut Expr, time: i64) -> bool {
    let at = At::Time(time);
    match &mut expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => true,
        ExprKind::Vector(selector) => {
            selector.at.get_or_insert(at);
            true
        }
        ExprKind::Matrix(matrix) => {
            matrix.selector.at.get_or_insert(at);
            true
        }
        ExprKind::Subquery(subquery) => {
            // What is inside moves with the pinned subquery, and so is pinned with it.
            subquery.at.get_or_insert(at);
            !uses_time(&subquery.expr)
        }
        ExprKind::Unary(_, inner) | ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => {
            walk(inner, time)
        }
        ExprKind::Binary(binary) => walk(&mut binary.left, time) & walk(&mut binary.right, time),
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate.param.as_mut().is_none_or(|param| walk(param, time));
            walk(&mut aggregate.expr, time) & param
        }
        ExprKind::Call(call) => {
            // The labels of `info` are no selector.
            let used = if call.function == "info" { 1 } else { call.args.len() };
            let args = call.args.iter_mut().take(used).fold(true, |all, arg| walk(arg, time) & all);
            args && !TIME_DEPENDENT.contains(&call.function)
        }
    }
}

fn uses_time(expr: &Expr) -> bool {
    let itself = matches!(&expr.kind, ExprKind::Call(call) if TIME_DEPENDENT.contains(&call.function));
    itself || expr.children().into_iter().any(uses_time)
}

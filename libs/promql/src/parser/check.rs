//! Type checks on a parsed tree: what is well-formed but means nothing.

use narthex_model::{METRIC_NAME, Matcher};

use super::functions::{self, Signature};
use crate::{
    ast::{
        Aggregate, AggregateOp, Binary, Call, Expr, ExprKind, MatchCardinality, ValueType, VectorMatching,
        VectorSelector,
    },
    error::{ParseError, PositionRange},
};

type Checked = Result<(), ParseError>;

fn complain(position: PositionRange, message: impl Into<String>) -> Checked {
    Err(ParseError { position, message: message.into() })
}

/// Checks a node and all below it.
pub(super) fn check(expr: &Expr) -> Checked {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => Ok(()),
        ExprKind::Vector(selector) => check_selector(selector, expr.position, false),
        ExprKind::Matrix(matrix) => check_selector(&matrix.selector, matrix.selector_position, false),
        ExprKind::Subquery(subquery) => {
            check(&subquery.expr)?;
            match subquery.expr.value_type() {
                ValueType::Vector => Ok(()),
                found => complain(
                    expr.position,
                    format!("subquery is only allowed on instant vector, got {found} instead"),
                ),
            }
        }
        ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => check(inner),
        ExprKind::Unary(_, inner) => {
            check(inner)?;
            match inner.value_type() {
                ValueType::Scalar | ValueType::Vector => Ok(()),
                found => complain(
                    expr.position,
                    format!(
                        "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                        found.documented()
                    ),
                ),
            }
        }
        ExprKind::Binary(binary) => check_binary(binary, expr.position),
        ExprKind::Aggregate(aggregate) => check_aggregate(aggregate),
        ExprKind::Call(call) => check_call(call, expr.position),
    }
}

/// A metric name before the braces leaves no room for another inside.
pub(super) fn name_set_once(selector: &VectorSelector, position: PositionRange) -> Checked {
    let Some(name) = &selector.name else { return Ok(()) };
    let others = &selector.matchers[..selector.matchers.len().saturating_sub(1)];
    match others.iter().find(|matcher| matcher.name() == METRIC_NAME) {
        Some(other) => {
            complain(position, format!("metric name must not be set twice: {name:?} or {:?}", other.value()))
        }
        None => Ok(()),
    }
}

fn check_selector(selector: &VectorSelector, position: PositionRange, may_be_empty: bool) -> Checked {
    name_set_once(selector, position)?;
    if !may_be_empty && selector.name.is_none() && selector.matchers.iter().all(Matcher::matches_empty) {
        return complain(position, "vector selector must contain at least one non-empty matcher");
    }
    Ok(())
}

fn expect_type(expr: &Expr, wanted: ValueType, context: &str) -> Checked {
    check(expr)?;
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    complain(
        expr.position,
        format!("expected type {} in {context}, got {}", wanted.documented(), found.documented()),
    )
}

fn check_aggregate(aggregate: &Aggregate) -> Checked {
    expect_type(&aggregate.expr, ValueType::Vector, "aggregation expression")?;
    let wanted = if aggregate.op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
    aggregate.param.as_ref().map_or(Ok(()), |param| expect_type(param, wanted, "aggregation parameter"))
}

fn check_binary(binary: &Binary, position: PositionRange) -> Checked {
    let Binary { op, op_position, left, right, return_bool, .. } = binary;
    check(left)?;
    check(right)?;
    let default = VectorMatching::default();
    let matching = binary.matching.as_ref().unwrap_or(&default);
    let types = [left.value_type(), right.value_type()];
    if *return_bool && !op.is_comparison() {
        return complain(*op_position, "bool modifier can only be used on comparison operators");
    }
    if op.is_comparison() && !return_bool && types == [ValueType::Scalar; 2] {
        return complain(*op_position, "comparisons between scalars must use BOOL modifier");
    }
    if let Some(label) = matching.labels.iter().find(|label| matching.on && matching.include.contains(label))
    {
        return complain(
            *op_position,
            format!("label {label:?} must not occur in ON and GROUP clause at once"),
        );
    }
    for side in [left, right] {
        if !matches!(side.value_type(), ValueType::Scalar | ValueType::Vector) {
            return complain(
                side.position,
                "binary expression must contain only scalar and instant vector types",
            );
        }
    }
    let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
    if types != [ValueType::Vector; 2] {
        if !matching.labels.is_empty() {
            return complain(position, "vector matching only allowed between instant vectors");
        }
        if fills {
            return complain(position, "filling in missing series only allowed between instant vectors");
        }
        if op.is_set() {
            return complain(
                position,
                format!("set operator {:?} not allowed in binary scalar expression", op.as_str()),
            );
        }
    } else if op.is_set() {
        if matches!(matching.cardinality, MatchCardinality::OneToMany | MatchCardinality::ManyToOne) {
            return complain(position, format!("no grouping allowed for {:?} operation", op.as_str()));
        }
        if fills {
            return complain(position, "filling in missing series not allowed for set operators");
        }
    }
    Ok(())
}

fn check_call(call: &Call, position: PositionRange) -> Checked {
    let Some(signature) = functions::lookup(call.function) else {
        return complain(position, format!("unknown function with name {:?}", call.function));
    };
    check_count(call, signature, position)?;
    if call.function == "info" && call.args.len() > 1 {
        check_info_labels(&call.args[1], position)?;
    }
    for (at, arg) in call.args.iter().enumerate() {
        let wanted = signature.args[at.min(signature.args.len() - 1)];
        if call.function == "info" && at == 1 {
            continue;
        }
        check(arg)?;
        let found = arg.value_type();
        if found != wanted {
            let (wanted, found) = (wanted.documented(), found.documented());
            let message =
                format!("expected type {wanted} in call to function {:?}, got {found}", call.function);
            return complain(arg.position, message);
        }
    }
    Ok(())
}

fn check_count(call: &Call, signature: &Signature, position: PositionRange) -> Checked {
    let (need, have, name) = (signature.args.len(), call.args.len(), call.function);
    if signature.variadic == 0 {
        if need == have {
            return Ok(());
        }
        return complain(position, format!("expected {need} argument(s) in call to {name:?}, got {have}"));
    }
    let least = need - 1;
    if have < least {
        return complain(
            position,
            format!("expected at least {least} argument(s) in call to {name:?}, got {have}"),
        );
    }
    let most = least + usize::try_from(signature.variadic).unwrap_or(usize::MAX - least);
    if have > most {
        return complain(
            position,
            format!("expected at most {most} argument(s) in call to {name:?}, got {have}"),
        );
    }
    Ok(())
}

fn check_info_labels(arg: &Expr, position: PositionRange) -> Checked {
    let found = arg.value_type();
    if found != ValueType::Vector {
        let message =
            format!("expected type instant vector in call to function \"info\", got {}", found.documented());
        return complain(position, message);
    }
    match &arg.kind {
        ExprKind::Vector(selector) if selector.name.is_some() => {
            complain(arg.position, "expected label selectors only, got vector selector instead")
        }
        ExprKind::Vector(selector) => check_selector(selector, arg.position, true),
        _ => complain(arg.position, "expected label selectors only"),
    }
}

//! Which expressions mean the same whether their steps are evaluated together or not.
//!
//! Nearly all do: an operator looks at one step at a time. What does not looks at the steps of its series together, or goes by the
//! order of series that operators make, which depends on which of them come first. Of those an evaluation of other steps could
//! differ, if only in which of equal values `topk` keeps, so they are neither cut nor kept. What depends on the query's own ends is
//! no obstacle: it is resolved before ([`narthex_promql::Engine::resolve`]). A new function is to be looked at here.

use narthex_promql::{
    EngineConfig, Expr,
    ast::{Aggregate, AggregateOp, Binary, BinaryOp, Call, ExprKind, MatchCardinality, Span, ValueType},
};

/// Why an expression is evaluated at all steps together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// `sort` warns about queries of several steps.
    Sort,
    /// `info` considers the series of all steps.
    Info,
    /// `or` joins series that keep their names with others that do not: the first step decides for all.
    Names,
    /// Ties or rounding go by the order of computed series.
    Order,
    /// The number of series to choose differs between steps, and notes speak of all of them.
    Parameter,
    /// A subquery is evaluated also between the windows that are looked at.
    Gaps,
}

impl Obstacle {
    /// The label in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sort => "sort",
            Self::Info => "info",
            Self::Names => "names",
            Self::Order => "order",
            Self::Parameter => "parameter",
            Self::Gaps => "gaps",
        }
    }
}

/// What keeps a resolved expression from being cut; none if nothing does.
pub(crate) fn obstacle(expr: &Expr, step_ms: i64) -> Option<Obstacle> {
    let own = match &expr.kind {
        ExprKind::Call(Call { function, .. }) => match *function {
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => Some(Obstacle::Sort),
            "info" => Some(Obstacle::Info),
            _ => None,
        },
        ExprKind::Binary(binary) if binary.op == BinaryOp::Or => {
            let fates = [Fate::of(&binary.left), Fate::of(&binary.right)];
            let safe = fates[0] == fates[1] || fates.contains(&Fate::Nameless);
            (!safe || fates.contains(&Fate::Unknown)).then_some(Obstacle::Names)
        }
        ExprKind::Aggregate(aggregate) => of_aggregate(aggregate),
        ExprKind::Subquery(subquery) => {
            let gaps = subquery.at.is_none() && subquery.range.millis() < step_ms;
            let own = EngineConfig::default().default_subquery_step_ms;
            let step = subquery.step.as_ref().map_or(own, Span::millis);
            return gaps.then_some(Obstacle::Gaps).or_else(|| obstacle(&subquery.expr, step));
        }
        _ => None,
    };
    own.or_else(|| expr.children().into_iter().find_map(|child| obstacle(child, step_ms)))
}

/// Whether parts of an expression are evaluated again for each stretch of steps, so that what they note is noted again.
pub(crate) fn repeats(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Subquery(_) => true,
        ExprKind::Vector(selector) => selector.at.is_some(),
        ExprKind::Matrix(matrix) => matrix.selector.at.is_some(),
        _ => expr.children().into_iter().any(repeats),
    }
}

fn of_aggregate(node: &Aggregate) -> Option<Obstacle> {
    use AggregateOp::{BottomK, LimitK, LimitRatio, Stddev, Stdvar, TopK};
    let chooses = matches!(node.op, TopK | BottomK | LimitK | LimitRatio);
    if chooses && !node.param.as_ref().is_some_and(is_constant) {
        return Some(Obstacle::Parameter);
    }
    let by_order = matches!(node.op, TopK | BottomK | LimitK | Stddev | Stdvar);
    (by_order && !is_in_series_order(&node.expr)).then_some(Obstacle::Order)
}

fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number { .. } => true,
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => is_constant(inner),
        _ => false,
    }
}

/// Whether the series of an expression come in the order of stored series, whichever of them there are.
fn is_in_series_order(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Vector(_) | ExprKind::Matrix(_) => true,
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => is_in_series_order(inner),
        ExprKind::Call(call) => {
            // Those that make series of many, or new labels.
            let changes = call.function.starts_with("label_")
                || call.function.starts_with("histogram_")
                || matches!(call.function, "absent" | "absent_over_time" | "vector" | "info");
            let vectors = |arg: &&Expr| !matches!(arg.value_type(), ValueType::Scalar | ValueType::String);
            !changes && call.args.iter().filter(vectors).all(is_in_series_order)
        }
        ExprKind::Binary(binary) => match (binary.left.value_type(), binary.right.value_type()) {
            (ValueType::Scalar, _) => is_in_series_order(&binary.right),
            (_, ValueType::Scalar) => is_in_series_order(&binary.left),
            _ => has_many_in_order(binary),
        },
        _ => false,
    }
}

/// Results of two vectors come in the order of the many side.
fn has_many_in_order(binary: &Binary) -> bool {
    let Some(matching) = &binary.matching else { return false };
    if matching.fill_left.is_some() || matching.fill_right.is_some() {
        return false;
    }
    match (binary.op, matching.cardinality) {
        (BinaryOp::Or, _) => false,
        (_, MatchCardinality::OneToMany) => is_in_series_order(&binary.right),
        _ => is_in_series_order(&binary.left),
    }
}

/// What becomes of the metric's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It stays.
    Kept,
    /// It goes when the query is done.
    Dropped,
    /// There is none.
    Nameless,
    /// That depends.
    Unknown,
}

impl Fate {
    fn of(expr: &Expr) -> Self {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => Self::Nameless,
            ExprKind::Vector(_) | ExprKind::Matrix(_) => Self::Kept,
            ExprKind::Subquery(subquery) => Self::of(&subquery.expr),
            ExprKind::Paren(inner) | ExprKind::Unary(false, inner) | ExprKind::StepInvariant(inner) => {
                Self::of(inner)
            }
            ExprKind::Unary(true, _) => Self::Dropped,
            ExprKind::Aggregate(node) if node.op.selects_series() => Self::of(&node.expr),
            ExprKind::Aggregate(node) => {
                let named = node.grouping.iter().any(|label| label.starts_with("__"));
                if named || node.without { Self::Unknown } else { Self::Nameless }
            }
            ExprKind::Binary(binary) => Self::of_binary(binary),
            ExprKind::Call(call) => Self::of_call(call),
        }
    }

    fn of_binary(binary: &Binary) -> Self {
        let scalar = |expr: &Expr| expr.value_type() == ValueType::Scalar;
        match (scalar(&binary.left), scalar(&binary.right)) {
            (true, true) => Self::Nameless,
            _ if binary.return_bool || !binary.op.keeps_metric_name() => Self::Dropped,
            (true, false) => Self::of(&binary.right),
            (false, true) => Self::of(&binary.left),
            (false, false) => {
                let (left, right) = (Self::of(&binary.left), Self::of(&binary.right));
                if left == right { left } else { Self::Unknown }
            }
        }
    }

    fn of_call(call: &Call) -> Self {
        match call.function {
            "absent" | "absent_over_time" | "vector" | "scalar" | "time" | "pi" => Self::Nameless,
            "last_over_time" | "first_over_time" => call.args.first().map_or(Self::Unknown, Self::of),
            name if name.starts_with("label_") || name.starts_with("sort") || name == "info" => Self::Unknown,
            _ if call.args.is_empty() => Self::Nameless,
            _ => Self::Dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use narthex_promql::parse;

    use super::*;

    #[test]
    fn what_looks_at_one_step_at_a_time_is_cut() {
        for query in [
            "up",
            "sum by (job) (rate(a_total[5m]))",
            "histogram_quantile(0.99, sum by (le) (rate(h_bucket[5m])))",
            "topk(5, rate(a_total[5m]) * 100)",
            "bottomk(2, a / b)",
            "limit_ratio(0.5, sum by (job) (up))",
            "sum(a) or vector(0)",
            "a or b",
            "rate(a[5m]) or rate(b[5m])",
            "max_over_time(rate(a[5m])[1h:1m])",
            "absent(up)",
            "stddev(up)",
            "count_values(\"v\", up)",
            "sum(max by (job) (up))",
        ] {
            assert_eq!(obstacle(&parse(query).expect(query), 60_000), None, "{query}");
        }
    }

    #[test]
    fn what_looks_at_all_steps_is_not() {
        use Obstacle::{Gaps, Info, Names, Order, Parameter, Sort};
        for (query, expected) in [
            ("sort_desc(up)", Sort),
            ("1 + sum(sort(up))", Sort),
            ("info(up)", Info),
            ("a or rate(b[5m])", Names),
            ("rate(a[5m]) or b > 1", Names),
            ("a or label_replace(b, \"x\", \"y\", \"z\", \".*\")", Names),
            ("topk(5, sum by (job) (up))", Order),
            ("stdvar(sum by (job) (up))", Order),
            ("topk(scalar(k), up)", Parameter),
            ("max_over_time(up[30s:10s])", Gaps),
            ("max_over_time(avg_over_time(up[2m:1m])[1h:5m])", Gaps),
        ] {
            assert_eq!(obstacle(&parse(query).expect(query), 60_000), Some(expected), "{query}");
        }
    }

    #[test]
    fn what_stretches_look_at_in_common_is_noted_by_each() {
        for (query, expected) in
            [("up", false), ("up @ 5", true), ("sum(rate(up[1m] @ 5))", true), ("rate(up[5m:1m]) + 1", true)]
        {
            assert_eq!(repeats(&parse(query).expect(query)), expected, "{query}");
        }
    }
}

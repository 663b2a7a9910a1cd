//! The syntax tree as Prometheus's `parse_query` shows it: each node an object with its `type`, durations in milliseconds,
//! numbers as texts.

use narthex_model::{MatchOp, Matcher};
use narthex_promql::{
    Expr,
    ast::{
        Aggregate, At, Binary, Call, DurationExpr, DurationKind, ExprKind, MatchCardinality, MatrixSelector,
        Span, Subquery, VectorMatching, VectorSelector,
    },
    signature,
};
use serde_json::{Map, Value, json};

/// The tree of a parsed query.
pub(crate) fn syntax_tree(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number { value, .. } => json!({"type": "numberLiteral", "val": number(*value)}),
        ExprKind::String(text) => json!({"type": "stringLiteral", "val": text}),
        ExprKind::Bytes(bytes) => json!({"type": "stringLiteral", "val": String::from_utf8_lossy(bytes)}),
        ExprKind::Vector(vector) => Value::Object(selector("vectorSelector", vector)),
        ExprKind::Matrix(matrix) => matrix_selector(matrix),
        ExprKind::Subquery(node) => subquery(node),
        ExprKind::Unary(negative, inner) => {
            let op = if *negative { "-" } else { "+" };
            json!({"type": "unaryExpr", "op": op, "expr": syntax_tree(inner)})
        }
        ExprKind::Binary(node) => binary(node),
        ExprKind::Aggregate(node) => aggregation(node),
        ExprKind::Call(node) => call(node),
        ExprKind::Paren(inner) => json!({"type": "parenExpr", "expr": syntax_tree(inner)}),
        // The engine makes these; a parsed query has none.
        ExprKind::StepInvariant(inner) => syntax_tree(inner),
    }
}

fn aggregation(node: &Aggregate) -> Value {
    json!({
        "type": "aggregation",
        "op": node.op.as_str(),
        "expr": syntax_tree(&node.expr),
        "param": node.param.as_ref().map(syntax_tree),
        "grouping": node.grouping,
        "without": node.without,
    })
}

fn binary(node: &Binary) -> Value {
    json!({
        "type": "binaryExpr",
        "op": node.op.as_str(),
        "lhs": syntax_tree(&node.left),
        "rhs": syntax_tree(&node.right),
        "matching": node.matching.as_ref().map(matching),
        "bool": node.return_bool,
    })
}

fn matching(node: &VectorMatching) -> Value {
    let card = match node.cardinality {
        MatchCardinality::OneToOne => "one-to-one",
        MatchCardinality::ManyToOne => "many-to-one",
        MatchCardinality::OneToMany => "one-to-many",
        MatchCardinality::ManyToMany => "many-to-many",
    };
    json!({
        "card": card,
        "labels": node.labels,
        "on": node.on,
        "include": node.include,
        "fillValues": {"lhs": node.fill_left, "rhs": node.fill_right},
    })
}

fn call(node: &Call) -> Value {
    let known = signature(node.function);
    let types: Vec<String> =
        known.map(|known| known.args.iter().map(ToString::to_string).collect()).unwrap_or_default();
    json!({
        "type": "call",
        "func": {
            "name": node.function,
            "argTypes": types,
            "variadic": known.map_or(0, |known| known.variadic),
            "returnType": node.returns.to_string(),
        },
        "args": node.args.iter().map(syntax_tree).collect::<Vec<_>>(),
    })
}

/// What vector and matrix selectors share.
fn selector(kind: &str, node: &VectorSelector) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".into(), kind.into());
    object.insert("name".into(), node.name.clone().unwrap_or_default().into());
    span(&mut object, "offset", Some(&node.offset));
    object.insert("matchers".into(), node.matchers.iter().map(matcher).collect());
    at(&mut object, node.at);
    object.insert("anchored".into(), node.anchored.into());
    object.insert("smoothed".into(), node.smoothed.into());
    object
}

fn matrix_selector(node: &MatrixSelector) -> Value {
    let mut object = selector("matrixSelector", &node.selector);
    span(&mut object, "range", Some(&node.range));
    Value::Object(object)
}

fn subquery(node: &Subquery) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), "subquery".into());
    object.insert("expr".into(), syntax_tree(&node.expr));
    span(&mut object, "range", Some(&node.range));
    span(&mut object, "offset", Some(&node.offset));
    span(&mut object, "step", node.step.as_ref());
    at(&mut object, node.at);
    Value::Object(object)
}

fn matcher(matcher: &Matcher) -> Value {
    let op = match matcher.op() {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    };
    json!({"name": matcher.name(), "value": matcher.value(), "type": op})
}

fn at(object: &mut Map<String, Value>, at: Option<At>) {
    let (time, bound) = match at {
        None => (Value::Null, Value::Null),
        Some(At::Time(millis)) => (millis.into(), Value::Null),
        Some(At::Start) => (Value::Null, "start".into()),
        Some(At::End) => (Value::Null, "end".into()),
    };
    object.insert("timestamp".into(), time);
    object.insert("startOrEnd".into(), bound);
}

/// A length of time and, where it is computed, what computes it.
fn span(object: &mut Map<String, Value>, name: &str, span: Option<&Span>) {
    let expr = match span {
        Some(Span::Computed(expr)) => duration(expr, false),
        _ => Value::Null,
    };
    object.insert(name.into(), span.map_or(0, Span::millis).into());
    object.insert(format!("{name}Expr"), expr);
}

/// A duration expression; parentheses are a mark on what they enclose.
fn duration(expr: &DurationExpr, wrapped: bool) -> Value {
    let node = |op: &str, left: Option<&DurationExpr>, right: Option<&DurationExpr>| {
        let side = |side: Option<&DurationExpr>| side.map(|side| duration(side, false));
        json!({"type": "durationExpr", "op": op, "lhs": side(left), "rhs": side(right), "wrapped": wrapped})
    };
    match &expr.kind {
        // Only an operator can bear the mark, so a number in parentheses has a plus sign.
        DurationKind::Number(..) if wrapped => node("+", None, Some(expr)),
        DurationKind::Number(value, units) => {
            json!({"type": "numberLiteral", "val": number(*value), "duration": units})
        }
        DurationKind::Step => node("step", None, None),
        DurationKind::Range => node("range", None, None),
        DurationKind::Unary(negative, inner) => node(if *negative { "-" } else { "+" }, None, Some(inner)),
        DurationKind::Binary(op, left, right) => node(op.as_str(), Some(left), Some(right)),
        DurationKind::Max(left, right) => node("max_of", Some(left), Some(right)),
        DurationKind::Min(left, right) => node("min_of", Some(left), Some(right)),
        DurationKind::Paren(inner) => duration(inner, true),
    }
}

/// Go's plain notation, without an exponent.
fn number(value: f64) -> String {
    match value {
        value if value == f64::INFINITY => "+Inf".into(),
        value if value == f64::NEG_INFINITY => "-Inf".into(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Value {
        syntax_tree(&narthex_promql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    #[test]
    fn operators_and_functions_show_their_parts() {
        let tree = tree("-sum by (job) (rate(up[5m])) / on (job) group_left (x) (a > bool 1)");
        assert_eq!(tree["type"], "binaryExpr");
        assert_eq!(tree["lhs"]["type"], "unaryExpr");
        let matching = json!({"card": "many-to-one", "labels": ["job"], "on": true, "include": ["x"],
            "fillValues": {"lhs": null, "rhs": null}});
        assert_eq!(tree["matching"], matching);
        let sum = &tree["lhs"]["expr"];
        assert_eq!(
            (&sum["op"], &sum["grouping"], &sum["param"]),
            (&json!("sum"), &json!(["job"]), &Value::Null)
        );
        let func = json!({"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"});
        assert_eq!(sum["expr"]["func"], func);
        assert_eq!(tree["rhs"]["expr"]["bool"], true);
        assert_eq!(tree["rhs"]["expr"]["matching"], Value::Null);
        assert_eq!(tree["rhs"]["expr"]["rhs"], json!({"type": "numberLiteral", "val": "1"}));
    }

    #[test]
    fn selectors_show_their_times() {
        let matrix = tree("up{job=~\"a|b\"}[5m] @ 1.5 offset -1m");
        let matchers = json!([{"name": "job", "value": "a|b", "type": "=~"},
            {"name": "__name__", "value": "up", "type": "="}]);
        assert_eq!(
            matrix,
            json!({"type": "matrixSelector", "name": "up", "offset": -60_000, "offsetExpr": null,
                "matchers": matchers, "timestamp": 1500, "startOrEnd": null, "anchored": false,
                "smoothed": false, "range": 300_000, "rangeExpr": null})
        );
        let subquery = tree("up[1h:] @ end()");
        assert_eq!((&subquery["step"], &subquery["startOrEnd"]), (&json!(0), &json!("end")));
        let computed = &tree("up[(step() * 2)]")["rangeExpr"];
        assert_eq!((&computed["op"], &computed["wrapped"]), (&json!("*"), &json!(true)));
        assert_eq!(computed["lhs"]["op"], "step");
    }
}

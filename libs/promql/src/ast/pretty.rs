//! The tree as text over several lines, in Prometheus's layout: what does not fit into a line is split at its outermost parts,
//! each on a line of its own and two spaces further in.

use super::{
    Expr, ExprKind,
    display::{aggregate_head, binary_operator, subquery_suffix},
};

/// Longest line that is not split, in bytes.
const LINE: usize = 100;

impl Expr {
    /// Canonical notation, long expressions on several lines.
    pub fn pretty(&self) -> String {
        lines(self, 0)
    }
}

fn lines(expr: &Expr, level: usize) -> String {
    let indent = "  ".repeat(level);
    let text = expr.to_string();
    match &expr.kind {
        ExprKind::StepInvariant(inner) => lines(inner, level),
        ExprKind::Unary(negative, inner) => {
            let sign = if *negative { "-" } else { "+" };
            format!("{indent}{sign}{}", lines(inner, level).trim())
        }
        // As in Prometheus, a short subquery is not indented.
        ExprKind::Subquery(_) if text.len() <= LINE => text,
        _ if text.len() <= LINE => indent + &text,
        ExprKind::Subquery(subquery) => {
            format!("{}{}", lines(&subquery.expr, level), subquery_suffix(subquery))
        }
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate.param.as_ref().map(|param| format!("{},\n", lines(param, level + 1)));
            let head = aggregate_head(aggregate);
            let inner = lines(&aggregate.expr, level + 1);
            format!("{indent}{head}(\n{}{inner}\n{indent})", param.unwrap_or_default())
        }
        ExprKind::Binary(binary) => {
            let (left, right) = (lines(&binary.left, level + 1), lines(&binary.right, level + 1));
            format!("{left}\n{indent}{}\n{right}", binary_operator(binary))
        }
        ExprKind::Call(call) => {
            let args: Vec<String> = call.args.iter().map(|arg| lines(arg, level + 1)).collect();
            format!("{indent}{}(\n{}\n{indent})", call.function, args.join(",\n"))
        }
        ExprKind::Paren(inner) => format!("{indent}(\n{}\n{indent})", lines(inner, level + 1)),
        ExprKind::Number { .. }
        | ExprKind::String(_)
        | ExprKind::Bytes(_)
        | ExprKind::Vector(_)
        | ExprKind::Matrix(_) => indent + &text,
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn pretty(text: &str) -> String {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).pretty()
    }

    #[test]
    fn short_expressions_stay_on_a_line() {
        for (text, expected) in [
            ("sum  (up)by(job)", "sum by (job) (up)"),
            ("up @ -1.5 offset 5m", "up @ -1.500 offset 5m"),
            ("up offset 5m @ 1", "up @ 1.000 offset 5m"),
            ("1e30", "1000000000000000000000000000000"),
            ("0.00001", "0.00001"),
            ("a * ignoring () group_left () b", "a * ignoring () group_left () b"),
            ("\"\\a\\u00a0ä\\x7f\\v\"", "\"\\a\\u00a0ä\\x7f\\v\""),
            ("up[(+5m)]", "up[(5m)]"),
            ("up smoothed @ 1", "up @ 1.000 smoothed"),
        ] {
            assert_eq!(pretty(text), expected);
        }
    }

    #[test]
    fn long_expressions_are_split_at_their_parts() {
        let selector = |name: &str| format!("{name}{{job=\"{}\"}}", "x".repeat(40));
        let (a, b) = (selector("first_metric"), selector("second_metric"));
        assert_eq!(
            pretty(&format!("topk(5, rate({a}[5m]) / on(job) group_left rate({b}[5m]))")),
            format!("topk(\n  5,\n    rate({a}[5m])\n  / on (job) group_left ()\n    rate({b}[5m])\n)")
        );
        assert_eq!(
            pretty(&format!("-(label_replace({a}, \"a\", \"$1\", \"b\", \"(.*)\") + {b})")),
            format!("-(\n    label_replace({a}, \"a\", \"$1\", \"b\", \"(.*)\")\n  +\n    {b}\n)")
        );
        assert_eq!(
            pretty(&format!("max_over_time(sum({a} + {b})[1h:5m])")),
            format!("max_over_time(\n  sum(\n      {a}\n    +\n      {b}\n  )[1h:5m]\n)")
        );
    }
}

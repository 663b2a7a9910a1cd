//! The tree as text, in Prometheus's canonical spelling.

use std::fmt::{self, Display, Formatter};

use narthex_model::{METRIC_NAME, MatchOp, Matcher, format_duration, is_valid_label_name};

use super::{
    Aggregate, At, Binary, DurationExpr, DurationKind, Expr, ExprKind, MatchCardinality, Span,
    VectorMatching, VectorSelector,
};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number { value, duration: true } => {
                f.write_str(&format_duration((value * 1000.0).round() as i64))
            }
            ExprKind::Number { value, .. } => f.write_str(&format_number(*value)),
            ExprKind::String(text) => f.write_str(&quote(text)),
            ExprKind::Vector(selector) => {
                write_selector(f, selector)?;
                write_modifiers(f, &selector.offset, selector.at)?;
                write_extensions(f, selector)
            }
            ExprKind::Matrix(matrix) => {
                write_selector(f, &matrix.selector)?;
                write!(f, "[{}]", matrix.range)?;
                write_extensions(f, &matrix.selector)?;
                write_modifiers(f, &matrix.selector.offset, matrix.selector.at)
            }
            ExprKind::Subquery(subquery) => {
                write!(f, "{}[{}:", subquery.expr, subquery.range)?;
                if let Some(step) = &subquery.step {
                    write!(f, "{step}")?;
                }
                f.write_str("]")?;
                write_modifiers(f, &subquery.offset, subquery.at)
            }
            ExprKind::Unary(negative, inner) => write!(f, "{}{inner}", if *negative { "-" } else { "+" }),
            ExprKind::Binary(binary) => write_binary(f, binary),
            ExprKind::Aggregate(aggregate) => write_aggregate(f, aggregate),
            ExprKind::Call(call) => write!(f, "{}({})", call.function, join(&call.args)),
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::StepInvariant(inner) => inner.fmt(f),
        }
    }
}

/// A float as Prometheus writes it.
pub(crate) fn format_number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) => {
                let (sign, digits) =
                    exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
                format!("{mantissa}e{sign}{digits:0>2}")
            }
            None => text,
        };
    }
    value.to_string()
}

/// A text in double quotes, with the escapes that the parser reads.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn join<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

fn join_labels(labels: &[String]) -> String {
    let quoted = |label: &String| if is_valid_label_name(label) { label.clone() } else { quote(label) };
    labels.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

fn write_selector(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    f.write_str(selector.name.as_deref().unwrap_or_default())?;
    let is_name = |matcher: &&Matcher| selector.name.is_some() && matcher.name() == METRIC_NAME;
    let mut matchers: Vec<_> = selector
        .matchers
        .iter()
        .filter(|matcher| !is_name(matcher))
        .map(|matcher| {
            let name = matcher.name();
            let name = if is_valid_label_name(name) { name.to_owned() } else { quote(name) };
            let op = match matcher.op() {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                MatchOp::Regex => "=~",
                MatchOp::NotRegex => "!~",
            };
            format!("{name}{op}{}", quote(matcher.value()))
        })
        .collect();
    matchers.sort();
    match (matchers.is_empty(), selector.name.is_some()) {
        (true, true) => Ok(()),
        _ => write!(f, "{{{}}}", matchers.join(",")),
    }
}

fn write_extensions(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    f.write_str(match (selector.anchored, selector.smoothed) {
        (true, _) => " anchored",
        (_, true) => " smoothed",
        _ => "",
    })
}

fn write_modifiers(f: &mut Formatter<'_>, offset: &Span, at: Option<At>) -> fmt::Result {
    match at {
        Some(At::Time(millis)) => write!(f, " @ {}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))?,
        Some(At::Start) => f.write_str(" @ start()")?,
        Some(At::End) => f.write_str(" @ end()")?,
        None => {}
    }
    if *offset == Span::ZERO { Ok(()) } else { write!(f, " offset {offset}") }
}

fn write_binary(f: &mut Formatter<'_>, binary: &Binary) -> fmt::Result {
    write!(f, "{} {}", binary.left, binary.op)?;
    if binary.return_bool {
        f.write_str(" bool")?;
    }
    if let Some(matching) = &binary.matching {
        write_matching(f, matching)?;
    }
    write!(f, " {}", binary.right)
}

fn write_matching(f: &mut Formatter<'_>, matching: &VectorMatching) -> fmt::Result {
    if matching.on || !matching.labels.is_empty() {
        let word = if matching.on { "on" } else { "ignoring" };
        write!(f, " {word} ({})", join_labels(&matching.labels))?;
    }
    match matching.cardinality {
        MatchCardinality::ManyToOne => write!(f, " group_left ({})", join_labels(&matching.include))?,
        MatchCardinality::OneToMany => write!(f, " group_right ({})", join_labels(&matching.include))?,
        MatchCardinality::OneToOne | MatchCardinality::ManyToMany => {}
    }
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left.to_bits() == right.to_bits() => {
            write!(f, " fill ({})", format_number(left))
        }
        (left, right) => {
            if let Some(left) = left {
                write!(f, " fill_left ({})", format_number(left))?;
            }
            right.map_or(Ok(()), |right| write!(f, " fill_right ({})", format_number(right)))
        }
    }
}

fn write_aggregate(f: &mut Formatter<'_>, aggregate: &Aggregate) -> fmt::Result {
    f.write_str(aggregate.op.as_str())?;
    if aggregate.without {
        write!(f, " without ({}) ", join_labels(&aggregate.grouping))?;
    } else if !aggregate.grouping.is_empty() {
        write!(f, " by ({}) ", join_labels(&aggregate.grouping))?;
    }
    match &aggregate.param {
        Some(param) => write!(f, "({param}, {})", aggregate.expr),
        None => write!(f, "({})", aggregate.expr),
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(millis) => f.write_str(&format_duration(*millis)),
            Self::Computed(expr) => expr.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DurationKind::Number(value, true) => {
                f.write_str(&format_duration((value * 1000.0).round() as i64))
            }
            DurationKind::Number(value, false) => f.write_str(&format_number(*value)),
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Unary(negative, inner) => write!(f, "{}{inner}", if *negative { "-" } else { "+" }),
            DurationKind::Binary(op, left, right) => write!(f, "{left} {op} {right}"),
            DurationKind::Max(left, right) => write!(f, "max_of({left}, {right})"),
            DurationKind::Min(left, right) => write!(f, "min_of({left}, {right})"),
            DurationKind::Paren(inner) => write!(f, "({inner})"),
        }
    }
}

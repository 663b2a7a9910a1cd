//! The tree as text, in Prometheus's canonical spelling.

use std::{
    fmt::{self, Display, Formatter},
    sync::LazyLock,
};

use narthex_model::{METRIC_NAME, MatchOp, Matcher, format_duration, is_valid_label_name};
use regex::Regex;

use super::{
    Aggregate, At, Binary, DurationExpr, DurationKind, Expr, ExprKind, MatchCardinality, Span, Subquery,
    VectorMatching, VectorSelector,
};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number { value, duration: true } => {
                f.write_str(&format_duration((value * 1000.0).round() as i64))
            }
            ExprKind::Number { value, .. } => f.write_str(&format_literal(*value)),
            ExprKind::String(text) => f.write_str(&quote(text)),
            ExprKind::Bytes(bytes) => f.write_str(&quote_bytes(bytes)),
            ExprKind::Vector(selector) => {
                write_selector(f, selector)?;
                write_at(f, selector.at)?;
                write_extensions(f, selector)?;
                write_offset(f, &selector.offset)
            }
            ExprKind::Matrix(matrix) => {
                write_selector(f, &matrix.selector)?;
                write!(f, "[{}]", matrix.range)?;
                write_extensions(f, &matrix.selector)?;
                write_at(f, matrix.selector.at)?;
                write_offset(f, &matrix.selector.offset)
            }
            ExprKind::Subquery(subquery) => {
                write!(f, "{}{}", subquery.expr, subquery_suffix(subquery))
            }
            ExprKind::Unary(negative, inner) => write!(f, "{}{inner}", if *negative { "-" } else { "+" }),
            ExprKind::Binary(binary) => {
                write!(f, "{} {} {}", binary.left, binary_operator(binary), binary.right)
            }
            ExprKind::Aggregate(aggregate) => write_aggregate(f, aggregate),
            ExprKind::Call(call) => write!(f, "{}({})", call.function, join(&call.args)),
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::StepInvariant(inner) => inner.fmt(f),
        }
    }
}

/// A float as Prometheus writes it in a query: never with an exponent.
fn format_literal(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { format_number(value) }
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

/// A text in double quotes, with the escapes of Go, which the parser reads.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(c),
            c if c.is_ascii() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Letters, marks, numbers, punctuation and symbols.
fn is_printable(c: char) -> bool {
    static PRINTABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").expect("a constant pattern compiles"));
    PRINTABLE.is_match(c.encode_utf8(&mut [0; 4]))
}

/// A text in quotes, with what is no UTF-8 as numbers.
fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        out.push_str(quote(chunk.valid()).trim_matches('"'));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out + "\""
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

fn write_at(f: &mut Formatter<'_>, at: Option<At>) -> fmt::Result {
    match at {
        Some(At::Time(millis)) => {
            let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
            write!(f, " @ {sign}{}.{:03}", millis / 1000, millis % 1000)
        }
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
        None => Ok(()),
    }
}

fn write_offset(f: &mut Formatter<'_>, offset: &Span) -> fmt::Result {
    if *offset == Span::ZERO { Ok(()) } else { write!(f, " offset {offset}") }
}

/// `[range:step] @ t offset d`
pub(super) fn subquery_suffix(subquery: &Subquery) -> impl Display {
    fmt::from_fn(|f| {
        write!(f, "[{}:", subquery.range)?;
        if let Some(step) = &subquery.step {
            write!(f, "{step}")?;
        }
        f.write_str("]")?;
        write_at(f, subquery.at)?;
        write_offset(f, &subquery.offset)
    })
}

/// The operator with its modifiers.
pub(super) fn binary_operator(binary: &Binary) -> impl Display {
    fmt::from_fn(|f| {
        write!(f, "{}", binary.op)?;
        if binary.return_bool {
            f.write_str(" bool")?;
        }
        binary.matching.as_ref().map_or(Ok(()), |matching| write_matching(f, matching))
    })
}

fn write_matching(f: &mut Formatter<'_>, matching: &VectorMatching) -> fmt::Result {
    let grouped = matches!(matching.cardinality, MatchCardinality::ManyToOne | MatchCardinality::OneToMany);
    if matching.on || grouped || !matching.labels.is_empty() {
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

/// The operator with its grouping.
pub(super) fn aggregate_head(aggregate: &Aggregate) -> impl Display {
    fmt::from_fn(|f| {
        f.write_str(aggregate.op.as_str())?;
        if aggregate.without {
            return write!(f, " without ({}) ", join_labels(&aggregate.grouping));
        }
        if aggregate.grouping.is_empty() {
            return Ok(());
        }
        write!(f, " by ({}) ", join_labels(&aggregate.grouping))
    })
}

fn write_aggregate(f: &mut Formatter<'_>, aggregate: &Aggregate) -> fmt::Result {
    write!(f, "{}", aggregate_head(aggregate))?;
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
            DurationKind::Number(value, false) => f.write_str(&format_literal(*value)),
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Unary(negative, inner) => write!(f, "{}{inner}", if *negative { "-" } else { "" }),
            DurationKind::Binary(op, left, right) => write!(f, "{left} {op} {right}"),
            DurationKind::Max(left, right) => write!(f, "max_of({left}, {right})"),
            DurationKind::Min(left, right) => write!(f, "min_of({left}, {right})"),
            DurationKind::Paren(inner) => write!(f, "({inner})"),
        }
    }
}

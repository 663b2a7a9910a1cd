//! Text to tree: a hand-written parser for the whole of Prometheus 3.14's language, with its error texts.
//!
//! Lexer, precedence-climbing grammar, then type checks. The first error ends the parse. Nesting is bounded
//! ([`MAX_DEPTH`]), so that hostile text cannot exhaust the stack here or in the engine.

mod check;
mod duration;
mod functions;
mod grammar;
mod lexer;
mod literal;
mod selector;
mod tokens;

#[cfg(test)]
mod tests;

use narthex_model::{Labels, Matcher};

pub(crate) use duration::MAX_SECONDS;
pub use functions::{Signature, lookup as signature};
pub(crate) use literal::{number as parse_number, unquote};
use tokens::Tokens;

use crate::{
    ast::Expr,
    error::{ParseError, PositionRange},
};

/// Deepest nesting of a query.
pub(crate) const MAX_DEPTH: usize = 100;

/// Most binary operators in a query.
pub(crate) const MAX_OPERATORS: usize = 300;

/// Parses and type-checks a query.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    let mut tokens = Tokens::new(text);
    if tokens.at_end() {
        return Err(ParseError {
            position: PositionRange::default(),
            message: "no expression found in input".into(),
        });
    }
    let expr = grammar::expression(&mut tokens)?;
    tokens.expect_end()?;
    check::check(&expr)?;
    Ok(grammar::settle(expr))
}

/// Parses a selector as `match[]` takes it: a metric name, matchers in braces, or both, without modifiers.
/// One that could match every series is refused.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut tokens = Tokens::new(text);
    let (selector, position) = selector::vector(&mut tokens)?;
    tokens.expect_end()?;
    check::name_set_once(&selector, position)?;
    if selector.matchers.iter().all(Matcher::matches_empty) {
        return Err(ParseError {
            position,
            message: "match[] must contain at least one non-empty matcher".into(),
        });
    }
    Ok(selector.matchers)
}

/// Parses a series as metric name and labels with equality only: `up{job="x"}`.
pub(crate) fn parse_series(text: &str) -> Result<Labels, ParseError> {
    let mut tokens = Tokens::new(text);
    let (selector, _) = selector::vector(&mut tokens)?;
    tokens.expect_end()?;
    Ok(Labels::from_pairs(selector.matchers.iter().map(|matcher| (matcher.name(), matcher.value()))))
}

/// A number with an optional sign, and nothing else.
pub(crate) fn parse_signed_number(text: &str) -> Option<f64> {
    match text.strip_prefix('-') {
        Some(rest) => parse_number(rest).map(|value| -value),
        None => parse_number(text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Reads a `step` or `timeout` as the API takes it: a duration or a number of seconds. Milliseconds.
pub fn parse_duration_or_number(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = seconds * 1000.0;
        return (millis.is_finite() && millis.abs() < 9.2e18).then_some(millis as i64);
    }
    narthex_model::parse_duration(text).ok()
}

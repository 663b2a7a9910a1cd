//! Vector selectors: a name, matchers in braces, or both; and lists of grouping labels.

use narthex_model::{METRIC_NAME, MatchOp, Matcher};

use super::{lexer::TokenKind, literal, tokens::Tokens};
use crate::{
    ast::{Span, VectorSelector},
    error::{ParseError, PositionRange},
};

/// Words that cannot name a metric outside of braces.
const NO_METRIC: [&str; 6] = ["on", "ignoring", "group_left", "group_right", "bool", "atan2"];

/// Whether the current token can begin a selector.
pub(super) fn can_start(tokens: &Tokens<'_>) -> bool {
    match tokens.peek().kind {
        TokenKind::MetricIdent | TokenKind::Op("{") => true,
        TokenKind::Ident => !NO_METRIC.iter().any(|word| tokens.is_word(word)),
        _ => false,
    }
}

/// Parses a selector without modifiers.
pub(super) fn vector(tokens: &mut Tokens<'_>) -> Result<(VectorSelector, PositionRange), ParseError> {
    if !can_start(tokens) {
        return Err(tokens.unexpected("", ""));
    }
    let start = tokens.position();
    let name = (!tokens.is_op("{")).then(|| tokens.text().to_owned());
    if name.is_some() {
        tokens.take();
    }
    let mut matchers = if tokens.is_op("{") { matchers(tokens)? } else { Vec::new() };
    matchers.extend(name.as_deref().map(|name| Matcher::equal(METRIC_NAME, name)));
    let selector =
        VectorSelector { name, matchers, offset: Span::ZERO, at: None, anchored: false, smoothed: false };
    Ok((selector, start.until(tokens.last_end())))
}

fn matchers(tokens: &mut Tokens<'_>) -> Result<Vec<Matcher>, ParseError> {
    tokens.take();
    let mut matchers = Vec::new();
    while !tokens.take_op("}") {
        matchers.push(matcher(tokens)?);
        if !tokens.take_op(",") && !tokens.is_op("}") {
            return Err(tokens.unexpected("label matching", "\",\" or \"}\""));
        }
    }
    Ok(matchers)
}

fn matcher(tokens: &mut Tokens<'_>) -> Result<Matcher, ParseError> {
    let position = tokens.position();
    let quoted = tokens.peek().kind == TokenKind::String;
    let name = match tokens.peek().kind {
        TokenKind::Ident => tokens.text().to_owned(),
        TokenKind::String => string(tokens)?,
        _ => return Err(tokens.unexpected("label matching", "identifier or \"}\"")),
    };
    if !quoted {
        tokens.take();
    }
    let op = match tokens.peek().kind {
        TokenKind::Op("=") => MatchOp::Equal,
        TokenKind::Op("!=") => MatchOp::NotEqual,
        TokenKind::Op("=~") => MatchOp::Regex,
        TokenKind::Op("!~") => MatchOp::NotRegex,
        _ if quoted => return Ok(Matcher::equal(METRIC_NAME, &name)),
        _ => return Err(tokens.unexpected("label matching", "label matching operator")),
    };
    tokens.take();
    if tokens.peek().kind != TokenKind::String {
        return Err(tokens.unexpected("label matching", "string"));
    }
    let value = string(tokens)?;
    Matcher::new(&name, op, &value).map_err(|error| ParseError { position, message: error.to_string() })
}

/// Takes a string token and resolves its escapes.
pub(super) fn string(tokens: &mut Tokens<'_>) -> Result<String, ParseError> {
    let token = tokens.take();
    let text = tokens.token_text(&token);
    literal::unquote(text).ok_or_else(|| ParseError {
        position: token.position,
        message: format!("error unquoting string {text:?}: invalid syntax"),
    })
}

/// Parses `(label, "label", ...)`.
pub(super) fn grouping(tokens: &mut Tokens<'_>) -> Result<Vec<String>, ParseError> {
    tokens.expect_op("(", "grouping opts", "\"(\"")?;
    let mut labels = Vec::new();
    while !tokens.take_op(")") {
        match tokens.peek().kind {
            TokenKind::Ident | TokenKind::MetricIdent => {
                labels.push(tokens.text().to_owned());
                tokens.take();
            }
            TokenKind::String => {
                let position = tokens.position();
                let label = string(tokens)?;
                if label.is_empty() {
                    let message = format!("invalid label name for grouping: {label:?}");
                    return Err(ParseError { position, message });
                }
                labels.push(label);
            }
            _ => return Err(tokens.unexpected("grouping opts", "label")),
        }
        if !tokens.take_op(",") && !tokens.is_op(")") {
            return Err(tokens.unexpected("grouping opts", "\",\" or \")\""));
        }
    }
    Ok(labels)
}

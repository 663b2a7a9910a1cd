//! Durations: literals, and arithmetic on them with `step()`, `range()`, `max_of` and `min_of`.
//!
//! Values are seconds while they are computed and milliseconds in [`Span`].

use narthex_model::parse_duration;

use super::{lexer::TokenKind, literal, tokens::Tokens};
use crate::{
    ast::{BinaryOp, DurationExpr, DurationKind, Span},
    error::{ParseError, PositionRange},
};

/// Largest length of time in seconds: what 64-bit nanoseconds hold.
pub(crate) const MAX_SECONDS: f64 = 9_223_372_036.854_776;

/// A range or step in brackets, which must be above zero.
pub(super) fn positive(tokens: &mut Tokens<'_>) -> Result<Span, ParseError> {
    let expr = expression(tokens, 0)?;
    if let DurationKind::Number(value, _) = expr.kind
        && value <= 0.0
    {
        return Err(complain(expr.position, "duration must be greater than 0"));
    }
    Ok(span(expr))
}

/// What follows `offset`: it binds tighter than operators, so arithmetic needs parentheses or a function.
pub(super) fn offset(tokens: &mut Tokens<'_>) -> Result<Span, ParseError> {
    if !starts(tokens) {
        return Err(tokens.unexpected("offset", "number, duration, step(), or range()"));
    }
    let start = tokens.position();
    let negative = tokens.is_op("-");
    if !negative && !tokens.is_op("+") {
        return primary(tokens).map(span);
    }
    tokens.take();
    if !starts(tokens) {
        return Err(tokens.unexpected("offset", "number, duration, step(), or range()"));
    }
    let operand = primary(tokens)?;
    Ok(span(sign(negative, operand, start)))
}

/// Whether the current token can begin a duration expression.
pub(super) fn starts(tokens: &Tokens<'_>) -> bool {
    let call = ["step", "range", "max_of", "min_of"].iter().any(|word| tokens.is_word(word));
    call || matches!(
        tokens.peek().kind,
        TokenKind::Number | TokenKind::Duration | TokenKind::Op("+" | "-" | "(")
    )
}

fn span(expr: DurationExpr) -> Span {
    match expr.kind {
        DurationKind::Number(seconds, _) => Span::Fixed((seconds * 1e9).round() as i64 / 1_000_000),
        _ => Span::Computed(Box::new(expr)),
    }
}

fn complain(position: PositionRange, message: &str) -> ParseError {
    ParseError { position, message: message.into() }
}

fn sign(negative: bool, operand: DurationExpr, start: PositionRange) -> DurationExpr {
    let position = start.until(operand.position.end);
    let kind = match operand.kind {
        DurationKind::Number(value, units) => {
            DurationKind::Number(if negative { -value } else { value }, units)
        }
        _ if !negative => return operand,
        _ => DurationKind::Unary(true, Box::new(operand)),
    };
    DurationExpr { kind, position }
}

fn expression(tokens: &mut Tokens<'_>, min: u8) -> Result<DurationExpr, ParseError> {
    tokens.enter()?;
    let mut left = unary(tokens)?;
    loop {
        let op = match tokens.peek().kind {
            TokenKind::Op(text @ ("+" | "-" | "*" | "/" | "%" | "^")) => BinaryOp::from_text(text),
            _ => None,
        };
        let Some(op) = op.filter(|op| op.precedence() >= min) else { break };
        let at = tokens.take().position;
        let right = expression(tokens, op.precedence() + u8::from(op != BinaryOp::Pow))?;
        let zero = matches!(right.kind, DurationKind::Number(value, _) if value == 0.0);
        match op {
            BinaryOp::Div if zero => return Err(complain(at, "division by zero")),
            BinaryOp::Mod if zero => return Err(complain(at, "modulo by zero")),
            _ => {}
        }
        let position = left.position.until(right.position.end);
        left = DurationExpr { kind: DurationKind::Binary(op, Box::new(left), Box::new(right)), position };
    }
    tokens.leave();
    Ok(left)
}

fn unary(tokens: &mut Tokens<'_>) -> Result<DurationExpr, ParseError> {
    let negative = tokens.is_op("-");
    if !negative && !tokens.is_op("+") {
        return primary(tokens);
    }
    let start = tokens.take().position;
    let operand = expression(tokens, BinaryOp::Pow.precedence())?;
    Ok(sign(negative, operand, start))
}

fn primary(tokens: &mut Tokens<'_>) -> Result<DurationExpr, ParseError> {
    let start = tokens.position();
    let kind = match tokens.peek().kind {
        TokenKind::Number | TokenKind::Duration => literal(tokens)?,
        TokenKind::Op("(") => {
            tokens.take();
            let inner = expression(tokens, 0)?;
            tokens.expect_op(")", "", "")?;
            DurationKind::Paren(Box::new(inner))
        }
        TokenKind::Ident if starts(tokens) => function(tokens)?,
        _ => {
            return Err(
                tokens.unexpected("subquery or range selector", "number, duration, step(), or range()")
            );
        }
    };
    Ok(DurationExpr { kind, position: start.until(tokens.last_end()) })
}

fn literal(tokens: &mut Tokens<'_>) -> Result<DurationKind, ParseError> {
    let (value, units) = number_or_duration(tokens)?;
    if value.is_nan() || value.abs() > MAX_SECONDS {
        return Err(complain(tokens.position(), "duration out of range"));
    }
    Ok(DurationKind::Number(value, units))
}

/// Takes a number or duration token; a duration becomes seconds.
pub(super) fn number_or_duration(tokens: &mut Tokens<'_>) -> Result<(f64, bool), ParseError> {
    let token = tokens.take();
    let text = tokens.token_text(&token);
    let position = token.position;
    if token.kind == TokenKind::Duration {
        let millis = parse_duration(text).map_err(|error| complain(position, &error.to_string()))?;
        return Ok((millis as f64 / 1000.0, true));
    }
    let value = literal::number(text)
        .ok_or_else(|| complain(position, &format!("error parsing number: {text:?}")))?;
    Ok((value, false))
}

fn function(tokens: &mut Tokens<'_>) -> Result<DurationKind, ParseError> {
    let token = tokens.take();
    let name = tokens.token_text(&token).to_ascii_lowercase();
    tokens.expect_op("(", "", "")?;
    let kind = match name.as_str() {
        "step" => DurationKind::Step,
        "range" => DurationKind::Range,
        _ => {
            let left = Box::new(expression(tokens, 0)?);
            tokens.expect_op(",", "", "")?;
            let right = Box::new(expression(tokens, 0)?);
            if name == "max_of" { DurationKind::Max(left, right) } else { DurationKind::Min(left, right) }
        }
    };
    tokens.expect_op(")", "", "")?;
    Ok(kind)
}

//! The grammar of expressions: precedence climbing over operators, then primaries with their postfix modifiers.

use super::{duration, functions, lexer::TokenKind, literal, selector, tokens::Tokens};
use crate::{
    ast::{
        Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Expr, ExprKind, MatchCardinality, MatrixSelector,
        Span, Subquery, ValueType, VectorMatching,
    },
    error::{ParseError, PositionRange},
};

/// Binding strength of the operand of a sign: tighter than `*`, looser than `^`.
const UNARY: u8 = 6;

/// Parses a whole expression.
pub(super) fn expression(tokens: &mut Tokens<'_>) -> Result<Expr, ParseError> {
    binary(tokens, 0)
}

/// Gives checked operators their final matching: none unless both sides are vectors, many-to-many for set operators.
pub(super) fn settle(mut expr: Expr) -> Expr {
    match &mut expr.kind {
        ExprKind::Binary(binary) => {
            let vectors =
                [&binary.left, &binary.right].iter().all(|side| side.value_type() == ValueType::Vector);
            if !vectors {
                binary.matching = None;
            } else if let Some(matching) = &mut binary.matching
                && binary.op.is_set()
            {
                matching.cardinality = MatchCardinality::ManyToMany;
            }
            settle_in_place(&mut binary.left);
            settle_in_place(&mut binary.right);
        }
        ExprKind::Subquery(subquery) => settle_in_place(&mut subquery.expr),
        ExprKind::Unary(_, inner) | ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => {
            settle_in_place(inner)
        }
        ExprKind::Aggregate(aggregate) => {
            settle_in_place(&mut aggregate.expr);
            aggregate.param.iter_mut().for_each(settle_in_place);
        }
        ExprKind::Call(call) => call.args.iter_mut().for_each(settle_in_place),
        ExprKind::Number { .. }
        | ExprKind::String(_)
        | ExprKind::Bytes(_)
        | ExprKind::Vector(_)
        | ExprKind::Matrix(_) => {}
    }
    expr
}

fn settle_in_place(expr: &mut Expr) {
    let placeholder = Expr { kind: ExprKind::String(String::new()), position: expr.position };
    *expr = settle(std::mem::replace(expr, placeholder));
}

fn complain<T>(position: PositionRange, message: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError { position, message: message.into() })
}

fn binary(tokens: &mut Tokens<'_>, min: u8) -> Result<Expr, ParseError> {
    tokens.enter()?;
    let mut left = unary(tokens)?;
    while let Some(op) = operator(tokens).filter(|op| op.precedence() >= min) {
        tokens.link()?;
        let op_position = tokens.take().position;
        let (return_bool, matching) = modifiers(tokens)?;
        let right = binary(tokens, op.precedence() + u8::from(op != BinaryOp::Pow))?;
        let position = left.position.until(right.position.end);
        let node = Binary { op, op_position, left, right, return_bool, matching: Some(matching) };
        left = Expr { kind: ExprKind::Binary(Box::new(node)), position };
    }
    tokens.leave();
    Ok(left)
}

fn operator(tokens: &Tokens<'_>) -> Option<BinaryOp> {
    match tokens.peek().kind {
        TokenKind::Op(op) => BinaryOp::from_text(op),
        TokenKind::Ident => BinaryOp::from_text(&tokens.text().to_ascii_lowercase()),
        _ => None,
    }
}

fn unary(tokens: &mut Tokens<'_>) -> Result<Expr, ParseError> {
    let negative = tokens.is_op("-");
    if !negative && !tokens.is_op("+") {
        return postfix(tokens);
    }
    let start = tokens.take().position;
    let operand = binary(tokens, UNARY)?;
    let position = start.until(operand.position.end);
    let kind = match operand.kind {
        ExprKind::Number { value, duration } => {
            ExprKind::Number { value: if negative { -value } else { value }, duration }
        }
        _ => ExprKind::Unary(negative, Box::new(operand)),
    };
    Ok(Expr { kind, position })
}

fn modifiers(tokens: &mut Tokens<'_>) -> Result<(bool, VectorMatching), ParseError> {
    let return_bool = tokens.take_word("bool");
    let mut matching = VectorMatching::default();
    if tokens.is_word("on") || tokens.is_word("ignoring") {
        matching.on = tokens.is_word("on");
        tokens.take();
        matching.labels = selector::grouping(tokens)?;
        for (word, cardinality) in
            [("group_left", MatchCardinality::ManyToOne), ("group_right", MatchCardinality::OneToMany)]
        {
            if matching.cardinality == MatchCardinality::OneToOne && tokens.take_word(word) {
                matching.cardinality = cardinality;
                if tokens.is_op("(") {
                    matching.include = selector::grouping(tokens)?;
                }
            }
        }
    }
    fill(tokens, &mut matching)?;
    Ok((return_bool, matching))
}

fn fill(tokens: &mut Tokens<'_>, matching: &mut VectorMatching) -> Result<(), ParseError> {
    // Without parentheses these words are metric names.
    while tokens.next_is_op("(") {
        let (left, right) =
            match (tokens.is_word("fill"), tokens.is_word("fill_left"), tokens.is_word("fill_right")) {
                (true, ..) if matching.fill_left.is_none() && matching.fill_right.is_none() => (true, true),
                (_, true, _) if matching.fill_left.is_none() => (true, false),
                (.., true) if matching.fill_right.is_none() => (false, true),
                _ => return Ok(()),
            };
        tokens.take();
        tokens.take();
        let negative = tokens.is_op("-");
        if negative || tokens.is_op("+") {
            tokens.take();
        }
        if !matches!(tokens.peek().kind, TokenKind::Number | TokenKind::Duration) {
            return Err(tokens.unexpected("", ""));
        }
        let (value, _) = duration::number_or_duration(tokens)?;
        let value = if negative { -value } else { value };
        tokens.expect_op(")", "", "")?;
        if left {
            matching.fill_left = Some(value);
        }
        if right {
            matching.fill_right = Some(value);
        }
    }
    Ok(())
}

fn postfix(tokens: &mut Tokens<'_>) -> Result<Expr, ParseError> {
    let mut expr = primary(tokens)?;
    loop {
        let position = expr.position;
        if tokens.is_op("[") {
            expr = bracket(tokens, expr)?;
        } else if tokens.take_word("offset") {
            let offset = duration::offset(tokens)?;
            let Some((current, _)) = time_modifiers(&mut expr) else {
                return complain(
                    position,
                    "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
                );
            };
            if *current != Span::ZERO {
                return complain(position, "offset may not be set multiple times");
            }
            *current = offset;
        } else if tokens.take_op("@") {
            at_modifier(tokens, &mut expr)?;
        } else if tokens.is_word("anchored") || tokens.is_word("smoothed") {
            extend(tokens, &mut expr)?;
        } else {
            expr.position.end = expr.position.end.max(tokens.last_end());
            return Ok(expr);
        }
    }
}

fn time_modifiers(expr: &mut Expr) -> Option<(&mut Span, &mut Option<At>)> {
    match &mut expr.kind {
        ExprKind::Vector(selector) => Some((&mut selector.offset, &mut selector.at)),
        ExprKind::Matrix(matrix) => Some((&mut matrix.selector.offset, &mut matrix.selector.at)),
        ExprKind::Subquery(subquery) => Some((&mut subquery.offset, &mut subquery.at)),
        _ => None,
    }
}

fn at_modifier(tokens: &mut Tokens<'_>, expr: &mut Expr) -> Result<(), ParseError> {
    let position = expr.position;
    let at = if tokens.is_word("start") || tokens.is_word("end") {
        let at = if tokens.is_word("start") { At::Start } else { At::End };
        tokens.take();
        tokens.expect_op("(", "", "")?;
        tokens.expect_op(")", "", "")?;
        at
    } else {
        let negative = tokens.is_op("-");
        if negative || tokens.is_op("+") {
            tokens.take();
        }
        if !matches!(tokens.peek().kind, TokenKind::Number | TokenKind::Duration) {
            return Err(tokens.unexpected("@", "timestamp"));
        }
        let (value, _) = duration::number_or_duration(tokens)?;
        let seconds = if negative { -value } else { value };
        if !seconds.is_finite() || seconds.abs() >= i64::MAX as f64 {
            return complain(position, format!("timestamp out of bounds for @ modifier: {seconds:.6}"));
        }
        At::Time((seconds * 1000.0).round() as i64)
    };
    let Some((_, current)) = time_modifiers(expr) else {
        return complain(
            position,
            "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        );
    };
    if current.is_some() {
        return complain(position, "@ <timestamp> may not be set multiple times");
    }
    *current = Some(at);
    Ok(())
}

fn extend(tokens: &mut Tokens<'_>, expr: &mut Expr) -> Result<(), ParseError> {
    let anchored = tokens.is_word("anchored");
    let word = if anchored { "anchored" } else { "smoothed" };
    tokens.take();
    let position = expr.position;
    let selector = match &mut expr.kind {
        ExprKind::Vector(selector) => selector,
        ExprKind::Matrix(matrix) => &mut matrix.selector,
        ExprKind::Subquery(_) => {
            return complain(position, format!("{word} modifier is not supported for subqueries"));
        }
        _ => return complain(position, format!("{word} modifier not implemented")),
    };
    *(if anchored { &mut selector.anchored } else { &mut selector.smoothed }) = true;
    if selector.anchored && selector.smoothed {
        return complain(position, "anchored and smoothed modifiers cannot be used together");
    }
    Ok(())
}

fn bracket(tokens: &mut Tokens<'_>, expr: Expr) -> Result<Expr, ParseError> {
    let open = tokens.take().position;
    if !duration::starts(tokens) {
        return Err(tokens.unexpected("subquery or range selector", "number, duration, step(), or range()"));
    }
    let range = duration::positive(tokens)?;
    let start = expr.position;
    if tokens.take_op(":") {
        let step = if tokens.is_op("]") {
            None
        } else if duration::starts(tokens) {
            Some(duration::positive(tokens)?)
        } else {
            return Err(tokens.unexpected("subquery selector", "number, duration, step(), range(), or \"]\""));
        };
        tokens.expect_op("]", "subquery selector", "\"]\"")?;
        let subquery = Subquery { expr, range, step, offset: Span::ZERO, at: None };
        return Ok(Expr {
            kind: ExprKind::Subquery(Box::new(subquery)),
            position: start.until(tokens.last_end()),
        });
    }
    tokens.expect_op("]", "subquery or range", "\":\" or \"]\"")?;
    let position = start.until(tokens.last_end());
    let ExprKind::Vector(selector) = expr.kind else {
        return complain(open, "ranges only allowed for vector selectors");
    };
    if selector.offset != Span::ZERO {
        return complain(open, "no offset modifiers allowed before range");
    }
    if selector.at.is_some() {
        return complain(open, "no @ modifiers allowed before range");
    }
    Ok(Expr {
        kind: ExprKind::Matrix(MatrixSelector { selector, selector_position: start, range }),
        position,
    })
}

fn string(tokens: &mut Tokens<'_>) -> Result<ExprKind, ParseError> {
    match literal::unquote_bytes(tokens.text()).map(String::from_utf8) {
        Some(Err(error)) => {
            tokens.take();
            Ok(ExprKind::Bytes(error.into_bytes()))
        }
        _ => selector::string(tokens).map(ExprKind::String),
    }
}

fn primary(tokens: &mut Tokens<'_>) -> Result<Expr, ParseError> {
    let start = tokens.position();
    let kind = match tokens.peek().kind {
        TokenKind::Number | TokenKind::Duration => {
            let (value, duration) = duration::number_or_duration(tokens)?;
            ExprKind::Number { value, duration }
        }
        TokenKind::String => string(tokens)?,
        TokenKind::Op("(") => {
            tokens.take();
            let inner = expression(tokens)?;
            tokens.expect_op(")", "", "")?;
            ExprKind::Paren(Box::new(inner))
        }
        TokenKind::Ident if is_aggregation(tokens) => aggregate(tokens)?,
        TokenKind::Ident if tokens.next_is_op("(") && selector::can_start(tokens) => call(tokens)?,
        _ => {
            let (selector, position) = selector::vector(tokens)?;
            return Ok(Expr { kind: ExprKind::Vector(selector), position });
        }
    };
    Ok(Expr { kind, position: start.until(tokens.last_end()) })
}

fn is_aggregation(tokens: &Tokens<'_>) -> bool {
    let op = AggregateOp::from_text(&tokens.text().to_ascii_lowercase());
    op.is_some() && (tokens.next_is_op("(") || tokens.next_is_word("by") || tokens.next_is_word("without"))
}

fn aggregate(tokens: &mut Tokens<'_>) -> Result<ExprKind, ParseError> {
    let start = tokens.position();
    let op = AggregateOp::from_text(&tokens.text().to_ascii_lowercase());
    tokens.take();
    let mut grouping = group_clause(tokens)?;
    if !tokens.is_op("(") {
        return Err(tokens.unexpected("aggregation", ""));
    }
    let mut args = arguments(tokens)?;
    if grouping.is_none() {
        grouping = group_clause(tokens)?;
    }
    let (without, grouping) = grouping.unwrap_or_default();
    let Some(op) = op else { return Err(tokens.unexpected("aggregation", "")) };
    let desired = 1 + usize::from(op.has_param());
    if args.is_empty() {
        return complain(start, "no arguments for aggregate expression provided");
    }
    if args.len() != desired {
        let message = format!(
            "wrong number of arguments for aggregate expression provided, expected {desired}, got {}",
            args.len()
        );
        return complain(start, message);
    }
    let expr = args.remove(desired - 1);
    Ok(ExprKind::Aggregate(Box::new(Aggregate { op, expr, param: args.pop(), grouping, without })))
}

fn group_clause(tokens: &mut Tokens<'_>) -> Result<Option<(bool, Vec<String>)>, ParseError> {
    let without = tokens.is_word("without");
    if !without && !tokens.is_word("by") {
        return Ok(None);
    }
    tokens.take();
    Ok(Some((without, selector::grouping(tokens)?)))
}

fn call(tokens: &mut Tokens<'_>) -> Result<ExprKind, ParseError> {
    let token = tokens.take();
    let name = tokens.token_text(&token);
    let keyword = ["start", "end", "step", "range", "max_of", "min_of"]
        .iter()
        .find(|word| name.eq_ignore_ascii_case(word));
    let signature = functions::lookup(keyword.copied().unwrap_or(name));
    let args = arguments(tokens)?;
    match signature {
        Some(signature) => {
            Ok(ExprKind::Call(Call { function: signature.name, returns: signature.returns, args }))
        }
        None => complain(token.position, format!("unknown function with name {name:?}")),
    }
}

fn arguments(tokens: &mut Tokens<'_>) -> Result<Vec<Expr>, ParseError> {
    tokens.take();
    let mut args = Vec::new();
    if tokens.take_op(")") {
        return Ok(args);
    }
    loop {
        args.push(expression(tokens)?);
        let comma = tokens.position();
        if tokens.take_op(")") {
            return Ok(args);
        }
        tokens.expect_op(",", "", "")?;
        if tokens.is_op(")") {
            return complain(comma, "trailing commas not allowed in function call args");
        }
    }
}

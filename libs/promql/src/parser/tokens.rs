//! The token stream that the grammar reads, with one way to complain.

use super::{
    MAX_DEPTH, MAX_OPERATORS,
    lexer::{Token, TokenKind, tokenize},
};
use crate::{
    ast::{AggregateOp, BinaryOp},
    error::{ParseError, PositionRange},
};

const KEYWORDS: [&str; 20] = [
    "and",
    "or",
    "unless",
    "atan2",
    "offset",
    "smoothed",
    "anchored",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "fill",
    "fill_left",
    "fill_right",
    "bool",
    "start",
    "end",
    "step",
];

/// A cursor over tokens.
pub(super) struct Tokens<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    links: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, tokens: tokenize(text), at: 0, depth: 0, links: 0 }
    }

    /// The current token. The last one stays current.
    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    /// Text of the current token.
    pub(super) fn text(&self) -> &'a str {
        self.token_text(self.peek())
    }

    pub(super) fn token_text(&self, token: &Token) -> &'a str {
        &self.text[token.position.start..token.position.end]
    }

    /// Where the current token stands.
    pub(super) fn position(&self) -> PositionRange {
        self.peek().position
    }

    /// Byte offset after the last token taken.
    pub(super) fn last_end(&self) -> usize {
        self.at.checked_sub(1).map_or(0, |at| self.tokens[at].position.end)
    }

    /// Takes the current token.
    pub(super) fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.peek().kind, TokenKind::Op(found) if found == op)
    }

    pub(super) fn next_is_op(&self, op: &str) -> bool {
        matches!(self.peek_at(1).kind, TokenKind::Op(found) if found == op)
    }

    /// Takes the punctuation `op` if it is next.
    pub(super) fn take_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.take();
        }
        found
    }

    /// Whether the current token is one of these words, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.peek().kind == TokenKind::Ident && self.text().eq_ignore_ascii_case(word)
    }

    pub(super) fn next_is_word(&self, word: &str) -> bool {
        let next = self.peek_at(1);
        next.kind == TokenKind::Ident && self.token_text(next).eq_ignore_ascii_case(word)
    }

    /// Takes a word if it is next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.take();
        }
        found
    }

    pub(super) fn at_end(&self) -> bool {
        self.peek().kind == TokenKind::Eof
    }

    pub(super) fn expect_end(&self) -> Result<(), ParseError> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected("", "")) }
    }

    /// Takes `op` or complains.
    pub(super) fn expect_op(&mut self, op: &str, context: &str, expected: &str) -> Result<Token, ParseError> {
        if self.is_op(op) { Ok(self.take()) } else { Err(self.unexpected(context, expected)) }
    }

    /// Enters a level of nesting.
    pub(super) fn enter(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("expression is nested deeper than {MAX_DEPTH} levels");
            return Err(ParseError { position: self.position(), message });
        }
        Ok(())
    }

    /// Counts an operator: chains make the tree as deep as nesting does.
    pub(super) fn link(&mut self) -> Result<(), ParseError> {
        self.links += 1;
        if self.links > MAX_OPERATORS {
            let message = format!("expression has more than {MAX_OPERATORS} binary operators");
            return Err(ParseError { position: self.position(), message });
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The complaint about the current token; the lexer's own, if it made one.
    pub(super) fn unexpected(&self, context: &str, expected: &str) -> ParseError {
        let token = self.peek();
        let position = token.position;
        if let TokenKind::Error(message) = &token.kind {
            return ParseError { position, message: message.clone() };
        }
        let mut message = format!("unexpected {}", self.describe(token));
        if !context.is_empty() {
            message.push_str(&format!(" in {context}"));
        }
        if !expected.is_empty() {
            message.push_str(&format!(", expected {expected}"));
        }
        ParseError { position, message }
    }

    fn describe(&self, token: &Token) -> String {
        let text = self.token_text(token);
        let quoted = || match text.char_indices().nth(10) {
            Some((end, _)) => format!("{:?}...", &text[..end]),
            None => format!("{text:?}"),
        };
        let lower = text.to_ascii_lowercase();
        match &token.kind {
            TokenKind::Eof => "end of input".into(),
            TokenKind::Error(message) => message.clone(),
            TokenKind::Ident if AggregateOp::from_text(&lower).is_some() => format!("<aggr:{lower}>"),
            TokenKind::Ident if BinaryOp::from_text(&lower).is_some() => format!("<op:{lower}>"),
            TokenKind::Ident if KEYWORDS.contains(&lower.as_str()) => format!("<{lower}>"),
            TokenKind::Ident => format!("identifier {text:?}"),
            TokenKind::MetricIdent => format!("metric identifier {text:?}"),
            TokenKind::Number => format!("number {}", quoted()),
            TokenKind::Duration => format!("duration {}", quoted()),
            TokenKind::String => format!("string {}", quoted()),
            TokenKind::Op("(" | ")" | "{" | "}" | "[" | "]" | "," | ":" | "@") => format!("{text:?}"),
            TokenKind::Op(op) => format!("<op:{op}>"),
        }
    }
}

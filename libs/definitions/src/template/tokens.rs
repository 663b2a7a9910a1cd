//! The tokens of a template, one after the other.

use super::{
    TemplateError,
    lexer::{Token, TokenKind},
    place,
};

pub(super) struct Tokens<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str, tokens: Vec<Token<'t>>) -> Self {
        Self { text, tokens, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn take(&mut self) -> Option<Token<'t>> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    pub(super) fn skip_space(&mut self) {
        while self.peek().is_some_and(|token| token.kind == TokenKind::Space) {
            self.at += 1;
        }
    }

    /// Takes the mark, if it is next.
    pub(super) fn mark(&mut self, mark: &str) -> bool {
        let is_next = self.peek().is_some_and(|token| token.kind == TokenKind::Mark && token.text == mark);
        self.at += usize::from(is_next);
        is_next
    }

    /// The place to return to.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn return_to(&mut self, position: usize) {
        self.at = position;
    }

    pub(super) fn complain<T>(&self, message: impl Into<String>) -> Result<T, TemplateError> {
        let token = self.tokens.get(self.at.min(self.tokens.len().saturating_sub(1)));
        let offset = token.map_or(0, |token| token.offset);
        Err(TemplateError { at: place(self.text, offset), message: message.into() })
    }

    /// What comes next does not belong here.
    pub(super) fn unexpected<T>(&self, context: &str) -> Result<T, TemplateError> {
        match self.peek() {
            None => self.complain("unexpected EOF"),
            Some(token) => {
                let text: String = token.text.chars().take(20).collect();
                self.complain(format!("unexpected {text:?} in {context}"))
            }
        }
    }
}

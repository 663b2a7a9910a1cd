//! Text to tokens: literal text between `}}` and `{{`, and what is inside of actions.

use super::{TemplateError, place};

/// A token with its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) kind: TokenKind,
    /// Its text; without trimmed white space for literal text.
    pub(super) text: &'t str,
    /// Byte offset.
    pub(super) offset: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Literal text.
    Text,
    /// `{{`
    Left,
    /// `}}`
    Right,
    Space,
    /// A word: keyword, function, `true`, `nil`.
    Word,
    /// `.name`
    Field,
    /// `$name`
    Variable,
    /// `.` alone
    Dot,
    Number,
    /// In single quotes.
    Character,
    /// In double quotes or back quotes.
    String,
    /// `|`, `,`, `(`, `)`, `=`, `:=`
    Mark,
}

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, TemplateError> {
    let mut lexer = Lexer { text, at: 0, trim: false, tokens: Vec::new() };
    while lexer.at < text.len() {
        lexer.literal()?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// The action before ended with a trim marker.
    trim: bool,
    tokens: Vec<Token<'t>>,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn complain<T>(&self, offset: usize, message: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError { at: place(self.text, offset), message: message.into() })
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        let text = &self.text[self.at..self.at + length];
        self.tokens.push(Token { kind, text, offset: self.at });
        self.at += length;
    }

    /// Literal text, and the action behind it if there is one.
    fn literal(&mut self) -> Result<(), TemplateError> {
        let (start, rest) = (self.at, self.rest());
        let (literal, opens) = match rest.find("{{") {
            Some(length) => (&rest[..length], true),
            None => (rest, false),
        };
        let after = &rest[literal.len()..];
        let trims = opens && after[2..].starts_with('-') && after[3..].starts_with(SPACES);
        let mut kept = literal;
        if self.trim {
            kept = kept.trim_start_matches(SPACES);
        }
        if trims {
            kept = kept.trim_end_matches(SPACES);
        }
        if !kept.is_empty() {
            self.tokens.push(Token { kind: TokenKind::Text, text: kept, offset: start });
        }
        self.at += literal.len();
        self.trim = false;
        if !opens {
            return Ok(());
        }
        let marker = if trims { 4 } else { 2 };
        if after[marker..].starts_with("/*") {
            return self.comment(marker);
        }
        self.push(TokenKind::Left, 2);
        self.at += marker - 2;
        self.action()
    }

    fn comment(&mut self, marker: usize) -> Result<(), TemplateError> {
        let start = self.at;
        self.at += marker;
        let Some(length) = self.rest().find("*/") else { return self.complain(start, "unclosed comment") };
        self.at += length + 2;
        match self.closing() {
            Some(length) => {
                self.at += length;
                Ok(())
            }
            None => self.complain(start, "comment ends before closing delimiter"),
        }
    }

    /// Length of the end of an action here, and whether it trims.
    fn closing(&mut self) -> Option<usize> {
        let rest = self.rest();
        if rest.starts_with(SPACES) && rest[1..].starts_with("-}}") {
            self.trim = true;
            return Some(4);
        }
        rest.starts_with("}}").then_some(2)
    }

    fn action(&mut self) -> Result<(), TemplateError> {
        let start = self.at;
        let mut open = Vec::new();
        loop {
            if let Some(length) = self.closing() {
                if let Some(offset) = open.pop() {
                    return self.complain(offset, "unclosed left paren");
                }
                self.at += length - 2;
                self.push(TokenKind::Right, 2);
                return Ok(());
            }
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return self.complain(start, "unclosed action") };
            match c {
                ' ' | '\t' | '\r' | '\n' => self.spaces(),
                '(' => {
                    open.push(self.at);
                    self.push(TokenKind::Mark, 1);
                }
                ')' => {
                    if open.pop().is_none() {
                        return self.complain(self.at, "unexpected right paren");
                    }
                    self.push(TokenKind::Mark, 1);
                }
                '|' | ',' | '=' => self.push(TokenKind::Mark, 1),
                ':' if rest.starts_with(":=") => self.push(TokenKind::Mark, 2),
                ':' => return self.complain(self.at, "expected :="),
                '"' | '\'' => self.quoted(c)?,
                '`' => match rest[1..].find('`') {
                    Some(length) => self.push(TokenKind::String, length + 2),
                    None => return self.complain(self.at, "unterminated raw quoted string"),
                },
                '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.name(TokenKind::Field)?,
                '$' => self.name(TokenKind::Variable)?,
                '.' | '+' | '-' | '0'..='9' => self.number()?,
                c if is_word(c) => self.name(TokenKind::Word)?,
                c => return self.complain(self.at, format!("unrecognized character in action: {c:?}")),
            }
        }
    }

    /// White space, as far as it does not belong to a trim marker.
    fn spaces(&mut self) {
        let rest = self.rest();
        let mut length = rest.len() - rest.trim_start_matches(SPACES).len();
        if rest[length..].starts_with("-}}") {
            length -= 1;
        }
        if length > 0 {
            self.push(TokenKind::Space, length);
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(), TemplateError> {
        let rest = self.rest();
        let mut escaped = false;
        for (index, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    let kind = if quote == '"' { TokenKind::String } else { TokenKind::Character };
                    self.push(kind, index + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        let what = if quote == '"' { "quoted string" } else { "character constant" };
        self.complain(self.at, format!("unterminated {what}"))
    }

    /// A word, or a field or variable with the character before its name.
    fn name(&mut self, kind: TokenKind) -> Result<(), TemplateError> {
        let rest = self.rest();
        let mark = usize::from(kind != TokenKind::Word);
        let length = mark + rest[mark..].find(|c| !is_word(c)).unwrap_or(rest.len() - mark);
        let ends_well = rest[length..].chars().next().is_none_or(|next| {
            SPACES.contains(&next) || matches!(next, '.' | ',' | '|' | ':' | '=' | '(' | ')' | '}')
        });
        if !ends_well {
            let next = rest[length..].chars().next().unwrap_or_default();
            return self.complain(self.at + length, format!("bad character {next:?}"));
        }
        let kind = if kind == TokenKind::Field && length == 1 { TokenKind::Dot } else { kind };
        self.push(kind, length);
        Ok(())
    }

    fn number(&mut self) -> Result<(), TemplateError> {
        let rest = self.rest();
        let length = super::term::number_length(rest);
        let end = rest[length..].chars().next();
        if length == 0 || end.is_some_and(is_word) {
            let shown: String =
                rest.chars().take_while(|c| is_word(*c) || matches!(c, '.' | '+' | '-')).collect();
            return self.complain(self.at, format!("bad number syntax: {shown:?}"));
        }
        self.push(TokenKind::Number, length);
        Ok(())
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

//! Text to tokens.
//!
//! The whole text is cut at once. What cannot be a token becomes an [`TokenKind::Error`] token, so that the parser reports
//! whichever comes first: its own complaint or the lexer's. Tokens depend on context as in Prometheus: `:` belongs to names
//! outside of brackets, and inside braces only labels, strings and matching operators exist.

use crate::error::PositionRange;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A name or keyword.
    Ident,
    /// A name that contains `:`.
    MetricIdent,
    /// A number.
    Number,
    /// A duration with units.
    Duration,
    /// A quoted text, quotes included.
    String,
    /// Punctuation and operators that are no words.
    Op(&'static str),
    /// End of input.
    Eof,
    /// The lexer's complaint.
    Error(String),
}

/// A token and its place.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) position: PositionRange,
}

/// Longest operators first.
const OPERATORS: [&str; 18] =
    ["==", "!=", "=~", "!~", ">=", "<=", "</", ">/", "+", "-", "*", "/", "%", "^", "<", ">", ",", "@"];

/// Cuts `text` into tokens, the last of which is `Eof` or `Error`.
pub(super) fn tokenize(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
        line_start: 0,
        parens: 0,
        in_brace: false,
        in_bracket: false,
        tokens: Vec::new(),
    };
    while lexer.next() {}
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
    parens: u32,
    in_brace: bool,
    in_bracket: bool,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or_default()
    }

    /// Emits the next token; false after the last.
    fn next(&mut self) -> bool {
        self.skip_blank();
        let Some(first) = self.rest().chars().next() else { return self.end() };
        if self.in_brace {
            return self.inside_braces(first);
        }
        match first {
            '0'..='9' => self.number(),
            '.' if self.byte(self.at + 1).is_ascii_digit() => self.number(),
            '"' | '\'' | '`' => self.string(first),
            'a'..='z' | 'A'..='Z' | '_' => self.word(true),
            ':' if self.in_bracket => self.push(TokenKind::Op(":"), 1),
            ':' => self.word(true),
            '(' => self.open_paren(),
            ')' => self.close_paren(),
            '{' => {
                self.in_brace = true;
                self.push(TokenKind::Op("{"), 1)
            }
            '[' if self.in_bracket => self.fail("unexpected left bracket '['".into()),
            '[' => {
                self.in_bracket = true;
                self.push(TokenKind::Op("["), 1)
            }
            ']' if self.in_bracket => {
                self.in_bracket = false;
                self.push(TokenKind::Op("]"), 1)
            }
            ']' => self.fail("unexpected right bracket ']'".into()),
            '}' => self.fail("unexpected right brace '}'".into()),
            _ => self.operator(first),
        }
    }

    fn open_paren(&mut self) -> bool {
        self.parens += 1;
        self.push(TokenKind::Op("("), 1)
    }

    fn close_paren(&mut self) -> bool {
        if self.parens == 0 {
            return self.fail("unexpected right parenthesis ')'".into());
        }
        self.parens -= 1;
        self.push(TokenKind::Op(")"), 1)
    }

    fn end(&mut self) -> bool {
        if self.in_brace {
            return self.fail("unexpected end of input inside braces".into());
        }
        if self.parens > 0 {
            return self.fail("unclosed left parenthesis".into());
        }
        if self.in_bracket {
            return self.fail("unclosed left bracket".into());
        }
        self.push(TokenKind::Eof, 0);
        false
    }

    fn operator(&mut self, first: char) -> bool {
        if first == '=' && self.byte(self.at + 1) != b'=' && self.byte(self.at + 1) != b'~' {
            return self.push(TokenKind::Op("="), 1);
        }
        if first == '!' && self.byte(self.at + 1) != b'=' {
            let next = self.rest().chars().nth(1).map_or(String::new(), |c| c.to_string());
            return self.fail(format!("unexpected character after '!': '{next}'"));
        }
        match OPERATORS.into_iter().find(|op| self.rest().starts_with(op)) {
            Some(op) => self.push(TokenKind::Op(op), op.len()),
            None => self.fail(format!("unexpected character: '{first}'")),
        }
    }

    fn inside_braces(&mut self, first: char) -> bool {
        match first {
            'a'..='z' | 'A'..='Z' | '_' => self.word(false),
            '"' | '\'' | '`' => self.string(first),
            ',' => self.push(TokenKind::Op(","), 1),
            '}' => {
                self.in_brace = false;
                self.push(TokenKind::Op("}"), 1)
            }
            '{' => self.fail("unexpected left brace '{'".into()),
            _ => {
                let op = ["=~", "!~", "!=", "="].into_iter().find(|op| self.rest().starts_with(op));
                match op {
                    Some(op) => self.push(TokenKind::Op(op), op.len()),
                    None if first == '!' => {
                        let next = self.rest().chars().nth(1).map_or(String::new(), |c| c.to_string());
                        self.fail(format!("unexpected character after '!' inside braces: '{next}'"))
                    }
                    None => self.fail(format!("unexpected character inside braces: '{first}'")),
                }
            }
        }
    }

    fn skip_blank(&mut self) {
        loop {
            match self.byte(self.at) {
                b'\n' => {
                    self.at += 1;
                    self.new_line();
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                _ => return,
            }
        }
    }

    fn new_line(&mut self) {
        self.line += 1;
        self.line_start = self.at;
    }

    fn word(&mut self, colons: bool) -> bool {
        let colons = colons && !self.in_bracket;
        let length = self
            .rest()
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || (colons && *b == b':'))
            .count();
        let word = &self.rest()[..length];
        let kind = if word.contains(':') {
            TokenKind::MetricIdent
        } else if !self.in_brace && (word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("nan")) {
            TokenKind::Number
        } else {
            TokenKind::Ident
        };
        self.push(kind, length)
    }

    fn string(&mut self, quote: char) -> bool {
        let mut end = self.at + 1;
        loop {
            match self.byte(end) {
                0 if end >= self.text.len() => {
                    let kind = if quote == '`' { "raw" } else { "quoted" };
                    return self.fail(format!("unterminated {kind} string"));
                }
                b'\\' if quote != '`' => end += 2,
                b'\n' if quote != '`' => return self.fail("unterminated quoted string".into()),
                byte if char::from(byte) == quote => break,
                _ => end += 1,
            }
        }
        let (start, length) = (self.at, end + 1 - self.at);
        self.push(TokenKind::String, length);
        // Raw strings may span lines.
        let last_break = self.text[start..=end].rfind('\n');
        if let Some(last) = last_break {
            self.line += self.text[start..=end].matches('\n').count() as u32;
            self.line_start = start + last + 1;
        }
        true
    }

    fn number(&mut self) -> bool {
        if let Some(length) = duration_length(self.rest()) {
            return self.push(TokenKind::Duration, length);
        }
        let length = number_length(self.rest());
        let next = self.byte(self.at + length);
        if next.is_ascii_alphanumeric() || next == b'_' {
            let bad = length
                + self.rest()[length..].bytes().take_while(|b| b.is_ascii_alphanumeric()).count().min(1);
            let text = self.rest()[..bad].to_owned();
            return self.fail(format!("bad number or duration syntax: {text:?}"));
        }
        self.push(TokenKind::Number, length)
    }

    fn push(&mut self, kind: TokenKind, length: usize) -> bool {
        let column = (self.at - self.line_start) as u32 + 1;
        let position = PositionRange { start: self.at, end: self.at + length, line: self.line, column };
        self.tokens.push(Token { kind, position });
        self.at += length;
        true
    }

    fn fail(&mut self, message: String) -> bool {
        self.push(TokenKind::Error(message), 0);
        false
    }
}

/// Length of a duration at the start of `text`, if nothing but a duration is there.
fn duration_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let letters = bytes[at + digits..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        if digits == 0 {
            break;
        }
        if !matches!(&text[at + digits..at + digits + letters], "ms" | "s" | "m" | "h" | "d" | "w" | "y") {
            return None;
        }
        at += digits + letters;
    }
    let next = bytes.get(at).copied().unwrap_or_default();
    (at > 0 && !next.is_ascii_alphanumeric() && next != b'_').then_some(at)
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let run = |from: usize, accept: fn(&u8) -> bool| {
        bytes[from.min(bytes.len())..].iter().take_while(|b| accept(b)).count()
    };
    let digit = |b: &u8| b.is_ascii_digit() || *b == b'_';
    if bytes.len() > 2 && bytes[0] == b'0' && bytes[1] | 0x20 == b'x' {
        return 2 + run(2, |b| b.is_ascii_hexdigit() || *b == b'_');
    }
    let mut at = run(0, digit);
    if bytes.get(at) == Some(&b'.') {
        at += 1 + run(at + 1, digit);
    }
    if bytes.get(at).is_some_and(|b| b | 0x20 == b'e') {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let digits = run(at + 1 + sign, digit);
        if digits > 0 {
            at += 1 + sign + digits;
        }
    }
    at
}

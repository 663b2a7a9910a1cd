//! Patterns with `*`, `?` and policy variables, split into pieces once and matched without allocation.
//!
//! Where a wildcard may reach depends on what the pattern is for ([`Wildcards`]). The text that a variable stands for is compared
//! letter by letter: a tag value of `*` is a star, not a wildcard.

mod matcher;

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::{facts::Facts, variable::Variable};

/// What `*` and `?` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wildcards {
    /// Themselves.
    None,
    /// Any text, any character: actions and `StringLike`.
    Anywhere,
    /// Within a segment of an ARN; a `*` that ends its segment also reaches over colons (IAM User Guide, "Resource").
    Resource,
    /// Within one of the six parts of an ARN (IAM User Guide, "Condition operators", ARN).
    Arn,
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    pieces: Box<[Piece]>,
    variables: Box<[Variable]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// Index into the variables.
    Variable(usize),
    /// `?`: one character; a colon only if it crosses.
    One {
        crosses: bool,
    },
    /// `*`: any number of characters; colons only if it crosses.
    Many {
        crosses: bool,
    },
}

/// A `${...}` that is no variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadVariable;

impl Pattern {
    /// Compiles; `variables` says whether `${...}` means anything (it does from version 2012-10-17 on).
    pub(crate) fn new(text: &str, wildcards: Wildcards, variables: bool) -> Result<Self, BadVariable> {
        let mut building = Building::default();
        let mut rest = text;
        let mut colons = 0;
        while let Some(letter) = rest.chars().next() {
            if variables && let Some(after) = rest.strip_prefix("${") {
                let (inside, after) = after.split_once('}').ok_or(BadVariable)?;
                match inside {
                    "*" | "?" | "$" => building.text.push_str(inside),
                    _ => building.variable(Variable::new(inside).ok_or(BadVariable)?),
                }
                rest = after;
                continue;
            }
            rest = &rest[letter.len_utf8()..];
            colons += usize::from(letter == ':');
            let crosses = match wildcards {
                Wildcards::None | Wildcards::Anywhere => true,
                Wildcards::Resource => rest.is_empty() || rest.starts_with(':'),
                Wildcards::Arn => colons >= 5,
            };
            match letter {
                '*' if wildcards != Wildcards::None => building.many(crosses),
                '?' if wildcards != Wildcards::None => {
                    let crosses = crosses && wildcards != Wildcards::Resource;
                    building.piece(Piece::One { crosses });
                }
                _ => building.text.push(letter),
            }
        }
        building.flush();
        Ok(Self { pieces: building.pieces.into(), variables: building.variables.into() })
    }

    /// Whether what it matches depends on the request.
    pub(crate) fn has_variables(&self) -> bool {
        !self.variables.is_empty()
    }

    /// Whether it matches; `None` if a variable has no value.
    pub(crate) fn matches(&self, text: &str, fold: bool, facts: &Facts<'_>) -> Option<bool> {
        if self.variables.is_empty() {
            return Some(self.matches_constant(text, fold));
        }
        let values: Option<SmallVec<[Cow<'_, str>; 2]>> =
            self.variables.iter().map(|variable| variable.resolve(facts)).collect();
        Some(matcher::matches(&self.pieces, &values?, text, fold))
    }

    /// Whether a pattern without variables matches; one with variables does not. `fold` disregards the case of ASCII letters.
    pub(crate) fn matches_constant(&self, text: &str, fold: bool) -> bool {
        !self.has_variables() && matcher::matches(&self.pieces, &[], text, fold)
    }
}

#[derive(Default)]
struct Building {
    pieces: Vec<Piece>,
    variables: Vec<Variable>,
    text: String,
}

impl Building {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.text).into()));
        }
    }

    fn piece(&mut self, piece: Piece) {
        self.flush();
        self.pieces.push(piece);
    }

    fn variable(&mut self, variable: Variable) {
        self.piece(Piece::Variable(self.variables.len()));
        self.variables.push(variable);
    }

    /// Two stars in a row are one, which crosses if either does.
    fn many(&mut self, crosses: bool) {
        if self.text.is_empty()
            && let Some(Piece::Many { crosses: before }) = self.pieces.last_mut()
        {
            *before |= crosses;
        } else {
            self.piece(Piece::Many { crosses });
        }
    }
}

//! What is wrong with a request: all of it at once, in bounded space.

use std::fmt::Write;

use crate::{Unroutable, text::excerpt};

/// Members named in one answer; more are only counted.
const MOST_PROBLEMS: usize = 50;

/// Members whose problems are repeated in the message.
const IN_MESSAGE: usize = 5;

/// Characters of a problem's text.
const LONGEST: usize = 300;

/// The kinds of mistakes, as ValidationException tells them apart (api-control-plane.md section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No operation has this method and path.
    UnknownOperation,
    /// Not JSON, or not of the types that are expected (API-C-12).
    CannotParse,
    /// A member breaks a constraint (API-C-11).
    FieldValidationFailed,
    /// Anything else.
    Other,
}

impl Reason {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownOperation => "UNKNOWN_OPERATION",
            Self::CannotParse => "CANNOT_PARSE",
            Self::FieldValidationFailed => "FIELD_VALIDATION_FAILED",
            Self::Other => "OTHER",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Path of the member, beginning with the name of one of the request's: `limitsPerLabelSet[0].limits.maxSeries`.
    pub name: String,
    /// What is wrong with it.
    pub message: String,
}

/// A request that is refused for what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// [`Reason::CannotParse`] if any value is not of its type, whatever else is wrong.
    pub reason: Reason,
    /// For people: the first problems.
    pub message: String,
    /// The members concerned, at most 50.
    pub fields: Vec<Problem>,
}

impl Invalid {
    pub(crate) fn new(reason: Reason, message: String) -> Self {
        Self { reason, message, fields: Vec::new() }
    }
}

impl From<Unroutable> for Invalid {
    fn from(error: Unroutable) -> Self {
        let message = error.to_string();
        match error {
            Unroutable::UnknownOperation { .. } => Self::new(Reason::UnknownOperation, message),
            Unroutable::BadLabel { label, .. } => {
                let mut problems = Problems::default();
                problems.cannot_parse(label, "is not percent-encoded UTF-8");
                problems.into_result().err().unwrap_or_else(|| Self::new(Reason::CannotParse, message))
            }
        }
    }
}

/// Collects problems.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    fields: Vec<Problem>,
    untold: usize,
    cannot_parse: bool,
}

impl Problems {
    /// A constraint that does not hold.
    pub(crate) fn breaks(&mut self, name: &str, message: impl AsRef<str>) {
        if self.fields.len() == MOST_PROBLEMS {
            self.untold += 1;
            return;
        }
        let message = excerpt(message.as_ref(), LONGEST);
        self.fields.push(Problem { name: name.to_owned(), message });
    }

    /// A value that is not of its type.
    pub(crate) fn cannot_parse(&mut self, name: &str, message: impl AsRef<str>) {
        self.cannot_parse = true;
        self.breaks(name, message);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The refusal, if anything is wrong.
    pub(crate) fn into_result(self) -> Result<(), Invalid> {
        if self.is_empty() {
            return Ok(());
        }
        let mut message = String::new();
        for (at, problem) in self.fields.iter().take(IN_MESSAGE).enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            // Writing to a string does not fail.
            let _ = write!(message, "{separator}{}: {}", problem.name, problem.message);
        }
        let more = self.untold + self.fields.len().saturating_sub(IN_MESSAGE);
        if more > 0 {
            let _ = write!(message, "; and {more} more");
        }
        let reason = if self.cannot_parse { Reason::CannotParse } else { Reason::FieldValidationFailed };
        Err(Invalid { reason, message, fields: self.fields })
    }
}

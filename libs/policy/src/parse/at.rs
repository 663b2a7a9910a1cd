//! Where in a document the parser is, written out only when something is wrong there.

use std::fmt;

use crate::{PolicyError, Problem};

/// A place in a document.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'a> {
    Document,
    Member(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    /// The error that something is wrong here.
    pub(super) fn refuse(&self, problem: Problem) -> PolicyError {
        PolicyError { at: self.to_string(), problem }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("document"),
            Self::Member(Self::Document, name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

//! A YAML document as a tree in which every node knows its place in the uploaded file.
//!
//! One document, no key twice in a mapping, keys that are texts. Aliases and merge keys are resolved, and what they expand to is
//! bounded ([`load::MAX_WEIGHT`]), so that a small file cannot stand for a huge one. Scalars keep their text: like the Go
//! libraries that Prometheus and Alertmanager use, a number where a text belongs is that number's text.

mod load;
mod origin;

use std::rc::Rc;

pub(crate) use load::load;
pub(crate) use origin::Origin;

use crate::problem::Position;

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) kind: Kind,
    /// Nodes and bytes of text in it with all aliases expanded.
    weight: usize,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// A text, number, truth value or nothing.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so that it may be something else than a text.
    pub(crate) plain: bool,
    /// Where the characters of the text are in the file.
    pub(crate) origin: Origin,
}

/// A key of a mapping with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Rc<str>,
    pub(crate) at: Position,
    pub(crate) value: Rc<Node>,
}

impl Node {
    /// Nothing: `~`, `null` or no text at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar)
            if scalar.plain && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, for messages.
    pub(crate) fn sort(&self) -> &'static str {
        match self.kind {
            Kind::Scalar(_) if self.is_null() => "nothing",
            Kind::Scalar(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

#[cfg(test)]
mod yaml_test;

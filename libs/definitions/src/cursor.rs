//! Walks a document: a [`Cursor`] stands on a node, knows its path, and reads it as what it should be.
//!
//! Whatever is not as it should be is a problem and reads as nothing, so that one pass finds all problems. Nothing (`null`) reads as
//! if the key were absent, as in Go.

use std::{collections::BTreeMap, time::Duration};

use narthex_model::parse_duration;

use crate::{
    problem::{Position, Problems, shortened},
    yaml::{Entry, Kind, Node, Origin, Scalar},
};

/// A node with its path.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    node: &'a Node,
    path: String,
    problems: &'a Problems,
}

/// A mapping of which all keys are known.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    cursor: Cursor<'a>,
    entries: &'a [Entry],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(node: &'a Node, path: String, problems: &'a Problems) -> Self {
        Self { node, path, problems }
    }

    /// Adds a problem with this node.
    pub(crate) fn refuse(&self, message: impl Into<String>) {
        self.problems.add(Some(self.node.at), &self.path, message);
    }

    /// Adds a problem with a part of this node's text.
    pub(crate) fn refuse_within(&self, within: Position, message: impl Into<String>) {
        let at = self.origin().map_or(self.node.at, |origin| origin.place(within));
        self.problems.add(Some(at), &self.path, message);
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn problems(&self) -> &'a Problems {
        self.problems
    }

    pub(crate) fn is_null(&self) -> bool {
        self.node.is_null()
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.node.kind, Kind::Map(_))
    }

    /// Where the characters of its text are.
    pub(crate) fn origin(&self) -> Option<Origin> {
        if let Kind::Scalar(scalar) = &self.node.kind { Some(scalar.origin) } else { None }
    }

    fn expected(&self, what: &str) {
        self.refuse(format!("expected {what}, found {}", self.node.sort()));
    }

    fn child(&self, node: &'a Node, segment: &str) -> Self {
        Self { node, path: format!("{}{segment}", self.path), problems: self.problems }
    }

    fn member(&self, entry: &'a Entry) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.child(&entry.value, &format!("{dot}{}", shortened(entry.key.to_string(), 100)))
    }

    /// Any scalar's text.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Scalar(Scalar { text, .. }) => Some(text),
            _ => {
                self.expected("a text");
                None
            }
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        if let Kind::Scalar(scalar) = &self.node.kind
            && scalar.plain
        {
            // What the Go libraries read into a field that is a truth value.
            match scalar.text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "y" | "on" => return Some(true),
                "false" | "no" | "n" | "off" => return Some(false),
                _ => {}
            }
        }
        self.expected("true or false");
        None
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        if let Kind::Scalar(scalar) = &self.node.kind
            && scalar.plain
            && let Ok(number) = scalar.text.parse()
        {
            return Some(number);
        }
        self.expected("an integer");
        None
    }

    /// A whole number from zero.
    pub(crate) fn count(&self) -> Option<u64> {
        let number = self.integer()?;
        u64::try_from(number).map_err(|_| self.refuse(format!("{number} is below zero"))).ok()
    }

    pub(crate) fn duration(&self) -> Option<Duration> {
        match parse_duration(self.text()?) {
            Ok(millis) => Some(Duration::from_millis(millis.unsigned_abs())),
            Err(error) => {
                self.refuse(error.to_string());
                None
            }
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Vec<Self> {
        match &self.node.kind {
            Kind::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.child(item, &format!("[{index}]")))
                .collect(),
            _ => {
                self.expected("a list");
                Vec::new()
            }
        }
    }

    /// The texts of a list.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).map(str::to_owned).collect()
    }

    /// The members of a mapping of any keys.
    pub(crate) fn members(&self) -> Vec<(&'a str, Self)> {
        match &self.node.kind {
            Kind::Map(entries) => entries.iter().map(|entry| (&*entry.key, self.member(entry))).collect(),
            _ => {
                self.expected("a mapping");
                Vec::new()
            }
        }
    }

    /// A mapping from any keys to texts.
    pub(crate) fn text_map(&self) -> BTreeMap<String, String> {
        let members = self.members();
        members.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.text_or_empty()?))).collect()
    }

    /// Any scalar's text, where nothing is the empty text.
    pub(crate) fn text_or_empty(&self) -> Option<String> {
        if self.node.is_null() { Some(String::new()) } else { self.text().map(str::to_owned) }
    }

    /// A mapping whose keys are among `known`. Those of `unsupported`, with their reason, are refused by name, others as unknown.
    pub(crate) fn fields(&self, known: &[&str], unsupported: &[(&str, &str)]) -> Option<Fields<'a>> {
        let Kind::Map(entries) = &self.node.kind else {
            self.expected("a mapping");
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&&*entry.key)) {
            let member = self.member(entry);
            let message = match unsupported.iter().find(|(name, _)| *name == &*entry.key) {
                Some((name, reason)) => format!("{name} is not supported: {reason}"),
                None => format!("field {} not found", shortened(entry.key.to_string(), 100)),
            };
            self.problems.add(Some(entry.at), &member.path, message);
        }
        Some(Fields { cursor: self.clone(), entries })
    }
}

impl<'a> Fields<'a> {
    /// The value of `name`, unless it is absent or nothing.
    pub(crate) fn get(&self, name: &str) -> Option<Cursor<'a>> {
        let entry = self.entries.iter().find(|entry| &*entry.key == name)?;
        (!entry.value.is_null()).then(|| self.cursor.member(entry))
    }

    /// Adds a problem with the mapping.
    pub(crate) fn refuse(&self, message: impl Into<String>) {
        self.cursor.refuse(message);
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.text()
    }

    /// A text that is not empty.
    pub(crate) fn some_text(&self, name: &str) -> Option<&'a str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    pub(crate) fn boolean(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(|value| value.boolean()).unwrap_or(default)
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.get(name).and_then(|value| value.count()).unwrap_or_default()
    }

    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name)?.duration()
    }

    pub(crate) fn items(&self, name: &str) -> Vec<Cursor<'a>> {
        self.get(name).map(|list| list.items()).unwrap_or_default()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.get(name).map(|list| list.texts()).unwrap_or_default()
    }

    pub(crate) fn text_map(&self, name: &str) -> BTreeMap<String, String> {
        self.get(name).map(|map| map.text_map()).unwrap_or_default()
    }
}

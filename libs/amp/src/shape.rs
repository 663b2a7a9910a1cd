//! The language that the tables in `shapes` are written in: types of the service model as constant data.
//!
//! A shape says what a value may be: kind, bounds, pattern, members. A [`Rule`] adds what the model's prose demands and its traits
//! cannot say. Lengths of text are in Unicode characters, bounds are inclusive.

use std::{borrow::Cow, sync::OnceLock};

use regex::Regex;
use serde_json::Value;

/// A bound that is none.
pub const UNBOUNDED: usize = usize::MAX;

/// A type of the model.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// As the model names it.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// What the prose adds; asked only of values that have the right kind.
    pub rule: Option<Rule>,
}

/// What values are, and within which bounds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A JSON string.
    String(Text),
    /// One of these strings.
    Enum(&'static [&'static str]),
    /// A whole number of 32 bits.
    Integer(i64, i64),
    /// A whole number of 64 bits.
    Long(i64, i64),
    /// A finite number, at least this.
    Double(f64),
    /// `true` or `false`.
    Boolean,
    /// Bytes, as base64 in a JSON string.
    Blob,
    /// Seconds since the epoch, as a JSON number. Only replies hold such.
    Timestamp,
    /// A JSON array of so many items.
    List(&'static Shape, usize, usize),
    /// A JSON object of so many entries.
    Map(Entries),
    /// A JSON object with these members.
    Structure(&'static [Member]),
    /// A JSON object with exactly one of these members.
    Union(&'static [Member]),
}

/// Constraints of a string.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// What the whole text must match.
    pub pattern: Option<&'static Pattern>,
    /// Whether blanks at both ends are cut off before anything is checked.
    pub trimmed: bool,
}

/// Constraints of a map.
#[derive(Debug, Clone, Copy)]
pub struct Entries {
    /// A string.
    pub key: &'static Shape,
    /// Anything.
    pub value: &'static Shape,
    /// Fewest.
    pub min: usize,
    /// Most.
    pub max: usize,
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its name, in JSON and as a label or query parameter.
    pub name: &'static str,
    /// Whether it must be there. In a union: no.
    pub required: bool,
    /// What it holds.
    pub shape: &'static Shape,
    /// Where a request carries it.
    pub location: Location,
}

/// Where a member of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// In the JSON body. So is everything inside of structures, and everything in replies.
    Body,
    /// A label of the path.
    Path,
    /// The query parameter of its name.
    Query,
    /// Every query parameter that is no other member's: its entries.
    QueryRest,
}

/// A condition on a value of the right kind; it answers with what is broken.
pub type Rule = fn(&Value) -> Option<Breach>;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Where below the value, as a continuation of its path; empty: the value itself.
    pub at: &'static str,
    /// What is wrong.
    pub message: Cow<'static, str>,
}

/// A regular expression, compiled when first needed.
#[derive(Debug)]
pub struct Pattern {
    source: &'static str,
    compiled: OnceLock<Regex>,
}

/// The one look-ahead of the model, which the engine does not have: not at the beginning.
const NOT_TWO_UNDERSCORES: &str = "(?!__)";

impl Pattern {
    /// A pattern of the model.
    pub const fn new(source: &'static str) -> Self {
        Self { source, compiled: OnceLock::new() }
    }

    /// As the model spells it.
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// Whether the whole text matches. A dot stands for anything but the ends of lines, as in the model's dialect.
    pub fn matches(&self, text: &str) -> bool {
        let (ahead, source) = match self.source.strip_prefix(NOT_TWO_UNDERSCORES) {
            Some(rest) => (!text.starts_with("__"), rest),
            None => (true, self.source),
        };
        let compile = || Regex::new(&format!(r"\A(?R:{source})\z")).expect("a constant, compiled by a test");
        ahead && self.compiled.get_or_init(compile).is_match(text)
    }
}

/// A [`Pattern`] as a static of its own.
macro_rules! pattern {
    ($source:literal) => {{
        static PATTERN: $crate::shape::Pattern = $crate::shape::Pattern::new($source);
        &PATTERN
    }};
}
pub(crate) use pattern;

const fn shape(name: &'static str, kind: Kind) -> Shape {
    Shape { name, kind, rule: None }
}

pub(crate) const fn string(name: &'static str) -> Shape {
    shape(name, Kind::String(Text { min: 0, max: UNBOUNDED, pattern: None, trimmed: false }))
}

pub(crate) const fn one_of(name: &'static str, values: &'static [&'static str]) -> Shape {
    shape(name, Kind::Enum(values))
}

pub(crate) const fn integer(name: &'static str, min: i32, max: i32) -> Shape {
    shape(name, Kind::Integer(min as i64, max as i64))
}

pub(crate) const fn long(name: &'static str, min: i64) -> Shape {
    shape(name, Kind::Long(min, i64::MAX))
}

pub(crate) const fn double(name: &'static str, min: f64) -> Shape {
    shape(name, Kind::Double(min))
}

pub(crate) const fn boolean(name: &'static str) -> Shape {
    shape(name, Kind::Boolean)
}

pub(crate) const fn blob(name: &'static str) -> Shape {
    shape(name, Kind::Blob)
}

pub(crate) const fn timestamp(name: &'static str) -> Shape {
    shape(name, Kind::Timestamp)
}

pub(crate) const fn list(name: &'static str, of: &'static Shape) -> Shape {
    shape(name, Kind::List(of, 0, UNBOUNDED))
}

pub(crate) const fn map(name: &'static str, key: &'static Shape, value: &'static Shape) -> Shape {
    shape(name, Kind::Map(Entries { key, value, min: 0, max: UNBOUNDED }))
}

pub(crate) const fn structure(name: &'static str, members: &'static [Member]) -> Shape {
    shape(name, Kind::Structure(members))
}

pub(crate) const fn union(name: &'static str, members: &'static [Member]) -> Shape {
    shape(name, Kind::Union(members))
}

impl Shape {
    const fn text(self) -> Text {
        match self.kind {
            Kind::String(text) => text,
            _ => panic!("only strings have these constraints"),
        }
    }

    pub(crate) const fn chars(self, min: usize, max: usize) -> Self {
        Self { kind: Kind::String(Text { min, max, ..self.text() }), ..self }
    }

    pub(crate) const fn matching(self, pattern: &'static Pattern) -> Self {
        Self { kind: Kind::String(Text { pattern: Some(pattern), ..self.text() }), ..self }
    }

    pub(crate) const fn trimmed(self) -> Self {
        Self { kind: Kind::String(Text { trimmed: true, ..self.text() }), ..self }
    }

    pub(crate) const fn items(self, min: usize, max: usize) -> Self {
        match self.kind {
            Kind::List(of, ..) => Self { kind: Kind::List(of, min, max), ..self },
            _ => panic!("only lists have items"),
        }
    }

    pub(crate) const fn entries(self, min: usize, max: usize) -> Self {
        match self.kind {
            Kind::Map(entries) => Self { kind: Kind::Map(Entries { min, max, ..entries }), ..self },
            _ => panic!("only maps have entries"),
        }
    }

    pub(crate) const fn rule(self, rule: Rule) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// The members of a structure or union; of anything else none.
    pub const fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure(members) | Kind::Union(members) => members,
            _ => &[],
        }
    }

    /// A member by its name.
    pub fn member(&self, name: &str) -> Option<&'static Member> {
        self.members().iter().find(|member| member.name == name)
    }
}

const fn member(name: &'static str, shape: &'static Shape, required: bool, location: Location) -> Member {
    Member { name, required, shape, location }
}

/// A member that may be left out.
pub(crate) const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    member(name, shape, false, Location::Body)
}

/// A member that must be there.
pub(crate) const fn required(name: &'static str, shape: &'static Shape) -> Member {
    member(name, shape, true, Location::Body)
}

/// A label of the path.
pub(crate) const fn path(name: &'static str, shape: &'static Shape) -> Member {
    member(name, shape, true, Location::Path)
}

/// A query parameter that may be left out.
pub(crate) const fn query(name: &'static str, shape: &'static Shape) -> Member {
    member(name, shape, false, Location::Query)
}

/// A query parameter that must be there.
pub(crate) const fn required_query(name: &'static str, shape: &'static Shape) -> Member {
    member(name, shape, true, Location::Query)
}

/// The other query parameters.
pub(crate) const fn query_rest(name: &'static str, shape: &'static Shape) -> Member {
    member(name, shape, false, Location::QueryRest)
}

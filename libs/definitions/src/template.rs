//! Go text templates, as annotations of alerting rules and notifications have them: parsed, with every name checked.
//!
//! What is refused is what Go's `text/template/parse` refuses when it reads the text, in its words: syntax, functions and
//! variables that nobody defined. What only data can tell (fields, named templates of other files) shows when a template is expanded.
//! Nesting is bounded.

mod ast;
mod lexer;
mod parser;
mod pipeline;
mod term;
mod tokens;

use std::collections::BTreeMap;

pub(crate) use term::unquoted;

pub use ast::{Command, Condition, Node, Operand, Pipeline};

use crate::{cursor::Cursor, problem::Position};

/// Deepest nesting of actions and parentheses.
const MAX_DEPTH: usize = 100;

/// A template and the templates that its text defines.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// As written.
    pub text: String,
    /// What it expands to.
    pub body: Vec<Node>,
    /// Bodies of `define` and `block` by name.
    pub defined: BTreeMap<String, Vec<Node>>,
}

/// Names that a template may use apart from those that it declares itself.
#[derive(Debug)]
pub(crate) struct Names {
    functions: &'static [&'static str],
    variables: &'static [&'static str],
}

/// Labels and annotations of alerting rules: Prometheus's functions and the four variables that it declares.
pub(crate) const ALERT: Names = Names {
    functions: &[
        "args",
        "externalURL",
        "first",
        "graphLink",
        "humanize",
        "humanize1024",
        "humanizeDuration",
        "humanizePercentage",
        "humanizeTimestamp",
        "label",
        "match",
        "now",
        "parseDuration",
        "pathPrefix",
        "query",
        "reReplaceAll",
        "safeHtml",
        "sortByLabel",
        "stripDomain",
        "stripPort",
        "strvalue",
        "tableLink",
        "title",
        "toDuration",
        "toLower",
        "toTime",
        "toUpper",
        "urlQueryEscape",
        "value",
    ],
    variables: &["$labels", "$externalLabels", "$externalURL", "$value"],
};

/// Template files and receivers: Alertmanager's functions.
pub(crate) const NOTIFICATION: Names = Names {
    functions: &[
        "append",
        "date",
        "dict",
        "humanizeDuration",
        "join",
        "list",
        "match",
        "now",
        "reReplaceAll",
        "safeHtml",
        "safeUrl",
        "since",
        "stringSlice",
        "title",
        "toJson",
        "toLower",
        "toUpper",
        "trimSpace",
        "tz",
        "urlUnescape",
    ],
    variables: &[],
};

/// Functions that every Go template has.
const BUILTINS: [&str; 18] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice",
];

impl Names {
    fn has_function(&self, name: &str) -> bool {
        name == "urlquery" || BUILTINS.contains(&name) || self.functions.contains(&name)
    }
}

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct TemplateError {
    /// Place in the text.
    pub(crate) at: Position,
    pub(crate) message: String,
}

impl Template {
    pub(crate) fn parse(text: &str, names: &Names) -> Result<Self, TemplateError> {
        let tokens = lexer::tokens(text)?;
        let (body, defined) = parser::parse(text, tokens, names)?;
        Ok(Self { text: text.to_owned(), body, defined })
    }

    /// The template that a text of a document is; a problem is told with its place in the file.
    pub(crate) fn read(cursor: &Cursor<'_>, names: &Names) -> Option<Self> {
        match Self::parse(&cursor.text_or_empty()?, names) {
            Ok(template) => Some(template),
            Err(error) => {
                cursor.refuse_within(error.at, format!("not a template: {}", error.message));
                None
            }
        }
    }
}

/// The place of a byte offset in a text.
fn place(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let small = |number: usize| u32::try_from(number + 1).unwrap_or(u32::MAX);
    Position {
        line: small(before.matches('\n').count()),
        column: small(before.rsplit('\n').next().map_or(0, |line| line.chars().count())),
    }
}

#[cfg(test)]
mod template_test;

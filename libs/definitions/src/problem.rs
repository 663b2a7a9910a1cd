//! Why a document is refused: every problem with its place, in the order of the file, bounded in number and size.

use std::{cell::RefCell, fmt};

/// Most problems that are told; the others are counted.
const MAX_PROBLEMS: usize = 20;

/// Longest message in characters.
const MAX_MESSAGE: usize = 500;

/// A place in the uploaded file: line and column count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Character in the line.
    pub column: u32,
}

impl Default for Position {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where in the file, if it is about a place.
    pub at: Option<Position>,
    /// The part, such as `groups[0].rules[2].expr`; empty for the whole file.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "line {}, column {}: ", at.line, at.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// A document that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The first problems of the file in its order; never empty.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.more > 0 { write!(f, "\n... and {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for Invalid {}

/// Gathers problems while a document is read.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    told: RefCell<Vec<Problem>>,
    more: std::cell::Cell<usize>,
}

impl Problems {
    pub(crate) fn add(&self, at: Option<Position>, path: &str, message: impl Into<String>) {
        let message = shortened(one_line(&message.into()), MAX_MESSAGE);
        let problem = Problem { at, path: path.to_owned(), message };
        let mut told = self.told.borrow_mut();
        // What several parts share is read more than once.
        if told.contains(&problem) {
            return;
        }
        // A few more than are told, so that the first ones of the file are among them.
        if told.len() < 10 * MAX_PROBLEMS {
            told.push(problem);
        } else {
            self.more.set(self.more.get() + 1);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.borrow().is_empty()
    }

    /// `value`, if there was no problem and there is a value.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Invalid> {
        let mut problems = self.told.into_inner();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => {
                if problems.is_empty() {
                    problems.push(Problem { at: None, path: String::new(), message: "unreadable".into() });
                }
                problems.sort();
                let kept = problems.len().min(MAX_PROBLEMS);
                let more = problems.len() - kept + self.more.get();
                problems.truncate(kept);
                Err(Invalid { problems, more })
            }
        }
    }
}

/// A message without line breaks. Those about regular expressions draw the place over several lines; their first says what it is
/// about and their last what is wrong.
fn one_line(message: &str) -> String {
    match message.split_once("regex parse error:\n") {
        Some((subject, drawn)) => {
            let last = drawn.lines().last().unwrap_or_default();
            format!("{subject}{}", last.strip_prefix("error: ").unwrap_or(last))
        }
        None => message.replace(['\n', '\r'], " "),
    }
}

/// At most `max` characters of `text`.
pub(crate) fn shortened(mut text: String, max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

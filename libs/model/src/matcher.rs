//! Label matchers with Prometheus's meaning: regular expressions are anchored at both ends, `.` matches line breaks, and an
//! absent label counts as the empty value.

mod pattern;

use std::{fmt, sync::Arc};

use self::pattern::Pattern;
use crate::Labels;

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// A regular expression that does not compile or grows too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid regular expression {pattern:?}: {reason}")]
pub struct MatcherError {
    pattern: String,
    reason: String,
}

/// One condition on one label.
#[derive(Clone)]
pub struct Matcher {
    name: Arc<str>,
    op: MatchOp,
    value: Arc<str>,
    pattern: Option<Arc<Pattern>>,
}

impl Matcher {
    /// Builds a matcher; fails only for expressions that do not compile.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                let compiled = Pattern::new(value);
                Some(compiled.map_err(|reason| MatcherError { pattern: value.to_owned(), reason })?.into())
            }
        };
        Ok(Self { name: name.into(), op, value: value.into(), pattern })
    }

    /// `name = value`, which cannot fail.
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or pattern as written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label's value (empty if absent) satisfies the condition.
    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => *self.value == *value,
            MatchOp::NotEqual => *self.value != *value,
            MatchOp::Regex => self.pattern.as_ref().is_some_and(|pattern| pattern.matches(value)),
            MatchOp::NotRegex => self.pattern.as_ref().is_some_and(|pattern| !pattern.matches(value)),
        }
    }

    /// The only values that satisfy the condition, in order, where an expression spells them out, as `a|b|c` does.
    pub fn texts(&self) -> Option<&[Box<str>]> {
        self.pattern.as_ref().filter(|_| self.op == MatchOp::Regex).and_then(|pattern| pattern.texts())
    }

    /// Whether a series without the label satisfies the condition.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// Whether all conditions hold for a series.
    pub fn all_match(matchers: &[Self], labels: &Labels) -> bool {
        matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.name).unwrap_or_default()))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_anchored_and_absent_labels_are_empty() {
        let series = Labels::from_pairs([("__name__", "up"), ("job", "api\nserver")]);
        for (name, op, value, expected) in [
            ("job", MatchOp::Regex, "api", false),
            ("job", MatchOp::Regex, "api.*", true),
            ("job", MatchOp::Regex, "x|api.server", true),
            ("job", MatchOp::NotRegex, "api", true),
            ("nope", MatchOp::Equal, "", true),
            ("nope", MatchOp::Regex, ".*", true),
            ("nope", MatchOp::NotEqual, "", false),
        ] {
            let matcher = Matcher::new(name, op, value).expect("compiles");
            assert_eq!(Matcher::all_match(std::slice::from_ref(&matcher), &series), expected, "{matcher}");
        }
    }

    #[test]
    fn hostile_expressions_fail_with_their_text() {
        for pattern in ["(", "((a{1000}){1000}){1000}"] {
            let error = Matcher::new("x", MatchOp::Regex, pattern).expect_err(pattern);
            assert!(error.to_string().contains(pattern));
        }
    }
}

//! Conditions: one operator on one key (IAM User Guide, "Condition operators" and "Conditions with multiple context keys or
//! values").
//!
//! All conditions of a statement must hold; of the values of one condition one has to match, and for a negated operator none may.
//! A key that is not in the request matches nothing. Danger: a variable without value matches nothing either, which would make a
//! negated test true; in an Allow such a test does not hold, so that a missing tag never opens what it should close.

pub(crate) mod address;
pub(crate) mod operator;
pub(crate) mod test;
pub(crate) mod time;

use crate::{Value, facts::Facts, key::Key};
use operator::{Operator, Quantifier};
use test::Test;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) key: Key,
    pub(crate) operator: Operator,
    pub(crate) test: Test,
}

impl Condition {
    /// Whether it holds; `allow` says that it stands in an Allow.
    pub(crate) fn holds(&self, facts: &Facts<'_>, allow: bool) -> bool {
        let negated = self.operator.comparison.negated();
        let without_value = allow && negated;
        let (mut any, mut all) = (false, true);
        let mut empty = 0;
        let present = facts.visit(&self.key, |value| {
            // Set operators take an empty text for no value at all.
            if self.operator.quantifier != Quantifier::One && value == Value::Text("") {
                empty += 1;
                return;
            }
            let matches = self.test.matches(value, facts, without_value);
            any |= matches;
            all &= matches;
        });
        if let Test::Absent(expected) = self.test {
            return (present == 0) == expected;
        }
        if present == 0 && self.operator.if_exists {
            return true;
        }
        if present == empty {
            return match self.operator.quantifier {
                Quantifier::One => negated,
                Quantifier::All => true,
                Quantifier::Any => false,
            };
        }
        match (self.operator.quantifier, negated) {
            (Quantifier::One | Quantifier::Any, false) => any,
            (Quantifier::One | Quantifier::All, true) => !any,
            (Quantifier::All, false) => all,
            (Quantifier::Any, true) => !all,
        }
    }
}

//! What the values of a condition are compared with, read once when a policy is parsed.
//!
//! A value that could never match, such as a date that is none, is refused there: in a Deny it would silently deny nothing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipnet::IpNet;

use super::{
    address,
    operator::{Comparison, Order},
    time,
};
use crate::{
    Value,
    facts::Facts,
    pattern::{Pattern, Wildcards},
};

/// The right side of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Text {
        fold: bool,
        patterns: Box<[Pattern]>,
    },
    Number {
        order: Order,
        values: Box<[f64]>,
    },
    Time {
        order: Order,
        values: Box<[i64]>,
    },
    Bool(Box<[Pattern]>),
    Binary(Box<[Vec<u8>]>),
    Address(Box<[IpNet]>),
    /// `Null`: whether the key has to be absent.
    Absent(bool),
}

/// What a value should have been.
pub(crate) type Expected = &'static str;

impl Test {
    /// Reads the values; fails with the place of the one that cannot be read.
    pub(crate) fn new(
        comparison: Comparison,
        values: &[String],
        variables: bool,
    ) -> Result<Self, (usize, Expected)> {
        let patterns = |wildcards| {
            read(values, "text with valid policy variables", |text| {
                Pattern::new(text, wildcards, variables).ok()
            })
        };
        Ok(match comparison {
            Comparison::Text { fold, wildcards, .. } => {
                let wildcards = if wildcards { Wildcards::Anywhere } else { Wildcards::None };
                Self::Text { fold, patterns: patterns(wildcards)? }
            }
            Comparison::Arn { .. } => Self::Text { fold: false, patterns: patterns(Wildcards::Arn)? },
            Comparison::Number(order) => {
                let values = read(values, "a number", |text| Value::Text(text).number())?;
                Self::Number { order, values }
            }
            Comparison::Time(order) => Self::Time {
                order,
                values: read(values, "a date in ISO 8601 or seconds since 1970", time::parse)?,
            },
            Comparison::Bool => {
                let known =
                    |text: &str| Value::Text(text).flag().is_some() || variables && text.contains("${");
                read(values, "true or false", |text| known(text).then_some(()))?;
                Self::Bool(patterns(Wildcards::None)?)
            }
            Comparison::Binary => Self::Binary(read(values, "base64", |text| STANDARD.decode(text).ok())?),
            Comparison::Address { .. } => {
                Self::Address(read(values, "an address or range in CIDR form", address::parse_range)?)
            }
            Comparison::Null => {
                let flags = read(values, "true or false", |text| Value::Text(text).flag())?;
                Self::Absent(flags.first().copied().ok_or((0, "true or false"))?)
            }
        })
    }

    /// Whether one of the values matches; `without_value` is the answer for a variable that has none.
    pub(crate) fn matches(&self, value: Value<'_>, facts: &Facts<'_>, without_value: bool) -> bool {
        match self {
            Self::Text { fold, patterns } => any(patterns, &value.text(), *fold, facts, without_value),
            Self::Number { order, values } => {
                value.number().is_some_and(|left| values.iter().any(|right| order.holds(left, *right)))
            }
            Self::Time { order, values } => {
                value.time().is_some_and(|left| values.iter().any(|right| order.holds(left, *right)))
            }
            Self::Bool(patterns) => value.flag().is_some_and(|flag| {
                any(patterns, if flag { "true" } else { "false" }, true, facts, without_value)
            }),
            Self::Binary(values) => {
                let text = value.text();
                values.iter().any(|bytes| bytes == text.as_bytes())
            }
            Self::Address(ranges) => {
                value.address().is_some_and(|address| ranges.iter().any(|range| range.contains(&address)))
            }
            Self::Absent(_) => false,
        }
    }
}

fn any(patterns: &[Pattern], text: &str, fold: bool, facts: &Facts<'_>, without_value: bool) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text, fold, facts).unwrap_or(without_value))
}

fn read<T>(
    values: &[String],
    expected: Expected,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Box<[T]>, (usize, Expected)> {
    let values = values.iter().enumerate();
    values.map(|(index, text)| read(text).ok_or((index, expected))).collect()
}

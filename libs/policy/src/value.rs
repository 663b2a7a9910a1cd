//! Values of condition keys, with the conversions that the operators need.
//!
//! A value that an operator cannot read as its type matches nothing; it is never an error.

use std::{borrow::Cow, net::IpAddr};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::condition::{address, time as date};

/// One value of a condition key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Text, as most keys have it.
    Text(&'a str),
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Milliseconds since 1970.
    Time(i64),
    /// An address.
    Address(IpAddr),
}

impl<'a> Value<'a> {
    /// As the string operators and policy variables see it. Only values that are text already cost no allocation.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Flag(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Address(address) => Cow::Owned(address.to_string()),
            Self::Time(millis) => OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
                .ok()
                .and_then(|time| time.format(&Rfc3339).ok())
                .map_or(Cow::Borrowed(""), Cow::Owned),
        }
    }

    /// As the numeric operators see it.
    pub(crate) fn number(self) -> Option<f64> {
        match self {
            Self::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Number(number) => Some(number as f64),
            Self::Time(millis) => Some(millis as f64 / 1000.0),
            Self::Flag(_) | Self::Address(_) => None,
        }
    }

    /// As the date operators see it, in milliseconds since 1970; a number is in seconds.
    pub(crate) fn time(self) -> Option<i64> {
        match self {
            Self::Text(text) => date::parse(text),
            Self::Number(seconds) => seconds.checked_mul(1000),
            Self::Time(millis) => Some(millis),
            Self::Flag(_) | Self::Address(_) => None,
        }
    }

    /// As `Bool` sees it.
    pub(crate) fn flag(self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(flag),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// As the address operators see it.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(found) => Some(found.to_canonical()),
            Self::Text(text) => address::parse(text),
            _ => None,
        }
    }
}

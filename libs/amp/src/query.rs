//! Members in the query string (api-control-plane.md section 2.3).
//!
//! Where the specification is silent: a plus stands for a blank, as forms have it; a parameter that is no list and comes twice is
//! refused; unknown parameters are ignored, unless all others are entries of a map, and even then the parameters of a presigned
//! request are none.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value};

use crate::{
    invalid::Problems,
    shape::{Kind, Location, Member, Shape},
    text::{decode, excerpt},
};

const NAME_SHOWN: usize = 80;

/// Parameters in order of their names, with their values in the order of the query.
type Parameters<'a> = BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>;

/// Puts the members of the query into `members`, as the JSON that a body would hold.
pub(crate) fn read(shape: &Shape, raw: &str, members: &mut Map<String, Value>, problems: &mut Problems) {
    if !shape.members().iter().any(in_query) {
        return;
    }
    let mut parameters = split(raw, problems);
    for member in shape.members().iter().filter(|member| member.location == Location::Query) {
        if let Some(values) = parameters.remove(member.name) {
            members.extend(one(member, values, problems).map(|value| (member.name.to_owned(), value)));
        }
    }
    for member in shape.members().iter().filter(|member| member.location == Location::QueryRest) {
        let rest = std::mem::take(&mut parameters).into_iter().filter(|(name, _)| !of_signature(name));
        let entries: Map<_, _> = rest.map(|(name, values)| (name.into_owned(), all(values))).collect();
        if !entries.is_empty() {
            members.insert(member.name.to_owned(), entries.into());
        }
    }
}

fn in_query(member: &Member) -> bool {
    matches!(member.location, Location::Query | Location::QueryRest)
}

fn of_signature(name: &str) -> bool {
    name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))
}

fn split<'a>(raw: &'a str, problems: &mut Problems) -> Parameters<'a> {
    let mut parameters = Parameters::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (plain(name), plain(value)) {
            (Some(name), Some(value)) => parameters.entry(name).or_default().push(value),
            _ => problems.cannot_parse(&excerpt(name, NAME_SHOWN), "is not percent-encoded UTF-8"),
        }
    }
    parameters
}

fn plain(encoded: &str) -> Option<Cow<'_, str>> {
    if encoded.contains('+') {
        return decode(&encoded.replace('+', " ")).map(|text| text.into_owned().into());
    }
    decode(encoded)
}

fn one(member: &Member, values: Vec<Cow<'_, str>>, problems: &mut Problems) -> Option<Value> {
    if matches!(member.shape.kind, Kind::List(..)) {
        return Some(all(values));
    }
    let [value] = &values[..] else {
        problems.breaks(member.name, "must be given once");
        return None;
    };
    match member.shape.kind {
        Kind::Integer(min, max) | Kind::Long(min, max) => {
            let number = whole(value);
            if number.is_none() {
                problems.breaks(member.name, format!("must be a whole number, {min} to {max}"));
            }
            number.map(Value::from)
        }
        _ => Some(Value::from(&**value)),
    }
}

/// A number in the form that JSON has for whole ones; `i64` alone would take a plus too.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn all(values: Vec<Cow<'_, str>>) -> Value {
    values.into_iter().map(|value| Value::from(value.into_owned())).collect()
}

//! From members to path, query and body, as clients do it (api-control-plane.md section 2.3).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::RawRequest;
use crate::{
    Operation,
    shape::{Location, Member},
};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn raw(operation: Operation, members: &Value) -> RawRequest {
    let at = |location: Location| {
        let shape = operation.input();
        shape
            .members()
            .iter()
            .filter(move |member| member.location == location)
            .filter_map(|member| given(member, members))
    };
    let mut path = operation.path().to_owned();
    for (name, value) in at(Location::Path) {
        path = path.replace(&format!("{{{name}}}"), &encode(&plain(value)));
    }
    let mut query = Vec::new();
    for (name, value) in at(Location::Query) {
        parameters(name, value, &mut query);
    }
    for (name, value) in at(Location::QueryRest).flat_map(|(_, rest)| rest.as_object().into_iter().flatten())
    {
        parameters(name, value, &mut query);
    }
    let has_body = operation.input().members().iter().any(|member| member.location == Location::Body);
    let unknown = members.as_object().into_iter().flatten();
    let unknown = unknown.filter(|(name, _)| operation.input().member(name).is_none());
    let body: Map<_, _> = at(Location::Body)
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .chain(unknown.map(|(name, value)| (name.clone(), value.clone())))
        .collect();
    let body = if has_body { Value::Object(body).to_string() } else { String::new() };
    RawRequest { operation, method: operation.method(), path, query: query.join("&"), body }
}

fn given<'a>(member: &'static Member, members: &'a Value) -> Option<(&'static str, &'a Value)> {
    members.get(member.name).map(|value| (member.name, value))
}

fn parameters(name: &str, value: &Value, query: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| parameters(name, value, query)),
        value => query.push(format!("{}={}", encode(name), encode(&plain(value)))),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

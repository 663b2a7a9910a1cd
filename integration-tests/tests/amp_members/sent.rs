//! What a request says, read back from what goes out on the wire.

use narthex_amp::example::RawRequest;
use serde_json::{Map, Value};

use super::model::{Location, Model};

/// All members of a request, wherever it carries them.
pub(crate) fn members(model: &Model<'_>, raw: &RawRequest) -> Value {
    let operation = raw.operation.name();
    let mut members: Value = serde_json::from_str(&raw.body).unwrap_or_else(|_| Value::Object(Map::new()));
    let labels = model.http(operation).1.split('/').zip(raw.path.split('/'));
    for (template, given) in labels {
        if let Some(name) = template.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let text = percent_encoding::percent_decode_str(given).decode_utf8_lossy();
            members[name] = Value::from(text);
        }
    }
    let known = model.members(operation);
    let of_query = |name: &str| known.iter().find(|member| member.0 == name && member.1 == Location::Query);
    // A map in the query has the names of its entries for parameters.
    let rest = known.iter().find(|member| member.1 == Location::Query && member.2 == "map");
    for (name, value) in form_urlencoded::parse(raw.query.as_bytes()) {
        match (of_query(&name), rest) {
            (Some((_, _, "list")), _) => push(&mut members[&*name], &value),
            (Some(_), _) => members[&*name] = Value::from(&*value),
            (None, Some(rest)) => push(&mut members[rest.0][&*name], &value),
            (None, None) => members["unknown"][&*name] = Value::from(&*value),
        }
    }
    members
}

fn push(list: &mut Value, value: &str) {
    match list {
        Value::Array(items) => items.push(value.into()),
        empty => *empty = vec![Value::from(value)].into(),
    }
}

/// The values at a path, of maps those of every key.
pub(crate) fn at<'a>(members: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![members];
    for step in steps(path) {
        found = found.into_iter().flat_map(|value| one_step(value, &step)).collect();
    }
    found
}

/// The keys of the maps at a path.
pub(crate) fn keys<'a>(members: &'a Value, path: &str) -> Vec<&'a str> {
    let maps = at(members, path).into_iter().filter_map(Value::as_object);
    maps.flat_map(|map| map.keys().map(String::as_str)).collect()
}

fn one_step<'a>(value: &'a Value, step: &str) -> Vec<&'a Value> {
    match (step, value) {
        ("[*]", Value::Object(map)) => map.values().collect(),
        ("[0]", Value::Array(items)) => items.first().into_iter().collect(),
        (name, Value::Object(map)) => map.get(name).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// `a.b[0][*]` as `a`, `b`, `[0]`, `[*]`.
fn steps(path: &str) -> Vec<String> {
    path.replace('[', ".[").split('.').map(str::to_owned).collect()
}

/// A path as errors name it, with `[*]` for each key of a map.
pub(crate) fn generic(path: &str) -> String {
    let mut generic = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("[\"") {
        generic.push_str(before);
        generic.push_str("[*]");
        rest = after.rsplit_once("\"]").map_or("", |(_, behind)| behind);
    }
    generic + rest
}

#[test]
fn paths_lead_to_values() {
    let members = serde_json::json!({ "a": [{ "b": { "x": 1, "y": 2 } }] });
    assert_eq!(at(&members, "a[0].b[*]"), [&Value::from(1), &Value::from(2)]);
    assert_eq!(keys(&members, "a[0].b"), ["x", "y"]);
    assert!(at(&members, "a[0].c").is_empty());
    assert_eq!(generic(r#"a[0].labelSet["k\"]"]"#), "a[0].labelSet[*]");
    assert_eq!(generic(r#"filters["k"][0]"#), "filters[*][0]");
}

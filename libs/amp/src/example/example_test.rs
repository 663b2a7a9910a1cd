//! The tables against themselves: what is made to be sound passes, and each broken constraint is reported with its member.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;

use super::*;
use crate::{Invalid, Request, parse, route};

fn ask(raw: &RawRequest) -> Result<Request, Invalid> {
    let route = route(raw.method, &raw.path)?;
    assert_eq!(route.operation, raw.operation, "{raw:?}");
    parse(&route, &raw.query, raw.body.as_bytes())
}

#[test]
fn minimal_and_full_requests_pass() {
    for operation in Operation::ALL {
        for raw in [minimal(operation, &Things::default()), full(operation, &Things::default())] {
            let request = ask(&raw).unwrap_or_else(|invalid| panic!("{raw:?}: {invalid}"));
            assert_eq!(request.operation(), operation);
        }
    }
}

#[test]
fn every_change_gets_what_it_must() {
    let mut count = 0;
    for operation in Operation::ALL {
        for Case { what, request, expected } in cases(operation, &Things::default()) {
            count += 1;
            match (ask(&request), expected) {
                (Ok(_), Expected::Accepted) => {}
                (Err(invalid), Expected::Refused { reason, name }) => {
                    let named = invalid.fields.iter().any(|field| field.name == name);
                    assert!(
                        invalid.reason == reason && named,
                        "{operation:?} {what}: not {name}: {invalid:?}"
                    );
                }
                (Ok(_), expected) => panic!("{operation:?} {what}: accepted, not {expected:?}: {request:?}"),
                (Err(invalid), _) => panic!("{operation:?} {what}: refused: {invalid}: {request:?}"),
            }
        }
    }
    assert!(count > 1000, "{count} changes only");
}

/// Names that some shape knows.
const NAMES: [&str; 9] =
    ["limits", "labelSet", "__name__", "skip", "ratio", "randomCutForest", "query", "alias", "tags"];

/// Any JSON, and often texts that the tables know.
fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![select(&NAMES[..]).prop_map(str::to_owned), any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let entry = (text.clone(), inner.clone());
        prop_oneof![
            vec(inner, 0..5).prop_map(Value::from),
            vec(entry, 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Pointers to all places in a value.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{here}/{at}"), found));
        }
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| places(value, &format!("{here}/{key}"), found));
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_request_of_any_bytes_is_answered(
        operation in select(&Operation::ALL[..]),
        query in any::<String>(),
        body in vec(any::<u8>(), 0..200),
    ) {
        let raw = full(operation, &Things::default());
        let route = route(raw.method, &raw.path).expect("routed");
        let _ = parse(&route, &query, &body);
        let _ = parse(&route, &query, raw.body.as_bytes());
    }

    #[test]
    fn a_path_of_any_text_is_answered(method in "[A-Z]{3,6}", path in "(/[a-z%A-F0-9]{0,9}){0,6}", junk in any::<String>()) {
        let _ = route(&method, &path);
        let _ = route(&method, &junk);
    }

    /// Anything may stand in any place of a full request: it is accepted or refused, and what passes can be read. Whatever is said is
    /// said of a member that the operation has.
    #[test]
    fn anything_anywhere_is_accepted_or_named(
        operation in select(&Operation::ALL[..]), at: usize, new in json(),
    ) {
        let mut raw = full(operation, &Things::default());
        if !raw.body.is_empty() {
            let mut body: Value = serde_json::from_str(&raw.body).expect("ours");
            let mut pointers = Vec::new();
            places(&body, "", &mut pointers);
            *body.pointer_mut(&pointers[at % pointers.len()]).expect("found there") = new;
            raw.body = body.to_string();
        }
        if let Err(invalid) = ask(&raw) {
            prop_assert!(!invalid.message.contains("cannot be read"), "{}", invalid);
            let whole = invalid.message == "the body must be a JSON object";
            prop_assert!(whole || !invalid.fields.is_empty(), "{:?}", invalid);
            for field in invalid.fields {
                let known = operation.input().members().iter().any(|member| field.name.starts_with(member.name));
                prop_assert!(known, "{:?}", field);
            }
        }
    }
}

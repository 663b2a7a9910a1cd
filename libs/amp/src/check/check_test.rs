//! The shapes of tests are few; the tables have their own tests beside [`crate::parse`].

use serde_json::json;

use super::*;
use crate::{Operation, shape::Shape};

/// Every shape that an operation takes or answers with.
fn shapes() -> Vec<&'static Shape> {
    fn add(shape: &'static Shape, found: &mut Vec<&'static Shape>) {
        if found.iter().any(|known| known.name == shape.name) {
            return;
        }
        found.push(shape);
        match shape.kind {
            Kind::List(of, ..) => add(of, found),
            Kind::Map(entries) => [entries.key, entries.value].into_iter().for_each(|part| add(part, found)),
            _ => shape.members().iter().for_each(|member| add(member.shape, found)),
        }
    }
    let mut found = Vec::new();
    for operation in Operation::ALL {
        add(operation.input(), &mut found);
        operation.output().into_iter().for_each(|output| add(output, &mut found));
    }
    found
}

#[test]
fn every_pattern_compiles() {
    let patterns: Vec<_> = shapes()
        .into_iter()
        .filter_map(|shape| match shape.kind {
            Kind::String(text) => text.pattern,
            _ => None,
        })
        .collect();
    assert!(patterns.len() > 15, "{}", patterns.len());
    for pattern in patterns {
        assert!(!pattern.matches("\n"), "{pattern:?}");
    }
}

#[test]
fn nothing_is_asked_of_a_value_that_is_not_what_it_should_be() {
    for shape in shapes() {
        for wrong in [json!(null), json!(1.5), json!("\u{0}"), json!([[]]), json!({ "": {} }), json!(true)] {
            let mut problems = Problems::default();
            Walk::new(&mut problems).check(shape, &mut wrong.clone());
        }
    }
}

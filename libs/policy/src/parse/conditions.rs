//! `Condition`: a map from operators to maps from keys to one or several values.

use super::{at::At, items, names::place, node::Node, object};
use crate::{
    PolicyError, Problem,
    condition::{
        Condition,
        operator::{Comparison, Operator},
        test::Test,
    },
    key::Key,
};

/// Reads the element. A `Condition` without operators always holds.
pub(super) fn parse(node: &Node, at: At<'_>, variables: bool) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for (name, node) in object::distinct(node, &at)? {
        let at = At::Member(&at, name);
        let operator = Operator::new(name).ok_or_else(|| at.refuse(Problem::Operator(name.clone())))?;
        let keys = object::distinct(node, &at)?;
        if keys.is_empty() {
            return Err(at.refuse(Problem::Expected("a condition key")));
        }
        for (name, node) in keys {
            let at = At::Member(&at, name);
            // The vendor: `aws:`, `sts:`, or the issuer of a token, whose own name may hold colons.
            if name.split_once(':').is_none_or(|(vendor, key)| vendor.is_empty() || key.is_empty()) {
                return Err(at.refuse(Problem::NoVendor));
            }
            conditions.push(condition(Key::new(name), operator, node, &at, variables)?);
        }
    }
    Ok(conditions)
}

fn condition(
    key: Key,
    operator: Operator,
    node: &Node,
    at: &At<'_>,
    variables: bool,
) -> Result<Condition, PolicyError> {
    let mut values = Vec::new();
    for (index, item) in items(node).iter().enumerate() {
        match item {
            Node::Text(text) | Node::Bare(text) => values.push(text.clone()),
            _ => return Err(place(node, at, index).refuse(Problem::Expected("a text, number or boolean"))),
        }
    }
    if values.is_empty() || operator.comparison == Comparison::Null && values.len() > 1 {
        return Err(at.refuse(Problem::Expected("one value or a list of values")));
    }
    let test = Test::new(operator.comparison, &values, variables)
        .map_err(|(index, expected)| place(node, at, index).refuse(Problem::Expected(expected)))?;
    Ok(Condition { key, operator, test })
}

//! From a routed request to a checked one.

use serde_json::{Map, Value};

use crate::{
    Invalid, Reason, Request, Route,
    check::Walk,
    invalid::Problems,
    query,
    shape::{Location, Shape},
};

/// Checks every member of a request, wherever it is (sections 2.3 and 2.6), and reads it.
///
/// The query is raw, and the body as received: its size is the caller's to bound, its nesting is bounded here. A body of nothing is
/// an empty object, and the body of an operation that takes none is not looked at. Unknown members are ignored.
pub fn parse(route: &Route<'_>, raw_query: &str, body: &[u8]) -> Result<Request, Invalid> {
    let shape = route.operation.input();
    let mut problems = Problems::default();
    let mut members = in_body(shape, body)?;
    for (name, text) in route.labels() {
        members.insert(name.to_owned(), text.into());
    }
    query::read(shape, raw_query, &mut members, &mut problems);
    let mut value = Value::Object(members);
    Walk::new(&mut problems).check(shape, &mut value);
    problems.into_result()?;
    Request::from_checked(route.operation, value).map_err(|error| {
        // The property test has it that this does not happen; if it does, the request is the one to suffer.
        Invalid::new(Reason::CannotParse, format!("the request cannot be read: {error}"))
    })
}

/// The members that the body of the operation may hold; others are ignored, also if they are named like a label.
fn in_body(shape: &Shape, body: &[u8]) -> Result<Map<String, Value>, Invalid> {
    let wanted = |name: &str| shape.member(name).is_some_and(|member| member.location == Location::Body);
    let none = !shape.members().iter().any(|member| member.location == Location::Body);
    if none || body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let unreadable = |message: String| Err(Invalid::new(Reason::CannotParse, message));
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut members)) => {
            members.retain(|name, _| wanted(name));
            Ok(members)
        }
        Ok(_) => unreadable("the body must be a JSON object".to_owned()),
        Err(error) => unreadable(format!("the body is not JSON: {error}")),
    }
}

#[cfg(test)]
mod bounds_test;
#[cfg(test)]
mod parse_test;

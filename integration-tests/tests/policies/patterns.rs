//! Whether a row still says the same when its workspace has another id: each of its patterns has to match, or not, as before.

use serde_json::Value;

/// Compares every text of a row with the ARN that the row is about, before and after.
pub(crate) fn mean_the_same(before: &Value, after: &Value) -> bool {
    let arn = |row: &Value| row["resource"].as_str().unwrap_or_default().to_owned();
    let (old, new) = (arn(before), arn(after));
    let (mut olds, mut news) = (Vec::new(), Vec::new());
    texts(before, &mut olds);
    texts(after, &mut news);
    let same = |(one, other): (&&str, &&str)| {
        // What a variable stands for is not known here.
        let unknown = other.contains("${") && other.contains("workspace/ws");
        !unknown && matches(one, &old) == matches(other, &new)
    };
    olds.len() == news.len() && olds.iter().zip(&news).all(same)
}

fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Stars stand for any characters, question marks for one.
fn matches(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .any(|at| matches(letters.as_str(), &text[at..])),
        Some(wanted) => {
            let mut rest = text.chars();
            let fits = rest.next().is_some_and(|letter| wanted == '?' || wanted == letter);
            fits && matches(letters.as_str(), rest.as_str())
        }
    }
}

#[test]
fn another_id_may_be_another_row() {
    let row = |id: &str, pattern: &str| serde_json::json!({ "resource": format!("arn:workspace/{id}"), "identity": [{ "Resource": pattern }] });
    let same = |pattern: &str| mean_the_same(&row("ws-1", pattern), &row("ws-00", pattern));
    assert!(
        same("*") && same("arn:workspace/*") && same("arn:workspace/ws-2") && same("arn:workspace/ws-??x")
    );
    assert!(!same("arn:workspace/ws-?") && !same("*1") && !same("arn:workspace/ws-${aws:username}"));
}

//! The classic notation: names of letters, digits, `_` and `:`; values to the next comma, quoted or not.

use narthex_model::Matcher;

use super::{matcher, operator};

pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    parts(text).into_iter().map(one).collect()
}

/// The text between commas that are not in quotes; an empty last part does not count.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (index, c) in text.char_indices() {
        match c {
            ',' if !quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
                escaped = false;
            }
            '"' => {
                quoted ^= !escaped;
                escaped = false;
            }
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    let last = &text[start..];
    if !last.trim().is_empty() {
        parts.push(last);
    }
    parts
}

fn one(text: &str) -> Result<Matcher, String> {
    let bad = || format!("bad matcher format: {text}");
    let trimmed = text.trim();
    let length =
        trimmed.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))).ok_or_else(bad)?;
    let (name, rest) = trimmed.split_at(length);
    if !narthex_model::is_valid_metric_name(name) {
        return Err(bad());
    }
    let (op, value) = operator(rest.trim_start()).ok_or_else(bad)?;
    matcher(name, op, &unquoted(value.trim_start())?)
}

/// A value without its quotes; an escape that is none stands as it is.
fn unquoted(raw: &str) -> Result<String, String> {
    let wrong = || format!("matcher value contains unescaped double quote: {raw}");
    let quoted = raw.starts_with('"');
    let mut chars = raw.chars().skip(usize::from(quoted)).peekable();
    let (mut value, mut closed) = (String::with_capacity(raw.len()), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('"') => value.push('"'),
                Some('\\') | None => value.push('\\'),
                Some(other) => value.extend(['\\', other]),
            },
            '"' if quoted && chars.peek().is_none() => closed = true,
            '"' => return Err(wrong()),
            c => value.push(c),
        }
    }
    if quoted == closed { Ok(value) } else { Err(wrong()) }
}

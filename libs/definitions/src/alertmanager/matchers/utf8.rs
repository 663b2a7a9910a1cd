//! The newer notation: names and values are any text, in double quotes where they have white space or signs of the notation.

use narthex_model::Matcher;

use super::{matcher, operator};

pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let mut rest = text.trim();
    let open = rest.starts_with('{');
    if open {
        rest = rest[1..].trim_start();
    }
    let mut matchers = Vec::new();
    while !rest.is_empty() && !rest.starts_with('}') {
        let (name, after) = term(rest)?;
        let (op, after) = operator(after.trim_start()).ok_or("expected an operator")?;
        let (value, after) = term(after.trim_start())?;
        if name.is_empty() {
            return Err("expected a name".into());
        }
        matchers.push(matcher(&name, op, &value)?);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() || after.starts_with('}') => after,
            None => return Err("expected a comma".into()),
        };
    }
    match (open, rest) {
        (true, "}") | (false, "") => Ok(matchers),
        _ => Err("braces do not fit".into()),
    }
}

/// A quoted or unquoted text, and what follows.
fn term(text: &str) -> Result<(String, &str), String> {
    let Some(body) = text.strip_prefix('"') else {
        let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
        let length = text.find(reserved).unwrap_or(text.len());
        if length == 0 {
            return Err("expected a text".into());
        }
        return Ok((text[..length].to_owned(), &text[length..]));
    };
    let mut escaped = false;
    for (index, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let quoted = &text[..index + 2];
                let value = crate::template::unquoted(quoted).ok_or("invalid escape")?;
                return Ok((value, &text[index + 2..]));
            }
            _ => {}
        }
    }
    Err("missing closing quote".into())
}

//! Matchers of routes and inhibition rules: the maps `match` and `match_re`, and the list `matchers` in both of its notations.
//!
//! Like Alertmanager's default mode, a text is read in the classic notation, and where that fails in the newer one, in which names
//! are any text.

mod classic;
mod utf8;

use narthex_model::{MatchOp, Matcher};

use crate::cursor::{Cursor, Fields};

/// All matchers of three keys.
pub(super) fn read(fields: &Fields<'_>, equal: &str, regex: &str, list: &str) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    for (key, op) in [(equal, MatchOp::Equal), (regex, MatchOp::Regex)] {
        for (name, value) in fields.get(key).map(|map| map.members()).unwrap_or_default() {
            if !narthex_model::is_valid_label_name(name) {
                value.refuse(format!("invalid label name {name:?}"));
            }
            let Some(text) = value.text_or_empty() else { continue };
            if op == MatchOp::Regex && value.is_null() {
                value.refuse(format!("invalid regexp value for {name:?}"));
            }
            matchers.extend(told(&value, matcher(name, op, &text)));
        }
    }
    for item in fields.items(list) {
        let Some(text) = item.text_or_empty() else { continue };
        matchers.extend(told(&item, parse(&text)).unwrap_or_default());
    }
    matchers
}

fn told<T>(cursor: &Cursor<'_>, result: Result<T, String>) -> Option<T> {
    result.map_err(|message| cursor.refuse(message)).ok()
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Result<Matcher, String> {
    Matcher::new(name, op, value).map_err(|error| error.to_string())
}

/// The matchers of a text, such as `a="b", c=~"d.*"`, in braces or not.
pub fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    classic::parse(text).or_else(|error| utf8::parse(text).map_err(|_| error))
}

/// Takes an operator from the front of a text.
fn operator(text: &str) -> Option<(MatchOp, &str)> {
    const OPERATORS: [(&str, MatchOp); 4] =
        [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];
    OPERATORS.iter().find_map(|(sign, op)| Some((*op, text.strip_prefix(sign)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let matchers = parse(text)?;
        Ok(matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn both_notations_are_read() {
        for (text, expected) in [
            ("a=b", "a=\"b\""),
            (" a = b c ", "a=\"b c\""),
            ("a=\"b\"", "a=\"b\""),
            ("{a!=\"b\",c=~\"d.*\", e!~f}", "a!=\"b\" c=~\"d.*\" e!~\"f\""),
            ("a=\"b,c\"", "a=\"b,c\""),
            ("a=\"b\\\"c\\n\\\\\"", "a=\"b\\\"c\\n\\\\\""),
            ("a=", "a=\"\""),
            ("a=\"\"", "a=\"\""),
            ("{}", ""),
            ("", ""),
            ("a=é", "a=\"é\""),
            ("a=b=c", "a=\"b=c\""),
            // Only in the newer notation.
            ("\"größe.x\"=\"b\"", "größe.x=\"b\""),
            ("größe=b", "größe=\"b\""),
            ("{\"a b\"=~\"c\",}", "a b=~\"c\""),
        ] {
            assert_eq!(shown(text), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn what_neither_reads_is_refused() {
        for (text, message) in [
            ("a", "bad matcher format: a"),
            ("=b", "bad matcher format: =b"),
            ("a=\"b", "matcher value contains unescaped double quote: \"b"),
            ("a=b\"", "matcher value contains unescaped double quote: b\""),
            ("a=\"b\"c\"", "matcher value contains unescaped double quote: \"b\"c\""),
            ("a=~(", "invalid regular expression \"(\""),
            ("a=~\"*\"", "invalid regular expression \"*\""),
            ("a b=c", "bad matcher format: a b=c"),
        ] {
            let told = shown(text).expect_err(text);
            assert!(told.starts_with(message), "{text}: {told}");
        }
    }
}

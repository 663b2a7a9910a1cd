//! Grafana's variables, filled in as Grafana does.
//!
//! A variable that is compared with `=` is one value. Where a regular expression is expected it is one of what a panel can have:
//! "All" as `.*` or `.+`, or several values as an alternation with special characters escaped.

use super::world::natural;

/// Four times the interval at which samples come, as Grafana has it.
const RATE_INTERVAL: &str = "2m";

/// Fills in every variable; `turn` chooses how those in regular expressions are filled in.
pub(crate) fn fill(expression: &str, turn: usize) -> String {
    let mut filled = String::new();
    let mut rest = expression;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        filled += before;
        let (name, after) = variable(&from[1..]);
        // `$1` is a group in the replacement of a `label_replace`.
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            filled.push('$');
            rest = &from[1..];
            continue;
        }
        let value = value(name, &filled, turn);
        filled += &value;
        rest = after;
    }
    filled + rest
}

/// The name after a dollar sign, in braces or not and without its format, and what follows.
fn variable(text: &str) -> (&str, &str) {
    if let Some((inside, after)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (inside.split(':').next().unwrap_or_default(), after);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

fn value(name: &str, before: &str, turn: usize) -> String {
    match name {
        "__rate_interval" => return RATE_INTERVAL.to_owned(),
        "__interval" | "interval" | "resolution" => return "1m".to_owned(),
        "__range" => return "1h".to_owned(),
        _ => {}
    }
    let Some((label, is_regex)) = matched(before) else { return natural(name, 0) };
    if !is_regex {
        return natural(label, 0);
    }
    match turn % 3 {
        0 => ".*".to_owned(),
        1 => ".+".to_owned(),
        _ => {
            let values = [0, 1, 2, 4].map(|entity| escaped(&natural(label, entity)));
            format!("({})", values.join("|"))
        }
    }
}

/// The label that is compared with the text that begins here, and whether with a regular expression.
fn matched(before: &str) -> Option<(&str, bool)> {
    let before = before.strip_suffix('"')?.trim_end();
    let (before, is_regex) = match before.strip_suffix("=~").or_else(|| before.strip_suffix("!~")) {
        Some(before) => (before, true),
        None => (before.strip_suffix("!=").or_else(|| before.strip_suffix('='))?, false),
    };
    let before = before.trim_end();
    let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    Some((&before[start..], is_regex))
}

/// Special characters of regular expressions escaped for a quoted string, as Grafana does for Prometheus.
fn escaped(value: &str) -> String {
    let special = |c: char| "\\^$*+?.()|[]{}".contains(c);
    value.chars().fold(String::new(), |text, c| {
        if special(c) { text + "\\\\" + &c.to_string() } else { text + &c.to_string() }
    })
}

#[test]
fn variables_become_what_a_panel_has() {
    let filled = |turn| {
        fill(
            r#"rate(a{cluster="$cluster", instance=~"$instance"}[$__rate_interval]) + label_replace(b, "c", "$1", "d", "(.*)")"#,
            turn,
        )
    };
    assert!(
        filled(0)
            .starts_with(r#"rate(a{cluster="cluster-0", instance=~".*"}[2m]) + label_replace(b, "c", "$1","#)
    );
    assert!(filled(2).contains(r#"instance=~"(10\\.0\\.0\\.0:9100|10"#), "{}", filled(2));
    assert_eq!(fill(r#"a{x="${volume:raw}"}"#, 0), r#"a{x="x-0"}"#);
}

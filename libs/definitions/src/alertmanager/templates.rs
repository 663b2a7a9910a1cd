//! The templates of a definition and which of them are in use.

use std::collections::BTreeMap;

use super::{DefinitionLimits, at_most};
use crate::{
    cursor::Fields,
    template::{NOTIFICATION, Template},
};

pub(super) fn read(root: &Fields<'_>, limits: &DefinitionLimits) -> BTreeMap<String, Template> {
    let Some(cursor) = root.get("template_files") else { return BTreeMap::new() };
    let members = cursor.members();
    at_most(&cursor, members.len(), limits.max_templates, "templates");
    let read = |(name, text): &(&str, crate::cursor::Cursor<'_>)| {
        if name.is_empty() {
            text.refuse("a template must have a name");
        }
        Some(((*name).to_owned(), Template::read(text, &NOTIFICATION)?))
    };
    members.iter().filter_map(read).collect()
}

/// The names that `templates` of the configuration lists. Alertmanager takes paths with wildcards there, so a name may have `*` and
/// `?`; one that names no template is refused, for whatever uses it would fail on every notification.
pub(super) fn used(
    config: &Fields<'_>,
    files: &BTreeMap<String, Template>,
    root_has_problem: bool,
) -> Vec<String> {
    let mut used: Vec<String> = Vec::new();
    for cursor in config.items("templates") {
        let Some(pattern) = cursor.text() else { continue };
        let mut found = files.keys().filter(|name| matches(pattern, name)).peekable();
        if found.peek().is_none() && !root_has_problem {
            cursor.refuse(format!("template {pattern:?} is not in template_files"));
        }
        for name in found {
            if !used.contains(name) {
                used.push(name.clone());
            }
        }
    }
    used
}

/// Whether a name fits a pattern in which `*` stands for any text and `?` for any character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and where in the name it may begin to match one character more.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_those_of_file_names() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("*.tmpl", "x.tmpl", true),
            ("*.tmpl", "x.tmp", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?b", "éb", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}

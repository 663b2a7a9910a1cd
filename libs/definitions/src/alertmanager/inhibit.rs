//! Inhibition rules.

use std::collections::BTreeSet;

use narthex_model::Matcher;

use super::{DefinitionLimits, at_most, matchers};
use crate::cursor::{Cursor, Fields};

/// While an alert fires that the source matches, alerts that the target matches are muted (AM-5).
#[derive(Debug, Clone, PartialEq)]
pub struct InhibitRule {
    /// For people; may be empty.
    pub name: String,
    /// All must match the alert that mutes.
    pub source: Vec<Matcher>,
    /// All must match the alert that is muted.
    pub target: Vec<Matcher>,
    /// Labels whose values must be the same in both.
    pub equal: BTreeSet<String>,
}

const KEYS: [&str; 8] = [
    "name",
    "source_match",
    "source_match_re",
    "source_matchers",
    "target_match",
    "target_match_re",
    "target_matchers",
    "equal",
];

pub(super) fn read_all(config: &Fields<'_>, limits: &DefinitionLimits) -> Vec<InhibitRule> {
    let Some(list) = config.get("inhibit_rules") else { return Vec::new() };
    let items = list.items();
    at_most(&list, items.len(), limits.max_inhibit_rules, "inhibition rules");
    items.iter().filter_map(read).collect()
}

fn read(cursor: &Cursor<'_>) -> Option<InhibitRule> {
    let fields = cursor.fields(&KEYS, &[])?;
    for label in fields.items("equal") {
        if label.text() == Some("") {
            label.refuse("invalid label name \"\" in equal list");
        }
    }
    Some(InhibitRule {
        name: fields.text("name").unwrap_or_default().to_owned(),
        source: matchers::read(&fields, "source_match", "source_match_re", "source_matchers"),
        target: matchers::read(&fields, "target_match", "target_match_re", "target_matchers"),
        equal: fields.texts("equal").into_iter().collect(),
    })
}

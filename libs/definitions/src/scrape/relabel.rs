//! Relabelling rules (SCR-44).

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::cursor::{Cursor, Fields};

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RelabelRule {
    /// Labels whose values are joined.
    pub source_labels: Vec<String>,
    /// Stands between the values.
    pub separator: String,
    /// What the joined value, or a label's name, must match.
    pub regex: Pattern,
    /// For [`RelabelAction::HashMod`], and then above 0.
    pub modulus: u64,
    /// The label that is set; may refer to groups of the expression.
    pub target_label: String,
    /// The value that is set; refers to groups of the expression.
    pub replacement: String,
    /// What is done.
    pub action: RelabelAction,
}

/// A regular expression that matches whole values.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelabelAction {
    /// Sets a label where the value matches.
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops where the value is not that of the target label.
    KeepEqual,
    /// Drops where the value is that of the target label.
    DropEqual,
    /// Sets a label to a hash of the value.
    HashMod,
    /// Copies labels whose names match.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Sets a label to the value in lower case.
    Lowercase,
    /// Sets a label to the value in upper case.
    Uppercase,
}

use RelabelAction::{
    Drop, DropEqual, HashMod, Keep, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase,
};

const ACTIONS: [(&str, RelabelAction); 11] = [
    ("replace", Replace),
    ("keep", Keep),
    ("drop", Drop),
    ("keepequal", KeepEqual),
    ("dropequal", DropEqual),
    ("hashmod", HashMod),
    ("labelmap", LabelMap),
    ("labeldrop", LabelDrop),
    ("labelkeep", LabelKeep),
    ("lowercase", Lowercase),
    ("uppercase", Uppercase),
];

impl fmt::Display for RelabelAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ACTIONS.iter().find(|(_, action)| action == self).map_or("", |(name, _)| name))
    }
}

/// Largest compiled expression, so that a hostile one costs bounded memory.
const SIZE_LIMIT: usize = 4 << 20;

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(&format!("^(?s:{text})$")).size_limit(SIZE_LIMIT).build();
        let regex = regex.map_err(|error| format!("invalid regular expression {text:?}: {error}"))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Anchored at both ends.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

const KEYS: [&str; 7] =
    ["source_labels", "separator", "regex", "modulus", "target_label", "replacement", "action"];

const SEPARATOR: &str = ";";
const REGEX: &str = "(.*)";
const REPLACEMENT: &str = "$1";

pub(super) fn read_all(job: &Fields<'_>, name: &str) -> Vec<RelabelRule> {
    job.items(name).iter().filter_map(read).collect()
}

fn read(cursor: &Cursor<'_>) -> Option<RelabelRule> {
    let fields = cursor.fields(&KEYS, &[])?;
    let rule = RelabelRule {
        source_labels: fields.texts("source_labels"),
        separator: fields.text("separator").unwrap_or(SEPARATOR).to_owned(),
        regex: pattern(&fields)?,
        modulus: fields.count("modulus"),
        target_label: fields.text("target_label").unwrap_or_default().to_owned(),
        replacement: fields.text("replacement").unwrap_or(REPLACEMENT).to_owned(),
        action: action(&fields)?,
    };
    for label in fields.items("source_labels") {
        if label.text() == Some("") {
            label.refuse("\"\" is not a valid label name");
        }
    }
    if let Err(message) = rule.check() {
        fields.refuse(message);
    }
    Some(rule)
}

fn pattern(fields: &Fields<'_>) -> Option<Pattern> {
    let Some(cursor) = fields.get("regex") else { return Pattern::new(REGEX).ok() };
    Pattern::new(cursor.text()?).map_err(|message| cursor.refuse(message)).ok()
}

fn action(fields: &Fields<'_>) -> Option<RelabelAction> {
    let Some(cursor) = fields.get("action") else { return Some(Replace) };
    let text = cursor.text()?;
    let lower = text.to_lowercase();
    let found = ACTIONS.iter().find(|(name, _)| *name == lower).map(|(_, action)| *action);
    if found.is_none() {
        cursor.refuse(format!("unknown relabel action {text:?}"));
    }
    found
}

impl RelabelRule {
    /// What Prometheus asks of the fields together.
    fn check(&self) -> Result<(), String> {
        let action = self.action;
        if action == HashMod && self.modulus == 0 {
            return Err("relabel configuration for hashmod requires non-zero modulus".into());
        }
        let sets_target = matches!(action, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual);
        if sets_target && self.target_label.is_empty() {
            return Err(format!("relabel configuration for {action} action requires 'target_label' value"));
        }
        let default_replacement = self.replacement == REPLACEMENT;
        if matches!(action, Lowercase | Uppercase | KeepEqual | DropEqual) && !default_replacement {
            return Err(format!("'replacement' can not be set for {action} action"));
        }
        if action == LabelMap && self.replacement.is_empty() {
            return Err(format!("\"\" is invalid 'replacement' for {action} action"));
        }
        let plain = self.modulus == 0 && self.separator == SEPARATOR && default_replacement;
        if matches!(action, KeepEqual | DropEqual) && !(plain && self.regex.text == REGEX) {
            return Err(format!(
                "{action} action requires only 'source_labels' and `target_label`, and no other fields"
            ));
        }
        let no_labels = self.source_labels.is_empty() && self.target_label.is_empty();
        if matches!(action, LabelDrop | LabelKeep) && !(plain && no_labels) {
            return Err(format!("{action} action requires only 'regex', and no other fields"));
        }
        Ok(())
    }
}

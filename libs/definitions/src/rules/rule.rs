//! One rule.

use std::collections::BTreeMap;

use narthex_promql::Expr;

use super::{Rule, RuleKind};
use crate::{
    cursor::{Cursor, Fields},
    names::is_settable_label,
    problem::Position,
    template::{self, Template},
};

const KEYS: [&str; 7] = ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

/// Labels of a group, which hold for each of its rules that has not a label of the same name.
pub(super) type GroupLabels<'a> = BTreeMap<&'a str, Cursor<'a>>;

pub(super) fn group_labels<'a>(group: &Fields<'a>) -> GroupLabels<'a> {
    labels(group, &GroupLabels::new())
}

pub(super) fn read<'a>(cursor: &Cursor<'a>, group: &GroupLabels<'a>) -> Option<Rule> {
    let fields = cursor.fields(&KEYS, &[])?;
    let labels = labels(&fields, group);
    let kind = match (fields.some_text("record"), fields.some_text("alert")) {
        (Some(record), None) => Some(recording(&fields, record, &labels)),
        (None, Some(alert)) => Some(alerting(&fields, alert, &labels)),
        (Some(_), Some(_)) => {
            fields.refuse("only one of 'record' and 'alert' must be set");
            None
        }
        (None, None) => {
            fields.refuse("one of 'record' or 'alert' must be set");
            None
        }
    };
    let (expr, query) = expression(&fields)?;
    Some(Rule { expr, query, kind: kind? })
}

fn expression(fields: &Fields<'_>) -> Option<(String, Expr)> {
    let cursor = fields.get("expr");
    let Some(text) = cursor.as_ref().and_then(Cursor::text).filter(|text| !text.is_empty()) else {
        fields.refuse("field 'expr' must be set in rule");
        return None;
    };
    match narthex_promql::parse(text) {
        Ok(query) => Some((text.trim().to_owned(), query)),
        Err(error) => {
            let at = Position { line: error.position.line, column: error.position.column };
            if let Some(cursor) = cursor {
                cursor.refuse_within(at, format!("could not parse expression: {error}"));
            }
            None
        }
    }
}

fn labels<'a>(fields: &Fields<'a>, group: &GroupLabels<'a>) -> GroupLabels<'a> {
    let mut labels = group.clone();
    let own = fields.get("labels").map(|map| map.members()).unwrap_or_default();
    for (name, value) in own {
        if !is_settable_label(name) {
            value.refuse(format!("invalid label name: {name}"));
        }
        labels.insert(name, value);
    }
    labels
}

fn recording(fields: &Fields<'_>, record: &str, labels: &GroupLabels<'_>) -> RuleKind {
    let forbid = |name: &str, is_set: bool| {
        if is_set && let Some(cursor) = fields.get(name) {
            cursor.refuse(format!("invalid field '{name}' in recording rule"));
        }
    };
    forbid("annotations", fields.get("annotations").is_some_and(|map| !map.members().is_empty()));
    for name in ["for", "keep_firing_for"] {
        forbid(name, fields.duration(name).is_some_and(|length| !length.is_zero()));
    }
    if record.contains(['{', '}'])
        && let Some(cursor) = fields.get("record")
    {
        cursor.refuse(format!("braces present in the recording rule name; should it be in expr?: {record}"));
    }
    let labels = labels.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.text_or_empty()?)));
    RuleKind::Recording { record: record.to_owned(), labels: labels.collect() }
}

fn alerting(fields: &Fields<'_>, alert: &str, labels: &GroupLabels<'_>) -> RuleKind {
    let annotations = fields.get("annotations").map(|map| map.members()).unwrap_or_default();
    for (name, value) in annotations.iter().filter(|(name, _)| name.is_empty()) {
        value.refuse(format!("invalid annotation name: {name}"));
    }
    RuleKind::Alerting {
        alert: alert.to_owned(),
        hold: fields.duration("for").unwrap_or_default(),
        keep_firing: fields.duration("keep_firing_for").unwrap_or_default(),
        labels: labels.iter().filter_map(templates).collect(),
        annotations: annotations.iter().map(|(name, value)| (name, value)).filter_map(templates).collect(),
    }
}

fn templates((name, value): (&&str, &Cursor<'_>)) -> Option<(String, Template)> {
    Some(((*name).to_owned(), Template::read(value, &template::ALERT)?))
}

//! Rule groups.

use std::{collections::BTreeSet, time::Duration};

use narthex_model::format_duration;

use super::{RuleGroup, RuleLimits, rule};
use crate::cursor::{Cursor, Fields};

const KEYS: [&str; 6] = ["name", "interval", "query_offset", "limit", "rules", "labels"];

pub(super) fn read_all(list: &[Cursor<'_>], namespace: &str, limits: &RuleLimits) -> Vec<RuleGroup> {
    let mut names = BTreeSet::new();
    let mut groups = Vec::with_capacity(list.len());
    for cursor in list {
        let Some(fields) = cursor.fields(&KEYS, &[]) else { continue };
        let group = read(&fields, namespace, limits);
        if !names.insert(group.name.clone()) && !group.name.is_empty() {
            let at = fields.get("name").unwrap_or_else(|| cursor.clone());
            at.refuse(format!("groupname: {:?} is repeated in the same file", group.name));
        }
        groups.push(group);
    }
    groups
}

fn read(fields: &Fields<'_>, namespace: &str, limits: &RuleLimits) -> RuleGroup {
    let name = fields.text("name").unwrap_or_default().to_owned();
    if name.is_empty() {
        fields.refuse("Groupname must not be empty");
    }
    let bytes = namespace.len() + name.len();
    if bytes > limits.max_name_bytes {
        let most = limits.max_name_bytes;
        fields.refuse(format!(
            "the names of namespace and group have {bytes} bytes together; at most {most} are allowed"
        ));
    }
    let labels = rule::group_labels(fields);
    RuleGroup {
        interval: interval(fields, &name, limits),
        query_offset: fields.duration("query_offset"),
        limit: fields
            .get("limit")
            .and_then(|limit| limit.integer())
            .map_or(0, |limit| limit.max(0).unsigned_abs()),
        rules: fields.items("rules").iter().filter_map(|rule| rule::read(rule, &labels)).collect(),
        name,
    }
}

/// Nothing and zero both mean the default, as in Prometheus.
fn interval(fields: &Fields<'_>, name: &str, limits: &RuleLimits) -> Duration {
    let Some(interval) = fields.duration("interval").filter(|interval| !interval.is_zero()) else {
        return limits.default_interval;
    };
    if interval < limits.min_interval
        && let Some(cursor) = fields.get("interval")
    {
        let (interval, least) = (shown(interval), shown(limits.min_interval));
        cursor.refuse(format!("the interval {interval} of group {name:?} is below the minimum of {least}"));
    }
    interval
}

fn shown(duration: Duration) -> String {
    format_duration(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

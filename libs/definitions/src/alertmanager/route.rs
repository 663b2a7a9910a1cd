//! The routing tree.

use std::{collections::BTreeSet, time::Duration};

use narthex_model::Matcher;

use super::{DefinitionLimits, at_most, matchers};
use crate::cursor::{Cursor, Fields};

/// Longest `repeat_interval` that has an effect (AM-4).
pub const MAX_REPEAT_INTERVAL: Duration = Duration::from_secs(5 * 24 * 3600);

/// A node of the routing tree as the file has it: what it does not say it takes from its parent.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Who gets the notifications.
    pub receiver: Option<String>,
    /// How alerts are grouped.
    pub group_by: Option<GroupBy>,
    /// Wait before the first notification of a group.
    pub group_wait: Option<Duration>,
    /// Wait before a notification about changes of a group.
    pub group_interval: Option<Duration>,
    /// Wait before a notification is repeated, as written.
    pub repeat_interval: Option<Duration>,
    /// Which alerts come here, all conditions of `match`, `match_re` and `matchers` together; at the root all.
    pub matchers: Vec<Matcher>,
    /// Alerts that come here are also offered to the routes behind.
    pub goes_on: bool,
    /// Intervals of no notifications.
    pub mute_time_intervals: Vec<String>,
    /// Intervals of notifications, if there are any.
    pub active_time_intervals: Vec<String>,
    /// The first that matches gets an alert.
    pub routes: Vec<Route>,
}

/// How alerts are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// By the values of these labels.
    Labels(BTreeSet<String>),
    /// `...`: each set of labels is a group.
    All,
}

/// What holds at a node, with all that it takes from its parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteOptions {
    /// Who gets the notifications.
    pub receiver: String,
    /// How alerts are grouped.
    pub group_by: GroupBy,
    /// Wait before the first notification of a group.
    pub group_wait: Duration,
    /// Wait before a notification about changes of a group.
    pub group_interval: Duration,
    /// Wait before a notification is repeated; at most [`MAX_REPEAT_INTERVAL`].
    pub repeat_interval: Duration,
}

/// What holds where nobody says anything: Alertmanager's defaults.
impl Default for RouteOptions {
    fn default() -> Self {
        Self {
            receiver: String::new(),
            group_by: GroupBy::Labels(BTreeSet::new()),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(300),
            repeat_interval: Duration::from_secs(4 * 3600),
        }
    }
}

impl Route {
    /// What holds at this node below a parent at which `parent` holds; the default at the root.
    pub fn options(&self, parent: &RouteOptions) -> RouteOptions {
        RouteOptions {
            receiver: self.receiver.as_ref().unwrap_or(&parent.receiver).clone(),
            group_by: self.group_by.as_ref().unwrap_or(&parent.group_by).clone(),
            group_wait: self.group_wait.unwrap_or(parent.group_wait),
            group_interval: self.group_interval.unwrap_or(parent.group_interval),
            repeat_interval: self.repeat_interval.unwrap_or(parent.repeat_interval).min(MAX_REPEAT_INTERVAL),
        }
    }

    /// How many nodes the tree from here on has.
    pub fn node_count(&self) -> usize {
        1 + self.routes.iter().map(Self::node_count).sum::<usize>()
    }
}

/// The names that a route may use.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pub(super) receivers: BTreeSet<&'a str>,
    pub(super) time_intervals: BTreeSet<&'a str>,
}

const KEYS: [&str; 12] = [
    "receiver",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "match",
    "match_re",
    "matchers",
    "continue",
    "mute_time_intervals",
    "active_time_intervals",
    "routes",
];

pub(super) fn read_root(cursor: &Cursor<'_>, names: &Names<'_>, limits: &DefinitionLimits) -> Option<Route> {
    let route = read(cursor, names)?;
    at_most(cursor, route.node_count(), limits.max_routes, "nodes in its routing tree");
    if route.receiver.is_none() {
        cursor.refuse("root route must specify a default receiver");
    }
    for (is_there, what) in [
        (!route.matchers.is_empty(), "matchers"),
        (!route.mute_time_intervals.is_empty(), "mute time intervals"),
        (!route.active_time_intervals.is_empty(), "active time intervals"),
    ] {
        if is_there {
            cursor.refuse(format!("root route must not have any {what}"));
        }
    }
    Some(route)
}

fn read(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Route> {
    let fields = cursor.fields(&KEYS, &[])?;
    let receiver = fields.some_text("receiver").map(str::to_owned);
    if let (Some(cursor), Some(receiver)) = (fields.get("receiver"), &receiver)
        && !names.receivers.contains(receiver.as_str())
    {
        cursor.refuse(format!("undefined receiver {receiver:?} used in route"));
    }
    Some(Route {
        receiver,
        group_by: group_by(&fields),
        group_wait: fields.duration("group_wait"),
        group_interval: above_zero(&fields, "group_interval"),
        repeat_interval: above_zero(&fields, "repeat_interval"),
        matchers: matchers::read(&fields, "match", "match_re", "matchers"),
        goes_on: fields.boolean("continue", false),
        mute_time_intervals: intervals(&fields, "mute_time_intervals", names),
        active_time_intervals: intervals(&fields, "active_time_intervals", names),
        routes: fields.items("routes").iter().filter_map(|route| read(route, names)).collect(),
    })
}

fn above_zero(fields: &Fields<'_>, name: &str) -> Option<Duration> {
    let cursor = fields.get(name)?;
    let length = cursor.duration()?;
    if length.is_zero() {
        cursor.refuse(format!("{name} cannot be zero"));
    }
    Some(length)
}

fn intervals(fields: &Fields<'_>, name: &str, names: &Names<'_>) -> Vec<String> {
    for cursor in fields.items(name) {
        if let Some(used) = cursor.text()
            && !names.time_intervals.contains(used)
        {
            cursor.refuse(format!("undefined time interval {used:?} used in route"));
        }
    }
    fields.texts(name)
}

/// An empty list is as if there were none, as in Alertmanager.
fn group_by(fields: &Fields<'_>) -> Option<GroupBy> {
    let (mut labels, mut all) = (BTreeSet::new(), false);
    let cursor = fields.get("group_by")?;
    for item in cursor.items() {
        match item.text() {
            Some("...") => all = true,
            Some("") => item.refuse("invalid label name \"\" in group_by list"),
            Some(label) if !labels.insert(label.to_owned()) => {
                item.refuse(format!("duplicated label {label:?} in group_by"));
            }
            _ => {}
        }
    }
    match (labels.is_empty(), all) {
        (true, true) => Some(GroupBy::All),
        (true, false) => None,
        (false, false) => Some(GroupBy::Labels(labels)),
        (false, true) => {
            cursor.refuse("cannot have wildcard group_by (`...`) and other labels at the same time");
            None
        }
    }
}

//! The Alertmanager configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    DefinitionLimits, InhibitRule, Receiver, Route, TimeInterval, inhibit, receiver, route, templates,
    time_interval,
};
use crate::{
    cursor::{Cursor, Fields},
    template::Template,
};

/// An Alertmanager configuration whose names all resolve.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How long an alert without an end is taken as firing after it was last reported.
    pub resolve_timeout: Duration,
    /// Root of the routing tree.
    pub route: Route,
    /// Which alerts mute which.
    pub inhibit_rules: Vec<InhibitRule>,
    /// In the order of the file; names are unique.
    pub receivers: Vec<Receiver>,
    /// Template files in use, in order.
    pub templates: Vec<String>,
    /// Intervals by the name that routes use.
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
}

const KEYS: [&str; 7] =
    ["global", "route", "inhibit_rules", "receivers", "templates", "mute_time_intervals", "time_intervals"];

const UNSUPPORTED: [(&str, &str); 2] =
    [("event_recorder", "the service writes its own log"), ("tracing", "the service traces itself")];

const OTHER_RECEIVERS: &str = "receivers are sns_configs and pagerduty_configs";

/// Options of the global section that are for what the service does not do, or does itself.
const UNSUPPORTED_GLOBALS: [(&str, &str); 46] = {
    const FIXED: &str = "the service connects by itself";
    [
        ("http_config", "external proxies cannot be used"),
        ("pagerduty_url", FIXED),
        ("jira_api_url", OTHER_RECEIVERS),
        ("smtp_from", OTHER_RECEIVERS),
        ("smtp_hello", OTHER_RECEIVERS),
        ("smtp_smarthost", OTHER_RECEIVERS),
        ("smtp_auth_username", OTHER_RECEIVERS),
        ("smtp_auth_password", OTHER_RECEIVERS),
        ("smtp_auth_password_file", OTHER_RECEIVERS),
        ("smtp_auth_secret", OTHER_RECEIVERS),
        ("smtp_auth_secret_file", OTHER_RECEIVERS),
        ("smtp_auth_identity", OTHER_RECEIVERS),
        ("smtp_require_tls", OTHER_RECEIVERS),
        ("smtp_tls_config", OTHER_RECEIVERS),
        ("smtp_force_implicit_tls", OTHER_RECEIVERS),
        ("slack_api_url", OTHER_RECEIVERS),
        ("slack_api_url_file", OTHER_RECEIVERS),
        ("slack_app_token", OTHER_RECEIVERS),
        ("slack_app_token_file", OTHER_RECEIVERS),
        ("slack_app_url", OTHER_RECEIVERS),
        ("opsgenie_api_url", OTHER_RECEIVERS),
        ("opsgenie_api_key", OTHER_RECEIVERS),
        ("opsgenie_api_key_file", OTHER_RECEIVERS),
        ("wechat_api_url", OTHER_RECEIVERS),
        ("wechat_api_secret", OTHER_RECEIVERS),
        ("wechat_api_secret_file", OTHER_RECEIVERS),
        ("wechat_api_corp_id", OTHER_RECEIVERS),
        ("victorops_api_url", OTHER_RECEIVERS),
        ("victorops_api_key", OTHER_RECEIVERS),
        ("victorops_api_key_file", OTHER_RECEIVERS),
        ("telegram_api_url", OTHER_RECEIVERS),
        ("telegram_bot_token", OTHER_RECEIVERS),
        ("telegram_bot_token_file", OTHER_RECEIVERS),
        ("webex_api_url", OTHER_RECEIVERS),
        ("rocketchat_api_url", OTHER_RECEIVERS),
        ("rocketchat_token", OTHER_RECEIVERS),
        ("rocketchat_token_file", OTHER_RECEIVERS),
        ("rocketchat_token_id", OTHER_RECEIVERS),
        ("rocketchat_token_id_file", OTHER_RECEIVERS),
        ("mattermost_webhook_url", OTHER_RECEIVERS),
        ("mattermost_webhook_url_file", OTHER_RECEIVERS),
        ("hipchat_api_url", OTHER_RECEIVERS),
        ("hipchat_auth_token", OTHER_RECEIVERS),
        ("pushover_api_url", OTHER_RECEIVERS),
        ("msteams_api_url", OTHER_RECEIVERS),
        ("discord_api_url", OTHER_RECEIVERS),
    ]
};

pub(super) fn read(
    cursor: &Cursor<'_>,
    template_files: &BTreeMap<String, Template>,
    limits: &DefinitionLimits,
) -> Option<Config> {
    let template_files_are_wrong = !cursor.problems().is_empty();
    let fields = cursor.fields(&KEYS, &UNSUPPORTED)?;
    let global =
        fields.get("global").and_then(|global| global.fields(&["resolve_timeout"], &UNSUPPORTED_GLOBALS));
    let receivers = receiver::read_all(&fields, limits);
    let time_intervals = time_interval::read_all(&fields);
    let route = root_route(&fields, &receivers, &time_intervals, limits);
    Some(Config {
        resolve_timeout: global
            .and_then(|global| global.duration("resolve_timeout"))
            .unwrap_or(Duration::from_secs(300)),
        inhibit_rules: inhibit::read_all(&fields, limits),
        templates: templates::used(&fields, template_files, template_files_are_wrong),
        route: route?,
        receivers,
        time_intervals,
    })
}

fn root_route(
    fields: &Fields<'_>,
    receivers: &[Receiver],
    time_intervals: &BTreeMap<String, Vec<TimeInterval>>,
    limits: &DefinitionLimits,
) -> Option<Route> {
    let Some(cursor) = fields.get("route") else {
        fields.refuse("no routes provided");
        return None;
    };
    let names = route::Names {
        receivers: receivers.iter().map(|receiver| receiver.name.as_str()).collect::<BTreeSet<_>>(),
        time_intervals: time_intervals.keys().map(String::as_str).collect(),
    };
    route::read_root(&cursor, &names, limits)
}

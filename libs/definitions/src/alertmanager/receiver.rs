//! Receivers.

use std::collections::BTreeSet;

use super::{DefinitionLimits, PagerDuty, Sns, pagerduty, sns};
use crate::cursor::Fields;

/// Who gets notifications. One without any configuration is a place where alerts end.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// Never empty.
    pub name: String,
    /// SNS topics and the like, all of which get each notification (AM-25).
    pub sns: Vec<Sns>,
    /// PagerDuty services, all of which get each notification.
    pub pagerduty: Vec<PagerDuty>,
}

const ONLY: &str = "receivers are sns_configs and pagerduty_configs";

/// The other kinds of receivers of Alertmanager (AM-14).
const UNSUPPORTED: [(&str, &str); 17] = [
    ("discord_configs", ONLY),
    ("email_configs", ONLY),
    ("hipchat_configs", ONLY),
    ("incidentio_configs", ONLY),
    ("jira_configs", ONLY),
    ("mattermost_configs", ONLY),
    ("msteams_configs", ONLY),
    ("msteamsv2_configs", ONLY),
    ("opsgenie_configs", ONLY),
    ("pushover_configs", ONLY),
    ("rocketchat_configs", ONLY),
    ("slack_configs", ONLY),
    ("telegram_configs", ONLY),
    ("victorops_configs", ONLY),
    ("webex_configs", ONLY),
    ("webhook_configs", ONLY),
    ("wechat_configs", ONLY),
];

pub(super) fn read_all(config: &Fields<'_>, limits: &DefinitionLimits) -> Vec<Receiver> {
    let mut names = BTreeSet::new();
    let mut receivers = Vec::new();
    for cursor in config.items("receivers") {
        let Some(fields) = cursor.fields(&["name", "sns_configs", "pagerduty_configs"], &UNSUPPORTED) else {
            continue;
        };
        let name = fields.text("name").unwrap_or_default().to_owned();
        if name.is_empty() {
            fields.refuse("missing name in receiver");
        } else if !names.insert(name.clone()) {
            fields.refuse(format!("notification config name {name:?} is not unique"));
        }
        let sns = fields.items("sns_configs").iter().filter_map(|config| sns::read(config, limits)).collect();
        let pagerduty = fields
            .items("pagerduty_configs")
            .iter()
            .filter_map(|config| pagerduty::read(config, limits))
            .collect();
        receivers.push(Receiver { name, sns, pagerduty });
    }
    receivers
}

//! The global section: labels, and what holds for jobs that do not say otherwise.

use std::{collections::BTreeMap, time::Duration};

use super::{
    ScrapeLimits,
    job::{Common, check_interval},
};
use crate::cursor::Fields;

/// What a job takes from the global section.
#[derive(Debug)]
pub(super) struct Global {
    pub(super) external_labels: BTreeMap<String, String>,
    pub(super) interval: Duration,
    /// Absent where nothing is said, for then it is no longer than the job's interval.
    pub(super) timeout: Option<Duration>,
    pub(super) common: Common,
}

/// Prometheus's default interval.
const INTERVAL: Duration = Duration::from_secs(60);

/// Keys beside those that jobs have too.
const KEYS: [&str; 5] =
    ["scrape_interval", "scrape_timeout", "external_labels", "evaluation_interval", "rule_query_offset"];

const UNSUPPORTED: [(&str, &str); 3] = [
    ("query_log_file", "the service writes no files"),
    ("scrape_failure_log_file", "the service writes no files"),
    ("runtime", "the service sets it"),
];

pub(super) fn read(root: &Fields<'_>, limits: &ScrapeLimits) -> Global {
    let known: Vec<&str> = KEYS.iter().chain(&Common::KEYS).copied().collect();
    let default = || Global {
        external_labels: BTreeMap::new(),
        interval: INTERVAL,
        timeout: None,
        common: Common::default(),
    };
    let Some(fields) = root.get("global").and_then(|global| global.fields(&known, &UNSUPPORTED)) else {
        return default();
    };
    // Rules are evaluated elsewhere: these two have no effect, but unmodified files have them.
    for name in ["evaluation_interval", "rule_query_offset"] {
        fields.duration(name);
    }
    for (name, value) in fields.get("external_labels").map(|map| map.members()).unwrap_or_default() {
        if name.is_empty() {
            value.refuse("\"\" is not a valid label name");
        }
    }
    let interval = fields.duration("scrape_interval").filter(|interval| !interval.is_zero());
    let timeout = fields.duration("scrape_timeout").filter(|timeout| !timeout.is_zero());
    check_interval(&fields, interval, limits);
    if timeout > Some(interval.unwrap_or(INTERVAL)) {
        fields.refuse("global scrape timeout greater than scrape interval");
    }
    Global {
        external_labels: fields.text_map("external_labels"),
        interval: interval.unwrap_or(INTERVAL),
        timeout,
        common: Common::read(&fields, &Common::default()),
    }
}

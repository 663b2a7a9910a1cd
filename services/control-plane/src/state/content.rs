//! What a resource consists of, in the API's own member names, so that replies show it as it is stored.
//!
//! Stored in snapshots and in the log: a member of a released version is never renamed, and new ones have a default.

use std::collections::BTreeMap;

use narthex_amp::{
    AnomalyDetectorMissingDataAction, CloudWatchLogDestination, Destination, ExporterConfiguration,
    LimitsPerLabelSet, LoggingDestination, RoleConfiguration, ScraperComponent, ScraperLoggingDestination,
    Source,
};
use narthex_model::{AccountId, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::{Body, Exact, ResourceKind};

/// The content of a resource, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Of a workspace's configuration.
    Configuration(Configuration),
    /// Of a rule groups namespace.
    Rules(RuleFile),
    /// Of an alert manager definition: the file.
    AlertManager(Body),
    /// Of a logging configuration.
    Logging(CloudWatchLogDestination),
    /// Of a query logging configuration: exactly one destination.
    QueryLogging(Vec<LoggingDestination>),
    /// Of a resource policy: the document.
    Policy(Body),
    /// Of an anomaly detector.
    AnomalyDetector(Box<AnomalyDetector>),
    /// Of a scraper.
    Scraper(Box<Scraper>),
    /// Of a scraper's logging configuration.
    ScraperLogging(ScraperLogging),
}

impl Content {
    /// The kind of resource that it belongs to.
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Configuration(_) => ResourceKind::Configuration,
            Self::Rules(_) => ResourceKind::RuleGroupsNamespace,
            Self::AlertManager(_) => ResourceKind::AlertManagerDefinition,
            Self::Logging(_) => ResourceKind::Logging,
            Self::QueryLogging(_) => ResourceKind::QueryLogging,
            Self::Policy(_) => ResourceKind::ResourcePolicy,
            Self::AnomalyDetector(_) => ResourceKind::AnomalyDetector,
            Self::Scraper(_) => ResourceKind::Scraper,
            Self::ScraperLogging(_) => ResourceKind::ScraperLogging,
        }
    }

    /// The file that it holds, if it holds one.
    pub const fn body(&self) -> Option<&Body> {
        match self {
            Self::Rules(file) => Some(&file.data),
            Self::AlertManager(body) | Self::Policy(body) => Some(body),
            Self::Scraper(scraper) => Some(&scraper.configuration),
            _ => None,
        }
    }
}

/// Settings of a workspace; what is `None` was never set. Also used as a change of some of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Configuration {
    /// Limits of active series by label set; the empty set is the bucket of series in no other (WS-26).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_per_label_set: Option<Vec<LimitsPerLabelSet>>,
    /// Days that samples are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_period_in_days: Option<u32>,
    /// How late samples may come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_order_time_window_in_seconds: Option<u32>,
    /// How far in the past rules are evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_query_offset_in_seconds: Option<u32>,
}

impl Configuration {
    /// These settings with others in place of some; label sets are replaced as a whole.
    #[must_use]
    pub fn with(mut self, change: Self) -> Self {
        let Self {
            limits_per_label_set,
            retention_period_in_days,
            out_of_order_time_window_in_seconds,
            rule_query_offset_in_seconds,
        } = change;
        self.limits_per_label_set = limits_per_label_set.or(self.limits_per_label_set);
        self.retention_period_in_days = retention_period_in_days.or(self.retention_period_in_days);
        self.out_of_order_time_window_in_seconds =
            out_of_order_time_window_in_seconds.or(self.out_of_order_time_window_in_seconds);
        self.rule_query_offset_in_seconds =
            rule_query_offset_in_seconds.or(self.rule_query_offset_in_seconds);
        self
    }
}

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The file.
    pub data: Body,
    /// Rules in it, for the quota of the workspace (QUO-31).
    pub rules: u32,
}

/// A detector of anomalies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnomalyDetector {
    /// Friendly name.
    pub alias: String,
    /// Pace.
    pub evaluation_interval_in_seconds: u32,
    /// What missing data means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_data_action: Option<AnomalyDetectorMissingDataAction>,
    /// The algorithm.
    pub random_cut_forest: RandomCutForest,
    /// Labels of its output.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Parameters of a Random Cut Forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RandomCutForest {
    /// What is watched.
    pub query: String,
    /// Consecutive points taken together.
    pub shingle_size: u32,
    /// Points kept.
    pub sample_size: u32,
    /// Tolerance above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_near_expected_from_above: Option<Tolerance>,
    /// Tolerance below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_near_expected_from_below: Option<Tolerance>,
}

/// How near to what is expected a value counts as expected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tolerance {
    /// In the unit of the query.
    Amount(Exact),
    /// In parts of the expected value.
    Ratio(Exact),
}

/// A scraper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scraper {
    /// Friendly name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The role it discovers and collects with; made with it (security.md section 9).
    pub role_arn: String,
    /// The scrape configuration.
    pub configuration: Body,
    /// What is scraped; never changes.
    pub source: Source,
    /// Where samples go.
    pub destination: Target,
    /// Roles across accounts, or for a workspace with a customer's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_configuration: Option<RoleConfiguration>,
    /// At most one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exporters: Vec<ExporterConfiguration>,
}

/// A destination, and the workspace that it is, if it is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// As the API shows it.
    pub destination: Destination,
    /// The account and the workspace that its ARN names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<(AccountId, WorkspaceId)>,
}

/// Where logs of a scraper go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScraperLogging {
    /// Where.
    pub logging_destination: ScraperLoggingDestination,
    /// Which components.
    pub scraper_components: Vec<ScraperComponent>,
}

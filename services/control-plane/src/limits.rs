//! Quotas, each a setting of the operator.

use clap::Args;
use narthex_service::HumanDuration;

/// Quotas and limits, by default those of quotas-and-errors.md. Those of resources are looked at when something is created or
/// changed: what is there already stays.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Workspaces that an account may have
    #[arg(
        long = "limits.workspaces",
        env = "NARTHEX_LIMITS_WORKSPACES",
        value_name = "COUNT",
        default_value_t = 25
    )]
    pub workspaces: u32,

    /// Active series that a new workspace may have; 0 means no limit
    #[arg(
        long = "limits.active-series",
        env = "NARTHEX_LIMITS_ACTIVE_SERIES",
        value_name = "COUNT",
        default_value_t = 50_000_000
    )]
    pub active_series: u64,

    /// How much later than the newest sample of its series a sample may arrive in a new workspace
    #[arg(
        long = "limits.out-of-order-window",
        env = "NARTHEX_LIMITS_OUT_OF_ORDER_WINDOW",
        value_name = "DURATION",
        default_value = "10m"
    )]
    pub out_of_order_window: HumanDuration,

    /// Longest out-of-order window that a workspace can be configured with
    #[arg(
        long = "limits.max-out-of-order-window",
        env = "NARTHEX_LIMITS_MAX_OUT_OF_ORDER_WINDOW",
        value_name = "DURATION",
        default_value = "10m"
    )]
    pub max_out_of_order_window: HumanDuration,

    /// Days that samples are kept in a workspace that is not configured otherwise
    #[arg(
        long = "limits.retention-days",
        env = "NARTHEX_LIMITS_RETENTION_DAYS",
        value_name = "DAYS",
        default_value_t = 150
    )]
    pub retention_days: u32,

    /// Label sets with limits of active series in a workspace
    #[arg(
        long = "limits.label-sets",
        env = "NARTHEX_LIMITS_LABEL_SETS",
        value_name = "COUNT",
        default_value_t = 100
    )]
    pub label_sets: u32,

    /// Rules in all rule groups namespaces of a workspace
    #[arg(
        long = "limits.rules",
        env = "NARTHEX_LIMITS_RULES",
        value_name = "COUNT",
        default_value_t = 2_000
    )]
    pub rules: u32,

    /// Rule groups namespaces in a workspace
    #[arg(
        long = "limits.rule-groups-namespaces",
        env = "NARTHEX_LIMITS_RULE_GROUPS_NAMESPACES",
        value_name = "COUNT",
        default_value_t = 2_000
    )]
    pub rule_groups_namespaces: u32,

    /// Largest file of rules
    #[arg(
        long = "limits.rule-file-bytes",
        env = "NARTHEX_LIMITS_RULE_FILE_BYTES",
        value_name = "BYTES",
        default_value_t = 1_000_000
    )]
    pub rule_file_bytes: u32,

    /// Shortest evaluation interval of a rule group; a file with a shorter one is refused
    #[arg(
        long = "limits.min-rule-interval",
        env = "NARTHEX_LIMITS_MIN_RULE_INTERVAL",
        value_name = "DURATION",
        default_value = "30s"
    )]
    pub min_rule_interval: HumanDuration,

    /// Largest alert manager definition
    #[arg(
        long = "limits.alertmanager-definition-bytes",
        env = "NARTHEX_LIMITS_ALERTMANAGER_DEFINITION_BYTES",
        value_name = "BYTES",
        default_value_t = 1_000_000
    )]
    pub definition_bytes: u32,

    /// Templates in an alert manager definition
    #[arg(
        long = "limits.alertmanager-templates",
        env = "NARTHEX_LIMITS_ALERTMANAGER_TEMPLATES",
        value_name = "COUNT",
        default_value_t = 100
    )]
    pub templates: u32,

    /// Nodes in the routing tree of an alert manager definition, its root included
    #[arg(
        long = "limits.alertmanager-routing-nodes",
        env = "NARTHEX_LIMITS_ALERTMANAGER_ROUTING_NODES",
        value_name = "COUNT",
        default_value_t = 100
    )]
    pub routing_nodes: u32,

    /// Inhibition rules in an alert manager definition
    #[arg(
        long = "limits.alertmanager-inhibition-rules",
        env = "NARTHEX_LIMITS_ALERTMANAGER_INHIBITION_RULES",
        value_name = "COUNT",
        default_value_t = 100
    )]
    pub inhibition_rules: u32,

    /// Scrapers that an account may have
    #[arg(
        long = "limits.scrapers",
        env = "NARTHEX_LIMITS_SCRAPERS",
        value_name = "COUNT",
        default_value_t = 10
    )]
    pub scrapers: u32,

    /// Largest scrape configuration
    #[arg(
        long = "limits.scrape-configuration-bytes",
        env = "NARTHEX_LIMITS_SCRAPE_CONFIGURATION_BYTES",
        value_name = "BYTES",
        default_value_t = 1_000_000
    )]
    pub scrape_configuration_bytes: u32,

    /// Shortest scrape interval; a configuration with a shorter one is refused
    #[arg(
        long = "limits.min-scrape-interval",
        env = "NARTHEX_LIMITS_MIN_SCRAPE_INTERVAL",
        value_name = "DURATION",
        default_value = "30s"
    )]
    pub min_scrape_interval: HumanDuration,

    /// Anomaly detectors in a workspace
    #[arg(
        long = "limits.anomaly-detectors",
        env = "NARTHEX_LIMITS_ANOMALY_DETECTORS",
        value_name = "COUNT",
        default_value_t = 500
    )]
    pub anomaly_detectors: u32,

    /// Tags that a resource may have
    #[arg(long = "limits.tags", env = "NARTHEX_LIMITS_TAGS", value_name = "COUNT", default_value_t = 50)]
    pub tags: u32,
}

impl Limits {
    /// As workspaces keep it, in milliseconds.
    pub(crate) fn out_of_order_window_ms(&self) -> i64 {
        i64::try_from(self.out_of_order_window.get().as_millis()).unwrap_or(i64::MAX)
    }

    /// As workspaces keep it: `None` means no limit.
    pub(crate) fn max_active_series(&self) -> Option<u64> {
        (self.active_series > 0).then_some(self.active_series)
    }
}

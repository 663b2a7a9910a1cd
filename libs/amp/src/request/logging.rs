//! Logs of rules and alerts, and of queries (sections 5.4 and 5.5).

use serde::{Deserialize, Serialize};

/// Directs logs of rules and alerts to a log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateLoggingConfigurationRequest {
    pub workspace_id: String,
    pub log_group_arn: String,
    pub client_token: Option<String>,
}

/// Changes the log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateLoggingConfigurationRequest {
    pub workspace_id: String,
    pub log_group_arn: String,
    pub client_token: Option<String>,
}

/// Reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeLoggingConfigurationRequest {
    pub workspace_id: String,
}

/// Turns these logs off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteLoggingConfigurationRequest {
    pub workspace_id: String,
    pub client_token: Option<String>,
}

/// Logs costly queries to the one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateQueryLoggingConfigurationRequest {
    pub workspace_id: String,
    pub destinations: Vec<LoggingDestination>,
    pub client_token: Option<String>,
}

/// Changes destination and threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateQueryLoggingConfigurationRequest {
    pub workspace_id: String,
    pub destinations: Vec<LoggingDestination>,
    pub client_token: Option<String>,
}

/// Reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeQueryLoggingConfigurationRequest {
    pub workspace_id: String,
}

/// Turns query logging off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteQueryLoggingConfigurationRequest {
    pub workspace_id: String,
    pub client_token: Option<String>,
}

/// Which queries are logged, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggingDestination {
    pub cloud_watch_logs: CloudWatchLogDestination,
    pub filters: LoggingFilter,
}

/// A log group, its ARN ending in `:*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudWatchLogDestination {
    pub log_group_arn: String,
}

/// Queries that process more samples than this are logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggingFilter {
    pub qsp_threshold: u64,
}

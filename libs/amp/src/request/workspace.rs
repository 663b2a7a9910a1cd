//! Workspaces and their configuration (section 5.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Page, Tags};

/// Makes a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateWorkspaceRequest {
    pub alias: Option<String>,
    pub client_token: Option<String>,
    #[serde(default)]
    pub tags: Tags,
    pub kms_key_arn: Option<String>,
}

/// Reads one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeWorkspaceRequest {
    pub workspace_id: String,
}

/// Lists the workspaces whose aliases begin with `alias`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListWorkspacesRequest {
    pub alias: Option<String>,
    #[serde(flatten)]
    pub page: Page,
}

/// Changes the alias, or takes it away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateWorkspaceAliasRequest {
    pub workspace_id: String,
    pub alias: Option<String>,
    pub client_token: Option<String>,
}

/// Deletes a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteWorkspaceRequest {
    pub workspace_id: String,
    pub client_token: Option<String>,
}

/// Reads the settings of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeWorkspaceConfigurationRequest {
    pub workspace_id: String,
}

/// Changes at least one setting; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateWorkspaceConfigurationRequest {
    pub workspace_id: String,
    pub client_token: Option<String>,
    pub limits_per_label_set: Option<Vec<LimitsPerLabelSet>>,
    pub retention_period_in_days: Option<u32>,
    pub out_of_order_time_window_in_seconds: Option<u32>,
    pub rule_query_offset_in_seconds: Option<u32>,
}

/// Limits of the series that have all these labels; without labels, of those that match no other set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitsPerLabelSet {
    pub limits: LimitsPerLabelSetEntry,
    pub label_set: BTreeMap<String, String>,
}

/// The limits. `max_series` 0 enforces nothing, but the set is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitsPerLabelSetEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_series: Option<u64>,
}

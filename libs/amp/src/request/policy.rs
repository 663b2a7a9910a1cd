//! Policies of workspaces (section 5.8).

use serde::{Deserialize, Serialize};

/// Creates or replaces the policy; with `revision_id` only if that is the current revision, `NO_POLICY` standing for none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutResourcePolicyRequest {
    pub workspace_id: String,
    pub policy_document: String,
    pub client_token: Option<String>,
    pub revision_id: Option<String>,
}

/// Reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeResourcePolicyRequest {
    pub workspace_id: String,
}

/// Removes it; with `revision_id` only if that is the current revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteResourcePolicyRequest {
    pub workspace_id: String,
    pub client_token: Option<String>,
    pub revision_id: Option<String>,
}

//! Rule groups namespaces (section 5.2).

use serde::{Deserialize, Serialize};

use super::{Page, Tags};
use crate::Blob;

/// Stores a rules file under a new name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRuleGroupsNamespaceRequest {
    pub workspace_id: String,
    pub name: String,
    pub data: Blob,
    pub client_token: Option<String>,
    #[serde(default)]
    pub tags: Tags,
}

/// Replaces the rules file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutRuleGroupsNamespaceRequest {
    pub workspace_id: String,
    pub name: String,
    pub data: Blob,
    pub client_token: Option<String>,
}

/// Reads one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeRuleGroupsNamespaceRequest {
    pub workspace_id: String,
    pub name: String,
}

/// Lists the namespaces of a workspace whose names begin with `name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRuleGroupsNamespacesRequest {
    pub workspace_id: String,
    pub name: Option<String>,
    #[serde(flatten)]
    pub page: Page,
}

/// Removes a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteRuleGroupsNamespaceRequest {
    pub workspace_id: String,
    pub name: String,
    pub client_token: Option<String>,
}

//! Alert manager definitions (section 5.3).

use serde::{Deserialize, Serialize};

use crate::Blob;

/// Stores the first definition of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateAlertManagerDefinitionRequest {
    pub workspace_id: String,
    pub data: Blob,
    pub client_token: Option<String>,
}

/// Replaces the definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutAlertManagerDefinitionRequest {
    pub workspace_id: String,
    pub data: Blob,
    pub client_token: Option<String>,
}

/// Reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeAlertManagerDefinitionRequest {
    pub workspace_id: String,
}

/// Removes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteAlertManagerDefinitionRequest {
    pub workspace_id: String,
    pub client_token: Option<String>,
}

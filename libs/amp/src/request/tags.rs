//! Tags (section 5.10).

use serde::{Deserialize, Serialize};

use super::Tags;
use crate::Arn;

/// Adds tags, or gives keys other values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagResourceRequest {
    pub resource_arn: Arn,
    pub tags: Tags,
}

/// Removes tags by their keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UntagResourceRequest {
    pub resource_arn: Arn,
    pub tag_keys: Vec<String>,
}

/// Reads all tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTagsForResourceRequest {
    pub resource_arn: Arn,
}

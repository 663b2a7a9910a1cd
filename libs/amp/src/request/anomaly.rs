//! Anomaly detectors (section 5.9).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Page, Tags};

/// Makes a detector; it is evaluated each minute unless another interval is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateAnomalyDetectorRequest {
    pub workspace_id: String,
    pub alias: String,
    pub evaluation_interval_in_seconds: Option<u32>,
    pub missing_data_action: Option<AnomalyDetectorMissingDataAction>,
    pub configuration: AnomalyDetectorConfiguration,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub client_token: Option<String>,
    #[serde(default)]
    pub tags: Tags,
}

/// Replaces a detector and trains it anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutAnomalyDetectorRequest {
    pub workspace_id: String,
    pub anomaly_detector_id: String,
    pub evaluation_interval_in_seconds: Option<u32>,
    pub missing_data_action: Option<AnomalyDetectorMissingDataAction>,
    pub configuration: AnomalyDetectorConfiguration,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub client_token: Option<String>,
}

/// Reads one detector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeAnomalyDetectorRequest {
    pub workspace_id: String,
    pub anomaly_detector_id: String,
}

/// Lists the detectors of a workspace that have this alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAnomalyDetectorsRequest {
    pub workspace_id: String,
    pub alias: Option<String>,
    #[serde(flatten)]
    pub page: Page,
}

/// Removes a detector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteAnomalyDetectorRequest {
    pub workspace_id: String,
    pub anomaly_detector_id: String,
    pub client_token: Option<String>,
}

/// What to do when there are no data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnomalyDetectorMissingDataAction {
    MarkAsAnomaly(bool),
    Skip(bool),
}

/// Algorithm and parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnomalyDetectorConfiguration {
    RandomCutForest(RandomCutForestConfiguration),
}

/// Parameters of a Random Cut Forest: shingles of 8 points and samples of 256 unless others are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RandomCutForestConfiguration {
    pub query: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shingle_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_near_expected_from_above: Option<IgnoreNearExpected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_near_expected_from_below: Option<IgnoreNearExpected>,
}

/// How far from the expected a value is still ordinary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IgnoreNearExpected {
    Amount(f64),
    Ratio(f64),
}

//! Scrapers and their logs (sections 5.6 and 5.7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CloudWatchLogDestination, Page, Tags};
use crate::Blob;

/// Makes a scraper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateScraperRequest {
    pub alias: Option<String>,
    pub scrape_configuration: ScrapeConfiguration,
    pub source: Source,
    pub destination: Destination,
    pub role_configuration: Option<RoleConfiguration>,
    pub client_token: Option<String>,
    #[serde(default)]
    pub tags: Tags,
    pub exporters: Option<Vec<ExporterConfiguration>>,
}

/// Changes a scraper; what is left out stays, and an empty list removes the exporter (API-C-84). Roles: API-C-85.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateScraperRequest {
    pub scraper_id: String,
    pub alias: Option<String>,
    pub scrape_configuration: Option<ScrapeConfiguration>,
    pub destination: Option<Destination>,
    pub role_configuration: Option<RoleConfiguration>,
    pub client_token: Option<String>,
    pub exporters: Option<Vec<ExporterConfiguration>>,
}

/// Reads one scraper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeScraperRequest {
    pub scraper_id: String,
}

/// Lists the scrapers that have one of the values for each key of `filters`: `status`, `sourceArn`, `destinationArn`, `alias`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListScrapersRequest {
    #[serde(default)]
    pub filters: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    pub page: Page,
}

/// Reads the default scrape configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetDefaultScraperConfigurationRequest {}

/// Deletes a scraper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteScraperRequest {
    pub scraper_id: String,
    pub client_token: Option<String>,
}

/// Sets where a scraper logs, and which of its components; absent ones are for the server to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateScraperLoggingConfigurationRequest {
    pub scraper_id: String,
    pub logging_destination: ScraperLoggingDestination,
    pub scraper_components: Option<Vec<ScraperComponent>>,
}

/// Reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeScraperLoggingConfigurationRequest {
    pub scraper_id: String,
}

/// Removes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteScraperLoggingConfigurationRequest {
    pub scraper_id: String,
    pub client_token: Option<String>,
}

/// What is scraped how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScrapeConfiguration {
    ConfigurationBlob(Blob),
}

/// What is scraped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    EksConfiguration(EksConfiguration),
    VpcConfiguration(VpcConfiguration),
}

/// A Kubernetes cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EksConfiguration {
    pub cluster_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group_ids: Option<Vec<String>>,
    pub subnet_ids: Vec<String>,
}

/// Targets in a network, found by DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VpcConfiguration {
    pub security_group_ids: Vec<String>,
    pub subnet_ids: Vec<String>,
}

/// Where samples are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    AmpConfiguration(AmpConfiguration),
    CloudWatchConfiguration(CloudWatchConfiguration),
}

/// A workspace, of whichever account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AmpConfiguration {
    pub workspace_arn: String,
}

/// A dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudWatchConfiguration {
    pub dataset_arn: String,
}

/// Roles for scraping across accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
}

/// A managed exporter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExporterConfiguration {
    OpenSearchConfiguration(OpenSearchExporterConfiguration),
    KafkaConfiguration(KafkaExporterConfiguration),
}

/// An OpenSearch domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenSearchExporterConfiguration {
    pub domain_arn: String,
}

/// An MSK cluster; filters are `^.*$` unless others are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KafkaExporterConfiguration {
    pub cluster_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_group_filter: Option<String>,
}

/// Where a scraper logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScraperLoggingDestination {
    CloudWatchLogs(CloudWatchLogDestination),
}

/// A component that logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScraperComponent {
    pub r#type: ScraperComponentType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ComponentConfig>,
}

/// The components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ScraperComponentType {
    ServiceDiscovery,
    Collector,
    Exporter,
}

/// Options of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<BTreeMap<String, String>>,
}

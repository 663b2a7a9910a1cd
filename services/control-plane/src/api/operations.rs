//! From a request to the function that carries it out.

use narthex_amp::Request;

use super::{Api, Call, Outcome};

impl Api {
    pub(super) async fn carry_out(&self, call: &Call, request: Request) -> Outcome {
        match request {
            Request::CreateAlertManagerDefinition(it) => self.create_alert_manager_definition(call, it).await,
            Request::CreateAnomalyDetector(it) => self.create_anomaly_detector(call, it).await,
            Request::CreateLoggingConfiguration(it) => self.create_logging(call, it).await,
            Request::CreateQueryLoggingConfiguration(it) => self.create_query_logging(call, it).await,
            Request::CreateRuleGroupsNamespace(it) => self.create_rule_groups_namespace(call, it).await,
            Request::CreateScraper(it) => self.create_scraper(call, it).await,
            Request::CreateWorkspace(it) => self.create_workspace(call, it).await,
            Request::DeleteAlertManagerDefinition(it) => self.delete_alert_manager_definition(call, it).await,
            Request::DeleteAnomalyDetector(it) => self.delete_anomaly_detector(call, it).await,
            Request::DeleteLoggingConfiguration(it) => self.delete_logging(call, it).await,
            Request::DeleteQueryLoggingConfiguration(it) => self.delete_query_logging(call, it).await,
            Request::DeleteResourcePolicy(it) => self.delete_resource_policy(call, it).await,
            Request::DeleteRuleGroupsNamespace(it) => self.delete_rule_groups_namespace(call, it).await,
            Request::DeleteScraper(it) => self.delete_scraper(call, it).await,
            Request::DeleteScraperLoggingConfiguration(it) => self.delete_scraper_logging(call, it).await,
            Request::DeleteWorkspace(it) => self.delete_workspace(call, it).await,
            Request::PutAlertManagerDefinition(it) => self.put_alert_manager_definition(call, it).await,
            Request::PutAnomalyDetector(it) => self.put_anomaly_detector(call, it).await,
            Request::PutResourcePolicy(it) => self.put_resource_policy(call, it).await,
            Request::PutRuleGroupsNamespace(it) => self.put_rule_groups_namespace(call, it).await,
            Request::TagResource(it) => self.tag_resource(call, it).await,
            Request::UntagResource(it) => self.untag_resource(call, it).await,
            Request::UpdateLoggingConfiguration(it) => self.update_logging(call, it).await,
            Request::UpdateQueryLoggingConfiguration(it) => self.update_query_logging(call, it).await,
            Request::UpdateScraper(it) => self.update_scraper(call, it).await,
            Request::UpdateScraperLoggingConfiguration(it) => self.update_scraper_logging(call, it).await,
            Request::UpdateWorkspaceAlias(it) => self.update_workspace_alias(call, it).await,
            Request::UpdateWorkspaceConfiguration(it) => self.update_workspace_configuration(call, it).await,
            request => self.look_up(call, &request),
        }
    }

    /// The operations that only read.
    fn look_up(&self, call: &Call, request: &Request) -> Outcome {
        match request {
            Request::DescribeAlertManagerDefinition(it) => self.describe_alert_manager_definition(call, it),
            Request::DescribeAnomalyDetector(it) => self.describe_anomaly_detector(call, it),
            Request::DescribeLoggingConfiguration(it) => self.describe_logging(call, it),
            Request::DescribeQueryLoggingConfiguration(it) => self.describe_query_logging(call, it),
            Request::DescribeResourcePolicy(it) => self.describe_resource_policy(call, it),
            Request::DescribeRuleGroupsNamespace(it) => self.describe_rule_groups_namespace(call, it),
            Request::DescribeScraper(it) => self.describe_scraper(call, it),
            Request::DescribeScraperLoggingConfiguration(it) => self.describe_scraper_logging(call, it),
            Request::DescribeWorkspace(it) => self.describe_workspace(call, it),
            Request::DescribeWorkspaceConfiguration(it) => self.describe_workspace_configuration(call, it),
            Request::GetDefaultScraperConfiguration(_) => Self::default_scraper_configuration(call),
            Request::ListAnomalyDetectors(it) => self.list_anomaly_detectors(call, it),
            Request::ListRuleGroupsNamespaces(it) => self.list_rule_groups_namespaces(call, it),
            Request::ListScrapers(it) => self.list_scrapers(call, it),
            Request::ListTagsForResource(it) => self.list_tags(call, it),
            Request::ListWorkspaces(it) => self.list_workspaces(call, it),
            other => Err(super::errors::damaged(other.operation().name())),
        }
    }
}

//! Every type of the service model (api-control-plane.md sections 5 and 8): for each operation what it takes and what it answers.
//!
//! A line is a type; the names are the model's. The integration tests hold these tables against the public model, member by member.

mod alert_manager;
mod anomaly;
mod common;
mod logging;
mod policy;
mod rule_groups;
mod scraper;
mod tags;
mod workspace;

use crate::{Operation, shape::Shape};

impl Operation {
    /// What it takes: a structure whose members say where in the request each is.
    pub fn input(self) -> &'static Shape {
        self.shapes().0
    }

    /// What it answers with; `None`: nothing.
    pub fn output(self) -> Option<&'static Shape> {
        self.shapes().1
    }

    #[rustfmt::skip]
    fn shapes(self) -> (&'static Shape, Option<&'static Shape>) {
        match self {
        Operation::CreateAlertManagerDefinition => (&alert_manager::CREATE_ALERT_MANAGER_DEFINITION_REQUEST, Some(&alert_manager::CREATE_ALERT_MANAGER_DEFINITION_RESPONSE)),
        Operation::CreateAnomalyDetector => (&anomaly::CREATE_ANOMALY_DETECTOR_REQUEST, Some(&anomaly::CREATE_ANOMALY_DETECTOR_RESPONSE)),
        Operation::CreateLoggingConfiguration => (&logging::CREATE_LOGGING_CONFIGURATION_REQUEST, Some(&logging::CREATE_LOGGING_CONFIGURATION_RESPONSE)),
        Operation::CreateQueryLoggingConfiguration => (&logging::CREATE_QUERY_LOGGING_CONFIGURATION_REQUEST, Some(&logging::CREATE_QUERY_LOGGING_CONFIGURATION_RESPONSE)),
        Operation::CreateRuleGroupsNamespace => (&rule_groups::CREATE_RULE_GROUPS_NAMESPACE_REQUEST, Some(&rule_groups::CREATE_RULE_GROUPS_NAMESPACE_RESPONSE)),
        Operation::CreateScraper => (&scraper::CREATE_SCRAPER_REQUEST, Some(&scraper::CREATE_SCRAPER_RESPONSE)),
        Operation::CreateWorkspace => (&workspace::CREATE_WORKSPACE_REQUEST, Some(&workspace::CREATE_WORKSPACE_RESPONSE)),
        Operation::DeleteAlertManagerDefinition => (&alert_manager::DELETE_ALERT_MANAGER_DEFINITION_REQUEST, None),
        Operation::DeleteAnomalyDetector => (&anomaly::DELETE_ANOMALY_DETECTOR_REQUEST, None),
        Operation::DeleteLoggingConfiguration => (&logging::DELETE_LOGGING_CONFIGURATION_REQUEST, None),
        Operation::DeleteQueryLoggingConfiguration => (&logging::DELETE_QUERY_LOGGING_CONFIGURATION_REQUEST, None),
        Operation::DeleteResourcePolicy => (&policy::DELETE_RESOURCE_POLICY_REQUEST, None),
        Operation::DeleteRuleGroupsNamespace => (&rule_groups::DELETE_RULE_GROUPS_NAMESPACE_REQUEST, None),
        Operation::DeleteScraper => (&scraper::DELETE_SCRAPER_REQUEST, Some(&scraper::DELETE_SCRAPER_RESPONSE)),
        Operation::DeleteScraperLoggingConfiguration => (&scraper::DELETE_SCRAPER_LOGGING_CONFIGURATION_REQUEST, None),
        Operation::DeleteWorkspace => (&workspace::DELETE_WORKSPACE_REQUEST, None),
        Operation::DescribeAlertManagerDefinition => (&alert_manager::DESCRIBE_ALERT_MANAGER_DEFINITION_REQUEST, Some(&alert_manager::DESCRIBE_ALERT_MANAGER_DEFINITION_RESPONSE)),
        Operation::DescribeAnomalyDetector => (&anomaly::DESCRIBE_ANOMALY_DETECTOR_REQUEST, Some(&anomaly::DESCRIBE_ANOMALY_DETECTOR_RESPONSE)),
        Operation::DescribeLoggingConfiguration => (&logging::DESCRIBE_LOGGING_CONFIGURATION_REQUEST, Some(&logging::DESCRIBE_LOGGING_CONFIGURATION_RESPONSE)),
        Operation::DescribeQueryLoggingConfiguration => (&logging::DESCRIBE_QUERY_LOGGING_CONFIGURATION_REQUEST, Some(&logging::DESCRIBE_QUERY_LOGGING_CONFIGURATION_RESPONSE)),
        Operation::DescribeResourcePolicy => (&policy::DESCRIBE_RESOURCE_POLICY_REQUEST, Some(&policy::DESCRIBE_RESOURCE_POLICY_RESPONSE)),
        Operation::DescribeRuleGroupsNamespace => (&rule_groups::DESCRIBE_RULE_GROUPS_NAMESPACE_REQUEST, Some(&rule_groups::DESCRIBE_RULE_GROUPS_NAMESPACE_RESPONSE)),
        Operation::DescribeScraper => (&scraper::DESCRIBE_SCRAPER_REQUEST, Some(&scraper::DESCRIBE_SCRAPER_RESPONSE)),
        Operation::DescribeScraperLoggingConfiguration => (&scraper::DESCRIBE_SCRAPER_LOGGING_CONFIGURATION_REQUEST, Some(&scraper::DESCRIBE_SCRAPER_LOGGING_CONFIGURATION_RESPONSE)),
        Operation::DescribeWorkspace => (&workspace::DESCRIBE_WORKSPACE_REQUEST, Some(&workspace::DESCRIBE_WORKSPACE_RESPONSE)),
        Operation::DescribeWorkspaceConfiguration => (&workspace::DESCRIBE_WORKSPACE_CONFIGURATION_REQUEST, Some(&workspace::DESCRIBE_WORKSPACE_CONFIGURATION_RESPONSE)),
        Operation::GetDefaultScraperConfiguration => (&scraper::GET_DEFAULT_SCRAPER_CONFIGURATION_REQUEST, Some(&scraper::GET_DEFAULT_SCRAPER_CONFIGURATION_RESPONSE)),
        Operation::ListAnomalyDetectors => (&anomaly::LIST_ANOMALY_DETECTORS_REQUEST, Some(&anomaly::LIST_ANOMALY_DETECTORS_RESPONSE)),
        Operation::ListRuleGroupsNamespaces => (&rule_groups::LIST_RULE_GROUPS_NAMESPACES_REQUEST, Some(&rule_groups::LIST_RULE_GROUPS_NAMESPACES_RESPONSE)),
        Operation::ListScrapers => (&scraper::LIST_SCRAPERS_REQUEST, Some(&scraper::LIST_SCRAPERS_RESPONSE)),
        Operation::ListTagsForResource => (&tags::LIST_TAGS_FOR_RESOURCE_REQUEST, Some(&tags::LIST_TAGS_FOR_RESOURCE_RESPONSE)),
        Operation::ListWorkspaces => (&workspace::LIST_WORKSPACES_REQUEST, Some(&workspace::LIST_WORKSPACES_RESPONSE)),
        Operation::PutAlertManagerDefinition => (&alert_manager::PUT_ALERT_MANAGER_DEFINITION_REQUEST, Some(&alert_manager::PUT_ALERT_MANAGER_DEFINITION_RESPONSE)),
        Operation::PutAnomalyDetector => (&anomaly::PUT_ANOMALY_DETECTOR_REQUEST, Some(&anomaly::PUT_ANOMALY_DETECTOR_RESPONSE)),
        Operation::PutResourcePolicy => (&policy::PUT_RESOURCE_POLICY_REQUEST, Some(&policy::PUT_RESOURCE_POLICY_RESPONSE)),
        Operation::PutRuleGroupsNamespace => (&rule_groups::PUT_RULE_GROUPS_NAMESPACE_REQUEST, Some(&rule_groups::PUT_RULE_GROUPS_NAMESPACE_RESPONSE)),
        Operation::TagResource => (&tags::TAG_RESOURCE_REQUEST, Some(&tags::TAG_RESOURCE_RESPONSE)),
        Operation::UntagResource => (&tags::UNTAG_RESOURCE_REQUEST, Some(&tags::UNTAG_RESOURCE_RESPONSE)),
        Operation::UpdateLoggingConfiguration => (&logging::UPDATE_LOGGING_CONFIGURATION_REQUEST, Some(&logging::UPDATE_LOGGING_CONFIGURATION_RESPONSE)),
        Operation::UpdateQueryLoggingConfiguration => (&logging::UPDATE_QUERY_LOGGING_CONFIGURATION_REQUEST, Some(&logging::UPDATE_QUERY_LOGGING_CONFIGURATION_RESPONSE)),
        Operation::UpdateScraper => (&scraper::UPDATE_SCRAPER_REQUEST, Some(&scraper::UPDATE_SCRAPER_RESPONSE)),
        Operation::UpdateScraperLoggingConfiguration => (&scraper::UPDATE_SCRAPER_LOGGING_CONFIGURATION_REQUEST, Some(&scraper::UPDATE_SCRAPER_LOGGING_CONFIGURATION_RESPONSE)),
        Operation::UpdateWorkspaceAlias => (&workspace::UPDATE_WORKSPACE_ALIAS_REQUEST, None),
        Operation::UpdateWorkspaceConfiguration => (&workspace::UPDATE_WORKSPACE_CONFIGURATION_REQUEST, Some(&workspace::UPDATE_WORKSPACE_CONFIGURATION_RESPONSE)),
        }
    }
}

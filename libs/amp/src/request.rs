//! Requests that passed every check, as typed values.
//!
//! A field is a member of the model under its name in snake case. What is absent and what is empty are told apart where the API
//! does so (exporters, label sets); maps that may be left out are then empty. Values nested in requests also stand in replies and
//! in stored state, and serialise as the API writes them.

mod alert_manager;
mod anomaly;
mod logging;
mod policy;
mod rule_groups;
mod scraper;
mod tags;
mod workspace;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use alert_manager::*;
pub use anomaly::*;
pub use logging::*;
pub use policy::*;
pub use rule_groups::*;
pub use scraper::*;
pub use tags::*;
pub use workspace::*;

use crate::Operation;

/// Tags: key to value.
pub type Tags = BTreeMap<String, String>;

macro_rules! requests {
    ($($operation:ident($request:ident))*) => {
        /// A request that keeps to every constraint.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Request {
            $(
                #[doc = concat!("[`Operation::", stringify!($operation), "`]")]
                $operation($request),
            )*
        }

        impl Request {
            /// What is asked for.
            pub fn operation(&self) -> Operation {
                match self {
                    $(Self::$operation(_) => Operation::$operation,)*
                }
            }

            /// Reads a value that passed the check of the operation's input.
            pub(crate) fn from_checked(operation: Operation, value: Value) -> serde_json::Result<Self> {
                match operation {
                    $(Operation::$operation => serde_json::from_value(value).map(Self::$operation),)*
                }
            }
        }
    };
}

requests! {
    CreateAlertManagerDefinition(CreateAlertManagerDefinitionRequest)
    CreateAnomalyDetector(CreateAnomalyDetectorRequest)
    CreateLoggingConfiguration(CreateLoggingConfigurationRequest)
    CreateQueryLoggingConfiguration(CreateQueryLoggingConfigurationRequest)
    CreateRuleGroupsNamespace(CreateRuleGroupsNamespaceRequest)
    CreateScraper(CreateScraperRequest)
    CreateWorkspace(CreateWorkspaceRequest)
    DeleteAlertManagerDefinition(DeleteAlertManagerDefinitionRequest)
    DeleteAnomalyDetector(DeleteAnomalyDetectorRequest)
    DeleteLoggingConfiguration(DeleteLoggingConfigurationRequest)
    DeleteQueryLoggingConfiguration(DeleteQueryLoggingConfigurationRequest)
    DeleteResourcePolicy(DeleteResourcePolicyRequest)
    DeleteRuleGroupsNamespace(DeleteRuleGroupsNamespaceRequest)
    DeleteScraper(DeleteScraperRequest)
    DeleteScraperLoggingConfiguration(DeleteScraperLoggingConfigurationRequest)
    DeleteWorkspace(DeleteWorkspaceRequest)
    DescribeAlertManagerDefinition(DescribeAlertManagerDefinitionRequest)
    DescribeAnomalyDetector(DescribeAnomalyDetectorRequest)
    DescribeLoggingConfiguration(DescribeLoggingConfigurationRequest)
    DescribeQueryLoggingConfiguration(DescribeQueryLoggingConfigurationRequest)
    DescribeResourcePolicy(DescribeResourcePolicyRequest)
    DescribeRuleGroupsNamespace(DescribeRuleGroupsNamespaceRequest)
    DescribeScraper(DescribeScraperRequest)
    DescribeScraperLoggingConfiguration(DescribeScraperLoggingConfigurationRequest)
    DescribeWorkspace(DescribeWorkspaceRequest)
    DescribeWorkspaceConfiguration(DescribeWorkspaceConfigurationRequest)
    GetDefaultScraperConfiguration(GetDefaultScraperConfigurationRequest)
    ListAnomalyDetectors(ListAnomalyDetectorsRequest)
    ListRuleGroupsNamespaces(ListRuleGroupsNamespacesRequest)
    ListScrapers(ListScrapersRequest)
    ListTagsForResource(ListTagsForResourceRequest)
    ListWorkspaces(ListWorkspacesRequest)
    PutAlertManagerDefinition(PutAlertManagerDefinitionRequest)
    PutAnomalyDetector(PutAnomalyDetectorRequest)
    PutResourcePolicy(PutResourcePolicyRequest)
    PutRuleGroupsNamespace(PutRuleGroupsNamespaceRequest)
    TagResource(TagResourceRequest)
    UntagResource(UntagResourceRequest)
    UpdateLoggingConfiguration(UpdateLoggingConfigurationRequest)
    UpdateQueryLoggingConfiguration(UpdateQueryLoggingConfigurationRequest)
    UpdateScraper(UpdateScraperRequest)
    UpdateScraperLoggingConfiguration(UpdateScraperLoggingConfigurationRequest)
    UpdateWorkspaceAlias(UpdateWorkspaceAliasRequest)
    UpdateWorkspaceConfiguration(UpdateWorkspaceConfigurationRequest)
}

impl Request {
    /// Everything that is asked for but the idempotency token, in one canonical form: a repetition with the same token must be the
    /// same in this (section 3).
    pub fn parameters(&self) -> Value {
        let mut value = serde_json::to_value(self).expect("JSON: no map has other keys than strings");
        if let Some(members) = value.as_object_mut() {
            members.remove("clientToken");
        }
        value
    }
}

/// Which page of a list is asked for (section 4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// 1 to 1000; where it is left out the default is 100.
    max_results: Option<u16>,
    /// Where the last page ended; an empty one is none.
    next_token: Option<String>,
}

impl Page {
    /// Most items of the page.
    pub fn size(&self) -> usize {
        self.max_results.map_or(100, usize::from)
    }

    /// The token of the page before.
    pub fn token(&self) -> Option<&str> {
        self.next_token.as_deref().filter(|token| !token.is_empty())
    }
}

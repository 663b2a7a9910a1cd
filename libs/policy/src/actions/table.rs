//! The table itself, one action a line, in the order of security.md 4.3 and 13.3.

use super::{
    Access::{self, List, PermissionsManagement, Read, Tagging, Write},
    ActionInfo,
    Plane::{self, Control, Data},
    ResourceType::{self, AnomalyDetector, Cluster, RuleGroupsNamespace, Scraper, Workspace},
};

const RESOURCE: &[&str] = &["aws:ResourceTag/${TagKey}"];
const REQUEST: &[&str] = &["aws:RequestTag/${TagKey}", "aws:TagKeys"];
const BOTH: &[&str] = &["aws:RequestTag/${TagKey}", "aws:ResourceTag/${TagKey}", "aws:TagKeys"];
const TAGS: &[&str] = &["aps:TagResource"];
const TAGGABLE: &[ResourceType] = &[Workspace, RuleGroupsNamespace, Scraper, AnomalyDetector];

const fn action(
    operation: &'static str,
    plane: Plane,
    access: Access,
    resources: &'static [ResourceType],
    keys: &'static [&'static str],
    dependent: &'static [&'static str],
) -> ActionInfo {
    ActionInfo { operation, plane, access, resources, keys, dependent }
}

/// Every action of the service.
#[rustfmt::skip]
pub const ACTIONS: &[ActionInfo] = &[
    action("RemoteWrite", Data, Write, &[Workspace], RESOURCE, &[]),
    action("QueryMetrics", Data, Read, &[Workspace], RESOURCE, &[]),
    action("GetSeries", Data, Read, &[Workspace], RESOURCE, &[]),
    action("GetLabels", Data, Read, &[Workspace], RESOURCE, &[]),
    action("GetMetricMetadata", Data, Read, &[Workspace], RESOURCE, &[]),
    action("ListRules", Data, List, &[Workspace], RESOURCE, &[]),
    action("ListAlerts", Data, List, &[Workspace], RESOURCE, &[]),
    action("CreateAlertManagerAlerts", Data, Write, &[Workspace], RESOURCE, &[]),
    action("ListAlertManagerAlerts", Data, List, &[Workspace], RESOURCE, &[]),
    action("ListAlertManagerAlertGroups", Data, List, &[Workspace], RESOURCE, &[]),
    action("ListAlertManagerReceivers", Data, List, &[Workspace], RESOURCE, &[]),
    action("ListAlertManagerSilences", Data, List, &[Workspace], RESOURCE, &[]),
    action("PutAlertManagerSilences", Data, Write, &[Workspace], RESOURCE, &[]),
    action("GetAlertManagerSilence", Data, Read, &[Workspace], RESOURCE, &[]),
    action("DeleteAlertManagerSilence", Data, Write, &[Workspace], RESOURCE, &[]),
    action("GetAlertManagerStatus", Data, Read, &[Workspace], RESOURCE, &[]),
    action("PreviewAnomalyDetector", Data, Read, &[Workspace], RESOURCE, &[]),
    action("CreateWorkspace", Control, Write, &[], REQUEST, TAGS),
    action("ListWorkspaces", Control, List, &[], &[], &[]),
    action("ListScrapers", Control, List, &[], &[], &[]),
    action("GetDefaultScraperConfiguration", Control, Read, &[], &[], &[]),
    action("DescribeWorkspace", Control, Read, &[Workspace], RESOURCE, &[]),
    action("DeleteWorkspace", Control, Write, &[Workspace], RESOURCE, &[]),
    action("UpdateWorkspaceAlias", Control, Write, &[Workspace], RESOURCE, &[]),
    action("DescribeWorkspaceConfiguration", Control, Read, &[Workspace], RESOURCE, &[]),
    action("UpdateWorkspaceConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("CreateAlertManagerDefinition", Control, Write, &[Workspace], RESOURCE, &[]),
    action("PutAlertManagerDefinition", Control, Write, &[Workspace], RESOURCE, &[]),
    action("DescribeAlertManagerDefinition", Control, Read, &[Workspace], RESOURCE, &[]),
    action("DeleteAlertManagerDefinition", Control, Write, &[Workspace], RESOURCE, &[]),
    action("ListRuleGroupsNamespaces", Control, List, &[Workspace], RESOURCE, &[]),
    action("CreateLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("UpdateLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("DescribeLoggingConfiguration", Control, Read, &[Workspace], RESOURCE, &[]),
    action("DeleteLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("CreateQueryLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("UpdateQueryLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("DescribeQueryLoggingConfiguration", Control, Read, &[Workspace], RESOURCE, &[]),
    action("DeleteQueryLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("PutResourcePolicy", Control, PermissionsManagement, &[Workspace], RESOURCE, &[]),
    action("DescribeResourcePolicy", Control, Read, &[Workspace], RESOURCE, &[]),
    action("DeleteResourcePolicy", Control, PermissionsManagement, &[Workspace], RESOURCE, &[]),
    action("ListAnomalyDetectors", Control, List, &[Workspace], RESOURCE, &[]),
    action("CreateAnomalyDetector", Control, Write, &[Workspace], BOTH, TAGS),
    action("CreateRuleGroupsNamespace", Control, Write, &[RuleGroupsNamespace], BOTH, TAGS),
    action("PutRuleGroupsNamespace", Control, Write, &[RuleGroupsNamespace], RESOURCE, &[]),
    action("DescribeRuleGroupsNamespace", Control, Read, &[RuleGroupsNamespace], RESOURCE, &[]),
    action("DeleteRuleGroupsNamespace", Control, Write, &[RuleGroupsNamespace], RESOURCE, &[]),
    action("CreateScraper", Control, Write, &[Cluster, Workspace], BOTH, &["aps:TagResource", "iam:PassRole"]),
    action("UpdateScraper", Control, Write, &[Scraper, Workspace], RESOURCE, &["iam:PassRole"]),
    action("DescribeScraper", Control, Read, &[Scraper], RESOURCE, &[]),
    action("DeleteScraper", Control, Write, &[Scraper], RESOURCE, &[]),
    action("DescribeScraperLoggingConfiguration", Control, Read, &[Scraper], RESOURCE, &[]),
    action("UpdateScraperLoggingConfiguration", Control, Write, &[Scraper], RESOURCE, &[]),
    action("DeleteScraperLoggingConfiguration", Control, Write, &[Scraper], RESOURCE, &[]),
    action("DescribeAnomalyDetector", Control, Read, &[AnomalyDetector, Workspace], RESOURCE, &[]),
    action("PutAnomalyDetector", Control, Write, &[AnomalyDetector, Workspace], RESOURCE, &[]),
    action("DeleteAnomalyDetector", Control, Write, &[AnomalyDetector, Workspace], RESOURCE, &[]),
    action("TagResource", Control, Tagging, TAGGABLE, BOTH, &[]),
    action("UntagResource", Control, Tagging, TAGGABLE, &["aws:ResourceTag/${TagKey}", "aws:TagKeys"], &[]),
    action("ListTagsForResource", Control, Read, TAGGABLE, RESOURCE, &[]),
];

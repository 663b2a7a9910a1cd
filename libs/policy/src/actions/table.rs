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
    name: &'static str,
    plane: Plane,
    access: Access,
    resources: &'static [ResourceType],
    keys: &'static [&'static str],
    dependent: &'static [&'static str],
) -> ActionInfo {
    ActionInfo { name, plane, access, resources, keys, dependent }
}

/// Every action of the service. Policies keep a bit for each, hence at most 128.
#[rustfmt::skip]
pub const ACTIONS: &[ActionInfo] = &[
    action("aps:RemoteWrite", Data, Write, &[Workspace], RESOURCE, &[]),
    action("aps:QueryMetrics", Data, Read, &[Workspace], RESOURCE, &[]),
    action("aps:GetSeries", Data, Read, &[Workspace], RESOURCE, &[]),
    action("aps:GetLabels", Data, Read, &[Workspace], RESOURCE, &[]),
    action("aps:GetMetricMetadata", Data, Read, &[Workspace], RESOURCE, &[]),
    action("aps:ListRules", Data, List, &[Workspace], RESOURCE, &[]),
    action("aps:ListAlerts", Data, List, &[Workspace], RESOURCE, &[]),
    action("aps:CreateAlertManagerAlerts", Data, Write, &[Workspace], RESOURCE, &[]),
    action("aps:ListAlertManagerAlerts", Data, List, &[Workspace], RESOURCE, &[]),
    action("aps:ListAlertManagerAlertGroups", Data, List, &[Workspace], RESOURCE, &[]),
    action("aps:ListAlertManagerReceivers", Data, List, &[Workspace], RESOURCE, &[]),
    action("aps:ListAlertManagerSilences", Data, List, &[Workspace], RESOURCE, &[]),
    action("aps:PutAlertManagerSilences", Data, Write, &[Workspace], RESOURCE, &[]),
    action("aps:GetAlertManagerSilence", Data, Read, &[Workspace], RESOURCE, &[]),
    action("aps:DeleteAlertManagerSilence", Data, Write, &[Workspace], RESOURCE, &[]),
    action("aps:GetAlertManagerStatus", Data, Read, &[Workspace], RESOURCE, &[]),
    action("aps:PreviewAnomalyDetector", Data, Read, &[Workspace], RESOURCE, &[]),
    action("aps:CreateWorkspace", Control, Write, &[], REQUEST, TAGS),
    action("aps:ListWorkspaces", Control, List, &[], &[], &[]),
    action("aps:ListScrapers", Control, List, &[], &[], &[]),
    action("aps:GetDefaultScraperConfiguration", Control, Read, &[], &[], &[]),
    action("aps:DescribeWorkspace", Control, Read, &[Workspace], RESOURCE, &[]),
    action("aps:DeleteWorkspace", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:UpdateWorkspaceAlias", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:DescribeWorkspaceConfiguration", Control, Read, &[Workspace], RESOURCE, &[]),
    action("aps:UpdateWorkspaceConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:CreateAlertManagerDefinition", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:PutAlertManagerDefinition", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:DescribeAlertManagerDefinition", Control, Read, &[Workspace], RESOURCE, &[]),
    action("aps:DeleteAlertManagerDefinition", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:ListRuleGroupsNamespaces", Control, List, &[Workspace], RESOURCE, &[]),
    action("aps:CreateLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:UpdateLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:DescribeLoggingConfiguration", Control, Read, &[Workspace], RESOURCE, &[]),
    action("aps:DeleteLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:CreateQueryLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:UpdateQueryLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:DescribeQueryLoggingConfiguration", Control, Read, &[Workspace], RESOURCE, &[]),
    action("aps:DeleteQueryLoggingConfiguration", Control, Write, &[Workspace], RESOURCE, &[]),
    action("aps:PutResourcePolicy", Control, PermissionsManagement, &[Workspace], RESOURCE, &[]),
    action("aps:DescribeResourcePolicy", Control, Read, &[Workspace], RESOURCE, &[]),
    action("aps:DeleteResourcePolicy", Control, PermissionsManagement, &[Workspace], RESOURCE, &[]),
    action("aps:ListAnomalyDetectors", Control, List, &[Workspace], RESOURCE, &[]),
    action("aps:CreateAnomalyDetector", Control, Write, &[Workspace], BOTH, TAGS),
    action("aps:CreateRuleGroupsNamespace", Control, Write, &[RuleGroupsNamespace], BOTH, TAGS),
    action("aps:PutRuleGroupsNamespace", Control, Write, &[RuleGroupsNamespace], RESOURCE, &[]),
    action("aps:DescribeRuleGroupsNamespace", Control, Read, &[RuleGroupsNamespace], RESOURCE, &[]),
    action("aps:DeleteRuleGroupsNamespace", Control, Write, &[RuleGroupsNamespace], RESOURCE, &[]),
    action("aps:CreateScraper", Control, Write, &[Cluster, Workspace], BOTH, &["aps:TagResource", "iam:PassRole"]),
    action("aps:UpdateScraper", Control, Write, &[Scraper, Workspace], RESOURCE, &["iam:PassRole"]),
    action("aps:DescribeScraper", Control, Read, &[Scraper], RESOURCE, &[]),
    action("aps:DeleteScraper", Control, Write, &[Scraper], RESOURCE, &[]),
    action("aps:DescribeScraperLoggingConfiguration", Control, Read, &[Scraper], RESOURCE, &[]),
    action("aps:UpdateScraperLoggingConfiguration", Control, Write, &[Scraper], RESOURCE, &[]),
    action("aps:DeleteScraperLoggingConfiguration", Control, Write, &[Scraper], RESOURCE, &[]),
    action("aps:DescribeAnomalyDetector", Control, Read, &[AnomalyDetector, Workspace], RESOURCE, &[]),
    action("aps:PutAnomalyDetector", Control, Write, &[AnomalyDetector, Workspace], RESOURCE, &[]),
    action("aps:DeleteAnomalyDetector", Control, Write, &[AnomalyDetector, Workspace], RESOURCE, &[]),
    action("aps:TagResource", Control, Tagging, TAGGABLE, BOTH, &[]),
    action("aps:UntagResource", Control, Tagging, TAGGABLE, &["aws:ResourceTag/${TagKey}", "aws:TagKeys"], &[]),
    action("aps:ListTagsForResource", Control, Read, TAGGABLE, RESOURCE, &[]),
];

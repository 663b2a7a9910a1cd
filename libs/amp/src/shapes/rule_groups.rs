//! Rule groups namespaces (section 5.2).

use super::common::{IDEMPOTENCY_TOKEN, PAGINATION_TOKEN, STRING, TAG_MAP, TIMESTAMP, WORKSPACE_ID};
use crate::shape::{
    Shape, blob, integer, list, one_of, optional, path, pattern, query, required, string, structure,
};

pub(super) static RULE_GROUPS_NAMESPACE_ARN: Shape = string("RuleGroupsNamespaceArn");
pub(super) static RULE_GROUPS_NAMESPACE_NAME: Shape =
    string("RuleGroupsNamespaceName").chars(1, 128).matching(pattern!(r".*[0-9A-Za-z][-.0-9A-Z_a-z]*.*"));
pub(super) static RULE_GROUPS_NAMESPACE_STATUS_CODE: Shape = one_of(
    "RuleGroupsNamespaceStatusCode",
    &["CREATING", "ACTIVE", "UPDATING", "DELETING", "CREATION_FAILED", "UPDATE_FAILED"],
);
pub(super) static LIST_RULE_GROUPS_NAMESPACES_REQUEST_MAX_RESULTS_INTEGER: Shape =
    integer("ListRuleGroupsNamespacesRequestMaxResultsInteger", 1, 1000);
pub(super) static RULE_GROUPS_NAMESPACE_DATA: Shape = blob("RuleGroupsNamespaceData");
pub(super) static RULE_GROUPS_NAMESPACE_SUMMARY_LIST: Shape =
    list("RuleGroupsNamespaceSummaryList", &RULE_GROUPS_NAMESPACE_SUMMARY);

pub(super) static RULE_GROUPS_NAMESPACE_DESCRIPTION: Shape = structure(
    "RuleGroupsNamespaceDescription",
    &[
        required("arn", &RULE_GROUPS_NAMESPACE_ARN),
        required("name", &RULE_GROUPS_NAMESPACE_NAME),
        required("status", &RULE_GROUPS_NAMESPACE_STATUS),
        required("data", &RULE_GROUPS_NAMESPACE_DATA),
        required("createdAt", &TIMESTAMP),
        required("modifiedAt", &TIMESTAMP),
        optional("tags", &TAG_MAP),
    ],
);
pub(super) static RULE_GROUPS_NAMESPACE_STATUS: Shape = structure(
    "RuleGroupsNamespaceStatus",
    &[required("statusCode", &RULE_GROUPS_NAMESPACE_STATUS_CODE), optional("statusReason", &STRING)],
);
pub(super) static RULE_GROUPS_NAMESPACE_SUMMARY: Shape = structure(
    "RuleGroupsNamespaceSummary",
    &[
        required("arn", &RULE_GROUPS_NAMESPACE_ARN),
        required("name", &RULE_GROUPS_NAMESPACE_NAME),
        required("status", &RULE_GROUPS_NAMESPACE_STATUS),
        required("createdAt", &TIMESTAMP),
        required("modifiedAt", &TIMESTAMP),
        optional("tags", &TAG_MAP),
    ],
);

pub(super) static CREATE_RULE_GROUPS_NAMESPACE_REQUEST: Shape = structure(
    "CreateRuleGroupsNamespaceRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("name", &RULE_GROUPS_NAMESPACE_NAME),
        required("data", &RULE_GROUPS_NAMESPACE_DATA),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
        optional("tags", &TAG_MAP),
    ],
);
pub(super) static CREATE_RULE_GROUPS_NAMESPACE_RESPONSE: Shape = structure(
    "CreateRuleGroupsNamespaceResponse",
    &[
        required("name", &RULE_GROUPS_NAMESPACE_NAME),
        required("arn", &RULE_GROUPS_NAMESPACE_ARN),
        required("status", &RULE_GROUPS_NAMESPACE_STATUS),
        optional("tags", &TAG_MAP),
    ],
);

pub(super) static DELETE_RULE_GROUPS_NAMESPACE_REQUEST: Shape = structure(
    "DeleteRuleGroupsNamespaceRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        path("name", &RULE_GROUPS_NAMESPACE_NAME),
        query("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);

pub(super) static DESCRIBE_RULE_GROUPS_NAMESPACE_REQUEST: Shape = structure(
    "DescribeRuleGroupsNamespaceRequest",
    &[path("workspaceId", &WORKSPACE_ID), path("name", &RULE_GROUPS_NAMESPACE_NAME)],
);
pub(super) static DESCRIBE_RULE_GROUPS_NAMESPACE_RESPONSE: Shape = structure(
    "DescribeRuleGroupsNamespaceResponse",
    &[required("ruleGroupsNamespace", &RULE_GROUPS_NAMESPACE_DESCRIPTION)],
);

pub(super) static LIST_RULE_GROUPS_NAMESPACES_REQUEST: Shape = structure(
    "ListRuleGroupsNamespacesRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        query("name", &RULE_GROUPS_NAMESPACE_NAME),
        query("nextToken", &PAGINATION_TOKEN),
        query("maxResults", &LIST_RULE_GROUPS_NAMESPACES_REQUEST_MAX_RESULTS_INTEGER),
    ],
);
pub(super) static LIST_RULE_GROUPS_NAMESPACES_RESPONSE: Shape = structure(
    "ListRuleGroupsNamespacesResponse",
    &[
        required("ruleGroupsNamespaces", &RULE_GROUPS_NAMESPACE_SUMMARY_LIST),
        optional("nextToken", &PAGINATION_TOKEN),
    ],
);

pub(super) static PUT_RULE_GROUPS_NAMESPACE_REQUEST: Shape = structure(
    "PutRuleGroupsNamespaceRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        path("name", &RULE_GROUPS_NAMESPACE_NAME),
        required("data", &RULE_GROUPS_NAMESPACE_DATA),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);
pub(super) static PUT_RULE_GROUPS_NAMESPACE_RESPONSE: Shape = structure(
    "PutRuleGroupsNamespaceResponse",
    &[
        required("name", &RULE_GROUPS_NAMESPACE_NAME),
        required("arn", &RULE_GROUPS_NAMESPACE_ARN),
        required("status", &RULE_GROUPS_NAMESPACE_STATUS),
        optional("tags", &TAG_MAP),
    ],
);

//! Workspaces and their configuration (section 5.1).

use super::common::{
    IDEMPOTENCY_TOKEN, PAGINATION_TOKEN, STRING, TAG_MAP, TIMESTAMP, WORKSPACE_ARN, WORKSPACE_ID,
};
use crate::rules;
use crate::shape::{
    Shape, UNBOUNDED, integer, list, long, map, one_of, optional, path, pattern, query, required, string,
    structure,
};

pub(super) static KMS_KEY_ARN: Shape = string("KmsKeyArn")
    .chars(20, 2048)
    .matching(pattern!(r"arn:aws[-a-z]*:kms:[-a-z0-9]+:[0-9]{12}:key/[-a-f0-9]+"));
pub(super) static LABEL_NAME: Shape =
    string("LabelName").chars(1, UNBOUNDED).matching(pattern!(r"[a-zA-Z_][a-zA-Z0-9_]*"));
pub(super) static LABEL_VALUE: Shape = string("LabelValue").chars(1, UNBOUNDED).rule(rules::label_value);
pub(super) static URI: Shape = string("Uri").chars(1, 1024);
pub(super) static WORKSPACE_ALIAS: Shape = string("WorkspaceAlias").chars(1, 100).trimmed();
pub(super) static WORKSPACE_CONFIGURATION_STATUS_CODE: Shape =
    one_of("WorkspaceConfigurationStatusCode", &["ACTIVE", "UPDATING", "UPDATE_FAILED"]);
pub(super) static WORKSPACE_STATUS_CODE: Shape =
    one_of("WorkspaceStatusCode", &["CREATING", "ACTIVE", "UPDATING", "DELETING", "CREATION_FAILED"]);
pub(super) static LIMITS_PER_LABEL_SET_ENTRY_MAX_SERIES_LONG: Shape =
    long("LimitsPerLabelSetEntryMaxSeriesLong", 0);
pub(super) static LIST_WORKSPACES_REQUEST_MAX_RESULTS_INTEGER: Shape =
    integer("ListWorkspacesRequestMaxResultsInteger", 1, 1000);
pub(super) static UPDATE_WORKSPACE_CONFIGURATION_REQUEST_OUT_OF_ORDER_TIME_WINDOW_IN_SECONDS_INTEGER: Shape =
    integer("UpdateWorkspaceConfigurationRequestOutOfOrderTimeWindowInSecondsInteger", 0, i32::MAX);
pub(super) static UPDATE_WORKSPACE_CONFIGURATION_REQUEST_RETENTION_PERIOD_IN_DAYS_INTEGER: Shape =
    integer("UpdateWorkspaceConfigurationRequestRetentionPeriodInDaysInteger", 1, i32::MAX)
        .rule(rules::retention);
pub(super) static UPDATE_WORKSPACE_CONFIGURATION_REQUEST_RULE_QUERY_OFFSET_IN_SECONDS_INTEGER: Shape =
    integer("UpdateWorkspaceConfigurationRequestRuleQueryOffsetInSecondsInteger", 0, i32::MAX);
pub(super) static WORKSPACE_CONFIGURATION_DESCRIPTION_OUT_OF_ORDER_TIME_WINDOW_IN_SECONDS_INTEGER: Shape =
    integer("WorkspaceConfigurationDescriptionOutOfOrderTimeWindowInSecondsInteger", 0, i32::MAX);
pub(super) static WORKSPACE_CONFIGURATION_DESCRIPTION_RETENTION_PERIOD_IN_DAYS_INTEGER: Shape =
    integer("WorkspaceConfigurationDescriptionRetentionPeriodInDaysInteger", 1, i32::MAX);
pub(super) static WORKSPACE_CONFIGURATION_DESCRIPTION_RULE_QUERY_OFFSET_IN_SECONDS_INTEGER: Shape =
    integer("WorkspaceConfigurationDescriptionRuleQueryOffsetInSecondsInteger", 0, i32::MAX);
pub(super) static LABEL_SET: Shape = map("LabelSet", &LABEL_NAME, &LABEL_VALUE).rule(rules::label_set);
pub(super) static LIMITS_PER_LABEL_SET_LIST: Shape = list("LimitsPerLabelSetList", &LIMITS_PER_LABEL_SET);
pub(super) static WORKSPACE_SUMMARY_LIST: Shape = list("WorkspaceSummaryList", &WORKSPACE_SUMMARY);

pub(super) static LIMITS_PER_LABEL_SET: Shape = structure(
    "LimitsPerLabelSet",
    &[required("limits", &LIMITS_PER_LABEL_SET_ENTRY), required("labelSet", &LABEL_SET)],
);
pub(super) static LIMITS_PER_LABEL_SET_ENTRY: Shape = structure(
    "LimitsPerLabelSetEntry",
    &[optional("maxSeries", &LIMITS_PER_LABEL_SET_ENTRY_MAX_SERIES_LONG)],
);
pub(super) static WORKSPACE_CONFIGURATION_DESCRIPTION: Shape = structure(
    "WorkspaceConfigurationDescription",
    &[
        required("status", &WORKSPACE_CONFIGURATION_STATUS),
        optional("limitsPerLabelSet", &LIMITS_PER_LABEL_SET_LIST),
        optional(
            "retentionPeriodInDays",
            &WORKSPACE_CONFIGURATION_DESCRIPTION_RETENTION_PERIOD_IN_DAYS_INTEGER,
        ),
        optional(
            "outOfOrderTimeWindowInSeconds",
            &WORKSPACE_CONFIGURATION_DESCRIPTION_OUT_OF_ORDER_TIME_WINDOW_IN_SECONDS_INTEGER,
        ),
        optional(
            "ruleQueryOffsetInSeconds",
            &WORKSPACE_CONFIGURATION_DESCRIPTION_RULE_QUERY_OFFSET_IN_SECONDS_INTEGER,
        ),
    ],
);
pub(super) static WORKSPACE_CONFIGURATION_STATUS: Shape = structure(
    "WorkspaceConfigurationStatus",
    &[required("statusCode", &WORKSPACE_CONFIGURATION_STATUS_CODE), optional("statusReason", &STRING)],
);
pub(super) static WORKSPACE_DESCRIPTION: Shape = structure(
    "WorkspaceDescription",
    &[
        required("workspaceId", &WORKSPACE_ID),
        optional("alias", &WORKSPACE_ALIAS),
        required("arn", &WORKSPACE_ARN),
        required("status", &WORKSPACE_STATUS),
        optional("prometheusEndpoint", &URI),
        required("createdAt", &TIMESTAMP),
        optional("tags", &TAG_MAP),
        optional("kmsKeyArn", &KMS_KEY_ARN),
    ],
);
pub(super) static WORKSPACE_STATUS: Shape =
    structure("WorkspaceStatus", &[required("statusCode", &WORKSPACE_STATUS_CODE)]);
pub(super) static WORKSPACE_SUMMARY: Shape = structure(
    "WorkspaceSummary",
    &[
        required("workspaceId", &WORKSPACE_ID),
        optional("alias", &WORKSPACE_ALIAS),
        required("arn", &WORKSPACE_ARN),
        required("status", &WORKSPACE_STATUS),
        required("createdAt", &TIMESTAMP),
        optional("tags", &TAG_MAP),
        optional("kmsKeyArn", &KMS_KEY_ARN),
    ],
);

pub(super) static CREATE_WORKSPACE_REQUEST: Shape = structure(
    "CreateWorkspaceRequest",
    &[
        optional("alias", &WORKSPACE_ALIAS),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
        optional("tags", &TAG_MAP),
        optional("kmsKeyArn", &KMS_KEY_ARN),
    ],
);
pub(super) static CREATE_WORKSPACE_RESPONSE: Shape = structure(
    "CreateWorkspaceResponse",
    &[
        required("workspaceId", &WORKSPACE_ID),
        required("arn", &WORKSPACE_ARN),
        required("status", &WORKSPACE_STATUS),
        optional("tags", &TAG_MAP),
        optional("kmsKeyArn", &KMS_KEY_ARN),
    ],
);

pub(super) static DELETE_WORKSPACE_REQUEST: Shape = structure(
    "DeleteWorkspaceRequest",
    &[path("workspaceId", &WORKSPACE_ID), query("clientToken", &IDEMPOTENCY_TOKEN)],
);

pub(super) static DESCRIBE_WORKSPACE_CONFIGURATION_REQUEST: Shape =
    structure("DescribeWorkspaceConfigurationRequest", &[path("workspaceId", &WORKSPACE_ID)]);
pub(super) static DESCRIBE_WORKSPACE_CONFIGURATION_RESPONSE: Shape = structure(
    "DescribeWorkspaceConfigurationResponse",
    &[required("workspaceConfiguration", &WORKSPACE_CONFIGURATION_DESCRIPTION)],
);

pub(super) static DESCRIBE_WORKSPACE_REQUEST: Shape =
    structure("DescribeWorkspaceRequest", &[path("workspaceId", &WORKSPACE_ID)]);
pub(super) static DESCRIBE_WORKSPACE_RESPONSE: Shape =
    structure("DescribeWorkspaceResponse", &[required("workspace", &WORKSPACE_DESCRIPTION)]);

pub(super) static LIST_WORKSPACES_REQUEST: Shape = structure(
    "ListWorkspacesRequest",
    &[
        query("nextToken", &PAGINATION_TOKEN),
        query("alias", &WORKSPACE_ALIAS),
        query("maxResults", &LIST_WORKSPACES_REQUEST_MAX_RESULTS_INTEGER),
    ],
);
pub(super) static LIST_WORKSPACES_RESPONSE: Shape = structure(
    "ListWorkspacesResponse",
    &[required("workspaces", &WORKSPACE_SUMMARY_LIST), optional("nextToken", &PAGINATION_TOKEN)],
);

pub(super) static UPDATE_WORKSPACE_ALIAS_REQUEST: Shape = structure(
    "UpdateWorkspaceAliasRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        optional("alias", &WORKSPACE_ALIAS),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);

pub(super) static UPDATE_WORKSPACE_CONFIGURATION_REQUEST: Shape = structure(
    "UpdateWorkspaceConfigurationRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
        optional("limitsPerLabelSet", &LIMITS_PER_LABEL_SET_LIST),
        optional(
            "retentionPeriodInDays",
            &UPDATE_WORKSPACE_CONFIGURATION_REQUEST_RETENTION_PERIOD_IN_DAYS_INTEGER,
        ),
        optional(
            "outOfOrderTimeWindowInSeconds",
            &UPDATE_WORKSPACE_CONFIGURATION_REQUEST_OUT_OF_ORDER_TIME_WINDOW_IN_SECONDS_INTEGER,
        ),
        optional(
            "ruleQueryOffsetInSeconds",
            &UPDATE_WORKSPACE_CONFIGURATION_REQUEST_RULE_QUERY_OFFSET_IN_SECONDS_INTEGER,
        ),
    ],
)
.rule(rules::some_setting);
pub(super) static UPDATE_WORKSPACE_CONFIGURATION_RESPONSE: Shape =
    structure("UpdateWorkspaceConfigurationResponse", &[required("status", &WORKSPACE_CONFIGURATION_STATUS)]);

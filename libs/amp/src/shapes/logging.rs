//! Logs of rules and alerts, and of queries (sections 5.4 and 5.5).

use super::common::{IDEMPOTENCY_TOKEN, STRING, TIMESTAMP, WORKSPACE_ID};
use crate::shape::{Shape, list, long, one_of, optional, path, pattern, query, required, string, structure};

pub(super) static LOG_GROUP_ARN: Shape = string("LogGroupArn").matching(pattern!(
    r"arn:aws[a-z0-9-]*:logs:[a-z0-9-]+:[0-9]{12}:log-group:[A-Za-z0-9\.\-\_\#/]{1,512}\:\*"
));
pub(super) static LOGGING_CONFIGURATION_STATUS_CODE: Shape = one_of(
    "LoggingConfigurationStatusCode",
    &["CREATING", "ACTIVE", "UPDATING", "DELETING", "CREATION_FAILED", "UPDATE_FAILED"],
);
pub(super) static QUERY_LOGGING_CONFIGURATION_STATUS_CODE: Shape = one_of(
    "QueryLoggingConfigurationStatusCode",
    &["CREATING", "ACTIVE", "UPDATING", "DELETING", "CREATION_FAILED", "UPDATE_FAILED"],
);
pub(super) static LOGGING_FILTER_QSP_THRESHOLD_LONG: Shape = long("LoggingFilterQspThresholdLong", 0);
pub(super) static LOGGING_DESTINATIONS: Shape = list("LoggingDestinations", &LOGGING_DESTINATION).items(1, 1);

pub(super) static CLOUD_WATCH_LOG_DESTINATION: Shape =
    structure("CloudWatchLogDestination", &[required("logGroupArn", &LOG_GROUP_ARN)]);
pub(super) static LOGGING_CONFIGURATION_METADATA: Shape = structure(
    "LoggingConfigurationMetadata",
    &[
        required("status", &LOGGING_CONFIGURATION_STATUS),
        required("workspace", &WORKSPACE_ID),
        required("logGroupArn", &LOG_GROUP_ARN),
        required("createdAt", &TIMESTAMP),
        required("modifiedAt", &TIMESTAMP),
    ],
);
pub(super) static LOGGING_CONFIGURATION_STATUS: Shape = structure(
    "LoggingConfigurationStatus",
    &[required("statusCode", &LOGGING_CONFIGURATION_STATUS_CODE), optional("statusReason", &STRING)],
);
pub(super) static LOGGING_DESTINATION: Shape = structure(
    "LoggingDestination",
    &[required("cloudWatchLogs", &CLOUD_WATCH_LOG_DESTINATION), required("filters", &LOGGING_FILTER)],
);
pub(super) static LOGGING_FILTER: Shape =
    structure("LoggingFilter", &[required("qspThreshold", &LOGGING_FILTER_QSP_THRESHOLD_LONG)]);
pub(super) static QUERY_LOGGING_CONFIGURATION_METADATA: Shape = structure(
    "QueryLoggingConfigurationMetadata",
    &[
        required("status", &QUERY_LOGGING_CONFIGURATION_STATUS),
        required("workspace", &WORKSPACE_ID),
        required("destinations", &LOGGING_DESTINATIONS),
        required("createdAt", &TIMESTAMP),
        required("modifiedAt", &TIMESTAMP),
    ],
);
pub(super) static QUERY_LOGGING_CONFIGURATION_STATUS: Shape = structure(
    "QueryLoggingConfigurationStatus",
    &[required("statusCode", &QUERY_LOGGING_CONFIGURATION_STATUS_CODE), optional("statusReason", &STRING)],
);

pub(super) static CREATE_LOGGING_CONFIGURATION_REQUEST: Shape = structure(
    "CreateLoggingConfigurationRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("logGroupArn", &LOG_GROUP_ARN),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);
pub(super) static CREATE_LOGGING_CONFIGURATION_RESPONSE: Shape =
    structure("CreateLoggingConfigurationResponse", &[required("status", &LOGGING_CONFIGURATION_STATUS)]);

pub(super) static CREATE_QUERY_LOGGING_CONFIGURATION_REQUEST: Shape = structure(
    "CreateQueryLoggingConfigurationRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("destinations", &LOGGING_DESTINATIONS),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);
pub(super) static CREATE_QUERY_LOGGING_CONFIGURATION_RESPONSE: Shape = structure(
    "CreateQueryLoggingConfigurationResponse",
    &[required("status", &QUERY_LOGGING_CONFIGURATION_STATUS)],
);

pub(super) static DELETE_LOGGING_CONFIGURATION_REQUEST: Shape = structure(
    "DeleteLoggingConfigurationRequest",
    &[path("workspaceId", &WORKSPACE_ID), query("clientToken", &IDEMPOTENCY_TOKEN)],
);

pub(super) static DELETE_QUERY_LOGGING_CONFIGURATION_REQUEST: Shape = structure(
    "DeleteQueryLoggingConfigurationRequest",
    &[path("workspaceId", &WORKSPACE_ID), query("clientToken", &IDEMPOTENCY_TOKEN)],
);

pub(super) static DESCRIBE_LOGGING_CONFIGURATION_REQUEST: Shape =
    structure("DescribeLoggingConfigurationRequest", &[path("workspaceId", &WORKSPACE_ID)]);
pub(super) static DESCRIBE_LOGGING_CONFIGURATION_RESPONSE: Shape = structure(
    "DescribeLoggingConfigurationResponse",
    &[required("loggingConfiguration", &LOGGING_CONFIGURATION_METADATA)],
);

pub(super) static DESCRIBE_QUERY_LOGGING_CONFIGURATION_REQUEST: Shape =
    structure("DescribeQueryLoggingConfigurationRequest", &[path("workspaceId", &WORKSPACE_ID)]);
pub(super) static DESCRIBE_QUERY_LOGGING_CONFIGURATION_RESPONSE: Shape = structure(
    "DescribeQueryLoggingConfigurationResponse",
    &[required("queryLoggingConfiguration", &QUERY_LOGGING_CONFIGURATION_METADATA)],
);

pub(super) static UPDATE_LOGGING_CONFIGURATION_REQUEST: Shape = structure(
    "UpdateLoggingConfigurationRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("logGroupArn", &LOG_GROUP_ARN),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);
pub(super) static UPDATE_LOGGING_CONFIGURATION_RESPONSE: Shape =
    structure("UpdateLoggingConfigurationResponse", &[required("status", &LOGGING_CONFIGURATION_STATUS)]);

pub(super) static UPDATE_QUERY_LOGGING_CONFIGURATION_REQUEST: Shape = structure(
    "UpdateQueryLoggingConfigurationRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("destinations", &LOGGING_DESTINATIONS),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);
pub(super) static UPDATE_QUERY_LOGGING_CONFIGURATION_RESPONSE: Shape = structure(
    "UpdateQueryLoggingConfigurationResponse",
    &[required("status", &QUERY_LOGGING_CONFIGURATION_STATUS)],
);

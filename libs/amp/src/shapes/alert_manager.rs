//! Alert manager definitions (section 5.3).

use super::common::{IDEMPOTENCY_TOKEN, STRING, TIMESTAMP, WORKSPACE_ID};
use crate::shape::{Shape, blob, one_of, optional, path, query, required, structure};

pub(super) static ALERT_MANAGER_DEFINITION_STATUS_CODE: Shape = one_of(
    "AlertManagerDefinitionStatusCode",
    &["CREATING", "ACTIVE", "UPDATING", "DELETING", "CREATION_FAILED", "UPDATE_FAILED"],
);
pub(super) static ALERT_MANAGER_DEFINITION_DATA: Shape = blob("AlertManagerDefinitionData");

pub(super) static ALERT_MANAGER_DEFINITION_DESCRIPTION: Shape = structure(
    "AlertManagerDefinitionDescription",
    &[
        required("status", &ALERT_MANAGER_DEFINITION_STATUS),
        required("data", &ALERT_MANAGER_DEFINITION_DATA),
        required("createdAt", &TIMESTAMP),
        required("modifiedAt", &TIMESTAMP),
    ],
);
pub(super) static ALERT_MANAGER_DEFINITION_STATUS: Shape = structure(
    "AlertManagerDefinitionStatus",
    &[required("statusCode", &ALERT_MANAGER_DEFINITION_STATUS_CODE), optional("statusReason", &STRING)],
);

pub(super) static CREATE_ALERT_MANAGER_DEFINITION_REQUEST: Shape = structure(
    "CreateAlertManagerDefinitionRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("data", &ALERT_MANAGER_DEFINITION_DATA),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);
pub(super) static CREATE_ALERT_MANAGER_DEFINITION_RESPONSE: Shape = structure(
    "CreateAlertManagerDefinitionResponse",
    &[required("status", &ALERT_MANAGER_DEFINITION_STATUS)],
);

pub(super) static DELETE_ALERT_MANAGER_DEFINITION_REQUEST: Shape = structure(
    "DeleteAlertManagerDefinitionRequest",
    &[path("workspaceId", &WORKSPACE_ID), query("clientToken", &IDEMPOTENCY_TOKEN)],
);

pub(super) static DESCRIBE_ALERT_MANAGER_DEFINITION_REQUEST: Shape =
    structure("DescribeAlertManagerDefinitionRequest", &[path("workspaceId", &WORKSPACE_ID)]);
pub(super) static DESCRIBE_ALERT_MANAGER_DEFINITION_RESPONSE: Shape = structure(
    "DescribeAlertManagerDefinitionResponse",
    &[required("alertManagerDefinition", &ALERT_MANAGER_DEFINITION_DESCRIPTION)],
);

pub(super) static PUT_ALERT_MANAGER_DEFINITION_REQUEST: Shape = structure(
    "PutAlertManagerDefinitionRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("data", &ALERT_MANAGER_DEFINITION_DATA),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);
pub(super) static PUT_ALERT_MANAGER_DEFINITION_RESPONSE: Shape =
    structure("PutAlertManagerDefinitionResponse", &[required("status", &ALERT_MANAGER_DEFINITION_STATUS)]);

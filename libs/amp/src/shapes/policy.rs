//! Policies of workspaces (section 5.8).

use super::common::{IDEMPOTENCY_TOKEN, STRING, WORKSPACE_ID};
use crate::shape::{Shape, one_of, optional, path, query, required, structure};

pub(super) static WORKSPACE_POLICY_STATUS_CODE: Shape =
    one_of("WorkspacePolicyStatusCode", &["CREATING", "ACTIVE", "UPDATING", "DELETING"]);

pub(super) static DELETE_RESOURCE_POLICY_REQUEST: Shape = structure(
    "DeleteResourcePolicyRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        query("clientToken", &IDEMPOTENCY_TOKEN),
        query("revisionId", &STRING),
    ],
);

pub(super) static DESCRIBE_RESOURCE_POLICY_REQUEST: Shape =
    structure("DescribeResourcePolicyRequest", &[path("workspaceId", &WORKSPACE_ID)]);
pub(super) static DESCRIBE_RESOURCE_POLICY_RESPONSE: Shape = structure(
    "DescribeResourcePolicyResponse",
    &[
        required("policyDocument", &STRING),
        required("policyStatus", &WORKSPACE_POLICY_STATUS_CODE),
        required("revisionId", &STRING),
    ],
);

pub(super) static PUT_RESOURCE_POLICY_REQUEST: Shape = structure(
    "PutResourcePolicyRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("policyDocument", &STRING),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
        optional("revisionId", &STRING),
    ],
);
pub(super) static PUT_RESOURCE_POLICY_RESPONSE: Shape = structure(
    "PutResourcePolicyResponse",
    &[required("policyStatus", &WORKSPACE_POLICY_STATUS_CODE), required("revisionId", &STRING)],
);

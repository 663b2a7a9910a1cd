//! The operations on the resource policy of a workspace (section 5.8).
//!
//! A revision id is the revision of the control plane's state that brought the document, as a number: never the same twice, also
//! not for a policy that was deleted and made again.

use narthex_amp::{DeleteResourcePolicyRequest, DescribeResourcePolicyRequest, PutResourcePolicyRequest};
use narthex_edge::AwsError;
use narthex_model::WorkspaceId;
use narthex_policy::Policy;
use serde_json::json;

use super::{
    Api, Call, Outcome,
    documents::{compressed, text},
    errors::{Subject, damaged},
};
use crate::state::{ChangeKind, Content, Expected, ResourceId, ResourceKind};

/// Stands for "there is none yet" (API-C-82).
const NO_POLICY: &str = "NO_POLICY";

fn id_of(workspace: WorkspaceId) -> ResourceId {
    ResourceId::in_workspace(ResourceKind::ResourcePolicy, workspace, "")
}

/// A revision that we never gave out is no policy's.
fn expected(revision: Option<&str>) -> Expected {
    match revision {
        None => Expected::Anything,
        Some(NO_POLICY) => Expected::Nothing,
        Some(text) => Expected::Revision(text.parse().unwrap_or(u64::MAX)),
    }
}

impl Api {
    pub(super) async fn put_resource_policy(
        &self,
        call: &Call,
        request: PutResourcePolicyRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let document = request.policy_document;
        Policy::for_workspace(&document, &self.workspace_arn(&call.account, workspace))
            .map_err(|error| AwsError::field("policyDocument", error.to_string()))?;
        let id = id_of(workspace);
        let subject = Subject::resource(&call.account, &id);
        let what = ChangeKind::Put {
            id,
            content: Content::Policy(compressed(document.as_bytes())?),
            or_create: true,
            expected: expected(request.revision_id.as_deref()),
            limits: Vec::new(),
        };
        let changed = self.change(call, &subject, request.client_token, what).await?;
        let revision = changed.revision.to_string();
        Ok(call.reply(json!({ "policyStatus": changed.status.as_str(), "revisionId": revision })))
    }

    pub(super) fn describe_resource_policy(
        &self,
        call: &Call,
        request: &DescribeResourcePolicyRequest,
    ) -> Outcome {
        let id = id_of(Call::workspace_id(&request.workspace_id)?);
        self.read(|state| {
            let record = call.resource(state, &id)?;
            let newest = record.newest().ok_or_else(|| damaged(&id))?;
            let Content::Policy(document) = &newest.content else { return Err(damaged(&id)) };
            Ok(call.reply(json!({
                "policyDocument": text(document)?,
                "policyStatus": record.status.as_str(),
                "revisionId": newest.revision.to_string(),
            })))
        })
    }

    pub(super) async fn delete_resource_policy(
        &self,
        call: &Call,
        request: DeleteResourcePolicyRequest,
    ) -> Outcome {
        let id = id_of(Call::workspace_id(&request.workspace_id)?);
        let subject = Subject::resource(&call.account, &id);
        let what = ChangeKind::Delete { id, expected: expected(request.revision_id.as_deref()) };
        self.change(call, &subject, request.client_token, what).await?;
        Ok(call.empty())
    }
}

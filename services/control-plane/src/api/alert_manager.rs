//! The operations on the alert manager definition of a workspace (section 5.3).

use narthex_amp::{
    Blob, CreateAlertManagerDefinitionRequest, DeleteAlertManagerDefinitionRequest,
    DescribeAlertManagerDefinitionRequest, PutAlertManagerDefinitionRequest,
};
use serde_json::json;

use super::{
    Api, Call, Outcome,
    documents::file,
    errors::{Subject, damaged},
    view::{status, with_times},
};
use crate::state::{ChangeKind, Content, Expected, ResourceId, ResourceKind};

fn id_of(workspace: &str) -> Result<ResourceId, narthex_edge::AwsError> {
    Ok(ResourceId::in_workspace(ResourceKind::AlertManagerDefinition, Call::workspace_id(workspace)?, ""))
}

impl Api {
    pub(super) async fn create_alert_manager_definition(
        &self,
        call: &Call,
        request: CreateAlertManagerDefinitionRequest,
    ) -> Outcome {
        let id = id_of(&request.workspace_id)?;
        let content = self.definition(call, &id, &request.data)?;
        let what = ChangeKind::Create { id: id.clone(), content, tags: [].into(), limits: Vec::new() };
        self.change_settings(call, &id, request.client_token, what).await
    }

    pub(super) async fn put_alert_manager_definition(
        &self,
        call: &Call,
        request: PutAlertManagerDefinitionRequest,
    ) -> Outcome {
        let id = id_of(&request.workspace_id)?;
        let content = self.definition(call, &id, &request.data)?;
        let what = ChangeKind::Put {
            id: id.clone(),
            content,
            or_create: false,
            expected: Expected::Anything,
            limits: Vec::new(),
        };
        self.change_settings(call, &id, request.client_token, what).await
    }

    fn definition(
        &self,
        call: &Call,
        id: &ResourceId,
        data: &Blob,
    ) -> Result<Content, narthex_edge::AwsError> {
        self.documents().alert_manager(&Subject::resource(&call.account, id), data)
    }

    pub(super) fn describe_alert_manager_definition(
        &self,
        call: &Call,
        request: &DescribeAlertManagerDefinitionRequest,
    ) -> Outcome {
        let id = id_of(&request.workspace_id)?;
        let record = self.read(|state| call.resource(state, &id).cloned())?;
        let Some(Content::AlertManager(body)) = record.newest().map(|version| &version.content) else {
            return Err(damaged(id));
        };
        let members = with_times(json!({ "status": status(&record), "data": file(body)? }), &record);
        Ok(call.reply(json!({ "alertManagerDefinition": members })))
    }

    pub(super) async fn delete_alert_manager_definition(
        &self,
        call: &Call,
        request: DeleteAlertManagerDefinitionRequest,
    ) -> Outcome {
        self.delete_resource(call, id_of(&request.workspace_id)?, request.client_token).await
    }
}

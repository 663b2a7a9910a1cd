//! Workspaces as the API shows them: unset members are left out, times are seconds with a fraction (section 2.5).

use narthex_model::{TimestampMs, WorkspaceId};
use serde_json::{Map, Value, json};

use super::Api;
use crate::{proto::status_code, state::WorkspaceRecord};

impl Api {
    /// `arn:aws:aps:<region>:<account>:workspace/<id>` (WS-8).
    fn arn(&self, id: WorkspaceId, record: &WorkspaceRecord) -> String {
        format!("arn:aws:aps:{}:{}:workspace/{id}", self.region, record.account)
    }

    fn common(&self, id: WorkspaceId, record: &WorkspaceRecord) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("workspaceId".into(), id.to_string().into());
        members.insert("arn".into(), self.arn(id, record).into());
        members.insert("status".into(), json!({ "statusCode": status_code(record.status) }));
        if !record.tags.is_empty() {
            members.insert("tags".into(), json!(record.tags));
        }
        if let Some(key) = &record.kms_key_arn {
            members.insert("kmsKeyArn".into(), key.as_str().into());
        }
        members
    }

    /// CreateWorkspaceResponse.
    pub(super) fn created(&self, id: WorkspaceId, record: &WorkspaceRecord) -> Value {
        Value::Object(self.common(id, record))
    }

    /// WorkspaceSummary.
    pub(super) fn summary(&self, id: WorkspaceId, record: &WorkspaceRecord) -> Map<String, Value> {
        let mut members = self.common(id, record);
        if let Some(alias) = &record.alias {
            members.insert("alias".into(), alias.as_str().into());
        }
        members.insert("createdAt".into(), seconds(record.created_at));
        members
    }

    /// WorkspaceDescription.
    pub(super) fn description(&self, id: WorkspaceId, record: &WorkspaceRecord) -> Value {
        let mut members = self.summary(id, record);
        members.insert("prometheusEndpoint".into(), format!("{}/workspaces/{id}/", self.public_url).into());
        Value::Object(members)
    }
}

fn seconds(at: TimestampMs) -> Value {
    (at.0 as f64 / 1000.0).into()
}

//! Resources as the API shows them: unset members are left out, times are seconds with a fraction (section 2.5).

use narthex_model::{TimestampMs, WorkspaceId};
use serde_json::{Map, Value, json};

use super::Api;
use crate::{
    proto::status_code,
    state::{ResourceRecord, WorkspaceRecord},
};

impl Api {
    fn common(&self, id: WorkspaceId, record: &WorkspaceRecord) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("workspaceId".into(), id.to_string().into());
        members.insert("arn".into(), self.workspace_arn(&record.account, id).into());
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

/// Seconds since 1970, to the millisecond.
pub(super) fn seconds(at: TimestampMs) -> Value {
    (at.0 as f64 / 1000.0).into()
}

/// A status object with its reason.
pub(super) fn status(record: &ResourceRecord) -> Value {
    let mut status = json!({ "statusCode": record.status.as_str() });
    if let Some(reason) = &record.status_reason {
        status["statusReason"] = reason.as_str().into();
    }
    status
}

/// Adds creation and modification times.
pub(super) fn with_times(mut members: Value, record: &ResourceRecord) -> Value {
    members["createdAt"] = seconds(record.created_at);
    members["modifiedAt"] = seconds(record.modified_at);
    members
}

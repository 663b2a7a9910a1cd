//! The operations on workspaces and their configuration (section 5.1).
//!
//! Decisions where the specification is silent: the list is in order of creation; an alias that is left out of an update is
//! cleared; a change of a workspace that is being deleted is a conflict; a call without a client token gets one, so that our own
//! repetition after a lost answer stays harmless; a description shows the newest settings, also before they are in force.

use narthex_amp::{
    CreateWorkspaceRequest, DeleteWorkspaceRequest, DescribeWorkspaceConfigurationRequest,
    DescribeWorkspaceRequest, ListWorkspacesRequest, UpdateWorkspaceAliasRequest,
    UpdateWorkspaceConfigurationRequest,
};
use narthex_cluster::WorkspaceStatus;
use narthex_model::WorkspaceId;
use serde_json::{Value, json};

use super::{
    Api, Call, Outcome,
    errors::{Subject, WORKSPACE, unexpected},
    page::created,
    view::status,
};
use crate::{
    quota::Quota,
    state::{
        ChangeKind, Command, Configuration, Content, CreateWorkspace, ResourceId, ResourceKind, Response,
        WorkspaceRecord,
    },
};

impl Api {
    pub(super) async fn create_workspace(&self, call: &Call, request: CreateWorkspaceRequest) -> Outcome {
        let now = self.desk.clock().now();
        let record = WorkspaceRecord {
            account: call.account.clone(),
            alias: request.alias,
            status: WorkspaceStatus::Creating,
            kms_key_arn: request.kms_key_arn,
            tags: request.tags,
            created_at: now,
            changed_at: now,
            out_of_order_window_ms: self.limits.out_of_order_window_ms(),
            max_active_series: self.limits.max_active_series(),
        };
        let id = WorkspaceId::from_random(self.random.bits128());
        let token = self.token(call, request.client_token);
        let subject = Subject::new(&call.account, WORKSPACE, &token);
        let create = CreateWorkspace { id, record, quota: self.limits.workspaces, token: Some(token) };
        match self.propose(&subject, Command::CreateWorkspace(create)).await? {
            Response::Workspace { id, record } => Ok(call.reply(self.created(id, &record))),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn describe_workspace(&self, call: &Call, request: &DescribeWorkspaceRequest) -> Outcome {
        self.read(|state| {
            let (id, record) = call.workspace(state, &request.workspace_id)?;
            Ok(call.reply(json!({ "workspace": self.description(id, record) })))
        })
    }

    pub(super) fn list_workspaces(&self, call: &Call, request: &ListWorkspacesRequest) -> Outcome {
        self.read(|state| {
            let prefix = request.alias.as_deref();
            let wanted = |record: &WorkspaceRecord| {
                let fits = |alias: &str| prefix.is_none_or(|prefix| alias.starts_with(prefix));
                record.account == call.account && fits(record.alias.as_deref().unwrap_or_default())
            };
            let found = state.workspaces.iter().filter(|(_, record)| wanted(record));
            let items = found.map(|(id, record)| (created(record.created_at, &id.to_bytes()), (id, record)));
            let filters = json!(prefix).to_string();
            let (page, next) = call.listing(state, &filters).page(&request.page, items.collect())?;
            let summaries: Vec<Value> =
                page.into_iter().map(|(id, record)| self.summary(*id, record).into()).collect();
            Ok(call.reply(paged("workspaces", summaries, next)))
        })
    }

    pub(super) async fn update_workspace_alias(
        &self,
        call: &Call,
        request: UpdateWorkspaceAliasRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let token = Some(self.token(call, request.client_token));
        let (account, alias, at) = (call.account.clone(), request.alias, self.desk.clock().now());
        let subject = Subject::workspace(&call.account, &request.workspace_id);
        let command = Command::UpdateAlias { workspace, account, alias, token, at };
        match self.propose(&subject, command).await? {
            Response::Done { .. } => Ok(call.empty()),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn delete_workspace(&self, call: &Call, request: DeleteWorkspaceRequest) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let token = Some(self.token(call, request.client_token));
        let subject = Subject::workspace(&call.account, &request.workspace_id);
        let (account, at) = (call.account.clone(), self.desk.clock().now());
        match self.propose(&subject, Command::DeleteWorkspace { workspace, account, token, at }).await? {
            Response::Done { .. } => Ok(call.empty()),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn describe_workspace_configuration(
        &self,
        call: &Call,
        request: &DescribeWorkspaceConfigurationRequest,
    ) -> Outcome {
        self.read(|state| {
            let (workspace, record) = call.workspace(state, &request.workspace_id)?;
            let id = ResourceId::in_workspace(ResourceKind::Configuration, workspace, "");
            let held = state.resources.get(&id);
            let known = match held.and_then(|held| held.newest()).map(|version| &version.content) {
                Some(Content::Configuration(settings)) => settings.clone(),
                _ => Configuration::default(),
            };
            let window = u32::try_from(record.out_of_order_window_ms / 1000).unwrap_or(u32::MAX);
            let settings = Configuration {
                limits_per_label_set: Some(Vec::new()),
                retention_period_in_days: Some(self.limits.retention_days),
                out_of_order_time_window_in_seconds: Some(window),
                rule_query_offset_in_seconds: Some(0),
            };
            let mut members = json!(settings.with(known));
            members["status"] = held.map_or_else(|| json!({ "statusCode": "ACTIVE" }), |held| status(held));
            Ok(call.reply(json!({ "workspaceConfiguration": members })))
        })
    }

    pub(super) async fn update_workspace_configuration(
        &self,
        call: &Call,
        request: UpdateWorkspaceConfigurationRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let subject = Subject::resource(
            &call.account,
            &ResourceId::in_workspace(ResourceKind::Configuration, workspace, ""),
        );
        let settings = Configuration {
            limits_per_label_set: request.limits_per_label_set,
            retention_period_in_days: request.retention_period_in_days,
            out_of_order_time_window_in_seconds: request.out_of_order_time_window_in_seconds,
            rule_query_offset_in_seconds: request.rule_query_offset_in_seconds,
        };
        let sets = settings.limits_per_label_set.as_ref().map_or(0, Vec::len);
        if sets > self.limits.label_sets as usize {
            return Err(subject.over(Quota::LabelSets, self.limits.label_sets.into()));
        }
        let longest = self.limits.max_out_of_order_window.get().as_secs();
        if settings.out_of_order_time_window_in_seconds.is_some_and(|seconds| u64::from(seconds) > longest) {
            return Err(subject.over(Quota::OutOfOrderWindow, longest));
        }
        let what = ChangeKind::Configure { workspace, settings };
        let changed = self.change(call, &subject, request.client_token, what).await?;
        Ok(call.reply(json!({ "status": { "statusCode": changed.status.as_str() } })))
    }
}

/// A page of a list.
pub(super) fn paged(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut body = json!({ name: items });
    if let Some(next) = next {
        body["nextToken"] = next.into();
    }
    body
}

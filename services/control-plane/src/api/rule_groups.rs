//! The operations on rule groups namespaces (section 5.2).
//!
//! Decisions where the specification is silent: a file is checked in full before anything is stored, so the failed states are
//! only for what goes wrong later; the list is in order of names.

use narthex_amp::{
    CreateRuleGroupsNamespaceRequest, DeleteRuleGroupsNamespaceRequest, DescribeRuleGroupsNamespaceRequest,
    ListRuleGroupsNamespacesRequest, PutRuleGroupsNamespaceRequest, Resource,
};
use narthex_model::{AccountId, WorkspaceId};
use serde_json::{Value, json};

use super::{
    Api, Call, Outcome,
    documents::file,
    errors::{Subject, damaged},
    view::{status, with_times},
    workspaces::paged,
};
use crate::{
    quota::Quota,
    state::{ChangeKind, Changed, Content, Expected, Limit, ResourceId, ResourceKind, ResourceRecord},
};

fn id_of(workspace: WorkspaceId, name: &str) -> ResourceId {
    ResourceId::in_workspace(ResourceKind::RuleGroupsNamespace, workspace, name)
}

impl Api {
    pub(super) async fn create_rule_groups_namespace(
        &self,
        call: &Call,
        request: CreateRuleGroupsNamespaceRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let id = id_of(workspace, &request.name);
        let subject = Subject::resource(&call.account, &id);
        let content = self.documents().rules(&subject, &request.name, &request.data)?;
        let what = ChangeKind::Create { id, content, tags: request.tags, limits: self.rule_limits() };
        let changed = self.change(call, &subject, request.client_token, what).await?;
        Ok(call.reply(self.changed_namespace(&call.account, workspace, &request.name, changed)))
    }

    pub(super) async fn put_rule_groups_namespace(
        &self,
        call: &Call,
        request: PutRuleGroupsNamespaceRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let id = id_of(workspace, &request.name);
        let subject = Subject::resource(&call.account, &id);
        let content = self.documents().rules(&subject, &request.name, &request.data)?;
        let limits = self.rule_limits();
        let what = ChangeKind::Put { id, content, or_create: false, expected: Expected::Anything, limits };
        let changed = self.change(call, &subject, request.client_token, what).await?;
        Ok(call.reply(self.changed_namespace(&call.account, workspace, &request.name, changed)))
    }

    pub(super) fn describe_rule_groups_namespace(
        &self,
        call: &Call,
        request: &DescribeRuleGroupsNamespaceRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let id = id_of(workspace, &request.name);
        let mut record = self.read(|state| call.resource(state, &id).cloned())?;
        let mut members = self.namespace(workspace, &request.name, &record);
        members["data"] =
            match record.pending.take().or(record.in_force.take()).map(|version| version.content) {
                Some(Content::Rules(rules)) => json!(file(&rules.data)?),
                _ => return Err(damaged(id)),
            };
        Ok(call.reply(json!({ "ruleGroupsNamespace": members })))
    }

    pub(super) fn list_rule_groups_namespaces(
        &self,
        call: &Call,
        request: &ListRuleGroupsNamespacesRequest,
    ) -> Outcome {
        self.read(|state| {
            let (workspace, _) = call.workspace(state, &request.workspace_id)?;
            let prefix = request.name.as_deref().unwrap_or_default();
            let found = state.resources_in(ResourceKind::RuleGroupsNamespace, workspace);
            let items = found
                .filter(|(id, _)| id.name.starts_with(prefix))
                .map(|(id, record)| (id.name.clone().into_bytes(), (id, record)));
            let filters = json!([workspace, prefix]).to_string();
            let (page, next) = call.listing(state, &filters).page(&request.page, items.collect())?;
            let namespace =
                |(id, record): (&ResourceId, &ResourceRecord)| self.namespace(workspace, &id.name, record);
            let summaries = page.into_iter().map(namespace).collect();
            Ok(call.reply(paged("ruleGroupsNamespaces", summaries, next)))
        })
    }

    pub(super) async fn delete_rule_groups_namespace(
        &self,
        call: &Call,
        request: DeleteRuleGroupsNamespaceRequest,
    ) -> Outcome {
        let id = id_of(Call::workspace_id(&request.workspace_id)?, &request.name);
        self.delete_resource(call, id, request.client_token).await
    }

    fn rule_limits(&self) -> Vec<Limit> {
        vec![
            Limit { quota: Quota::RuleGroupsNamespaces, limit: self.limits.rule_groups_namespaces.into() },
            Limit { quota: Quota::Rules, limit: self.limits.rules.into() },
        ]
    }

    fn namespace_arn(&self, account: &AccountId, workspace: WorkspaceId, name: &str) -> String {
        let (workspace, name) = (workspace.to_string(), name.to_owned());
        self.arn(account, Resource::RuleGroupsNamespace { workspace, name })
    }

    fn changed_namespace(
        &self,
        account: &AccountId,
        workspace: WorkspaceId,
        name: &str,
        changed: Changed,
    ) -> Value {
        json!({
            "name": name,
            "arn": self.namespace_arn(account, workspace, name),
            "status": { "statusCode": changed.status.as_str() },
            "tags": changed.tags,
        })
    }

    /// RuleGroupsNamespaceSummary.
    fn namespace(&self, workspace: WorkspaceId, name: &str, record: &ResourceRecord) -> Value {
        let members = json!({
            "arn": self.namespace_arn(&record.account, workspace, name),
            "name": name,
            "status": status(record),
            "tags": record.tags,
        });
        with_times(members, record)
    }
}

//! The five operations on workspaces.
//!
//! Decisions where the specification is silent: the list is in order of creation; an alias that is blank is refused, one
//! that is left out of an update is cleared; a change of a workspace that is being deleted is a conflict; a call without
//! a client token gets one, so that our own repetition after a lost answer stays harmless.

use axum::http::StatusCode;
use narthex_edge::{AwsError, ValidationReason};
use narthex_model::{AccountId, WorkspaceId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Api, Outcome, Reply,
    input::{Body, Input, query},
    page::Listing,
};
use crate::{
    desk::Unavailable,
    state::{ClientToken, Command, CreateWorkspace, Refusal, Response, WorkspaceRecord},
};
use narthex_cluster::WorkspaceStatus;

const WORKSPACE: &str = "WORKSPACE";
const QUOTA_CODE: &str = "WorkspacesPerAccount";

impl Api {
    /// `POST /workspaces`.
    pub(super) async fn create_workspace(&self, account: &AccountId, body: &[u8]) -> Outcome {
        let mut body = Body::parse(body)?;
        let mut input = Input::new(&self.checks);
        let alias = body.string("alias")?;
        let alias = input.alias(alias);
        let tags = body.strings("tags")?.unwrap_or_default();
        input.tags(&tags);
        let kms_key = body.string("kmsKeyArn")?;
        let kms_key_arn = input.kms_key(kms_key);
        let token = body.string("clientToken")?;
        let token = input.token(token);
        input.done()?;

        let token = self.token(token, &json!([alias, tags, kms_key_arn]));
        let now = self.desk.clock().now();
        let record = WorkspaceRecord {
            account: account.clone(),
            alias,
            status: WorkspaceStatus::Creating,
            kms_key_arn,
            tags,
            created_at: now,
            changed_at: now,
            out_of_order_window_ms: self.limits.out_of_order_window_ms(),
            max_active_series: self.limits.max_active_series(),
        };
        let id = WorkspaceId::from_random(self.random.bits128());
        let create = CreateWorkspace { id, record, quota: self.limits.workspaces, token: Some(token) };
        match self.change(Command::CreateWorkspace(create), account, "").await? {
            Response::Workspace { id, record } => Ok(reply(StatusCode::ACCEPTED, self.created(id, &record))),
            other => Err(unexpected(&other)),
        }
    }

    /// `GET /workspaces/{workspaceId}`.
    pub(super) async fn describe_workspace(&self, account: &AccountId, id: &str) -> Outcome {
        let workspace = self.workspace_id(id)?;
        self.desk.catch_up().await.map_err(away)?;
        let view = self.desk.machine().view();
        let record = view.state.workspaces.get(&workspace).filter(|record| record.account == *account);
        let record = record.ok_or_else(|| AwsError::workspace_not_found(id))?;
        Ok(reply(StatusCode::OK, json!({ "workspace": self.description(workspace, record) })))
    }

    /// `GET /workspaces`.
    pub(super) async fn list_workspaces(&self, account: &AccountId, raw_query: &str) -> Outcome {
        let mut parameters = query(raw_query);
        let mut input = Input::new(&self.checks);
        let alias = input.alias(parameters.remove("alias"));
        let count = input.max_results(parameters.get("maxResults").map(String::as_str));
        let token = parameters.remove("nextToken").filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| token.chars().count() > 1000) {
            input.problem("nextToken", "must have at most 1000 characters");
        }
        input.done()?;

        self.desk.catch_up().await.map_err(away)?;
        let view = self.desk.machine().view();
        let secret = view.state.setup.as_ref().map_or("", |setup| setup.page_secret.as_str());
        let listing = Listing { secret, account, alias: alias.as_deref() };
        let after = match token {
            None => None,
            Some(token) => Some(listing.open(&token).ok_or_else(|| {
                AwsError::field("nextToken", "is not a token of this listing; begin again without it")
            })?),
        };
        let wanted = |record: &WorkspaceRecord| {
            let prefix = alias.as_deref().unwrap_or_default();
            record.account == *account
                && (prefix.is_empty()
                    || record.alias.as_deref().is_some_and(|alias| alias.starts_with(prefix)))
        };
        let mut found: Vec<_> = view.state.workspaces.iter().filter(|(_, record)| wanted(record)).collect();
        found.sort_unstable_by_key(|(id, record)| (record.created_at, **id));
        let start =
            after.map_or(0, |after| found.partition_point(|(id, record)| (record.created_at, **id) <= after));
        let page = &found[start..found.len().min(start + count)];
        let summaries: Vec<Value> =
            page.iter().map(|(id, record)| self.summary(**id, record).into()).collect();
        let mut body = json!({ "workspaces": summaries });
        if let Some((id, record)) = page.last().filter(|_| start + count < found.len()) {
            body["nextToken"] = listing.seal((record.created_at, **id)).into();
        }
        Ok(reply(StatusCode::OK, body))
    }

    /// `POST /workspaces/{workspaceId}/alias`.
    pub(super) async fn update_workspace_alias(&self, account: &AccountId, id: &str, body: &[u8]) -> Outcome {
        let workspace = self.workspace_id(id)?;
        let mut body = Body::parse(body)?;
        let mut input = Input::new(&self.checks);
        let alias = body.string("alias")?;
        let alias = input.alias(alias);
        let token = body.string("clientToken")?;
        let token = input.token(token);
        input.done()?;
        let token = Some(self.token(token, &json!([id, alias])));
        let at = self.desk.clock().now();
        let command = Command::UpdateAlias { workspace, account: account.clone(), alias, token, at };
        match self.change(command, account, id).await? {
            Response::Done { .. } => Ok(Reply { status: StatusCode::NO_CONTENT, body: None }),
            other => Err(unexpected(&other)),
        }
    }

    /// `DELETE /workspaces/{workspaceId}`.
    pub(super) async fn delete_workspace(&self, account: &AccountId, id: &str, raw_query: &str) -> Outcome {
        let workspace = self.workspace_id(id)?;
        let mut input = Input::new(&self.checks);
        let token = input.token(query(raw_query).remove("clientToken"));
        input.done()?;
        let token = Some(self.token(token, &json!([id])));
        let at = self.desk.clock().now();
        let command = Command::DeleteWorkspace { workspace, account: account.clone(), token, at };
        match self.change(command, account, id).await? {
            Response::Done { .. } => Ok(Reply { status: StatusCode::ACCEPTED, body: None }),
            other => Err(unexpected(&other)),
        }
    }

    /// A legal id that is not one of ours names nothing; only an illegal one is a mistake.
    fn workspace_id(&self, id: &str) -> Result<WorkspaceId, AwsError> {
        let mut input = Input::new(&self.checks);
        input.workspace(id);
        input.done()?;
        id.parse().map_err(|_| AwsError::workspace_not_found(id))
    }

    fn token(&self, given: Option<String>, parameters: &Value) -> ClientToken {
        let token = given.unwrap_or_else(|| format!("{:032x}", self.random.bits128()));
        let digest = Sha256::digest(parameters.to_string().as_bytes());
        let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        ClientToken { token, fingerprint }
    }

    async fn change(&self, command: Command, account: &AccountId, id: &str) -> Result<Response, AwsError> {
        let token = match &command {
            Command::CreateWorkspace(create) => create.token.as_ref().map(|token| token.token.clone()),
            _ => None,
        };
        match self.desk.propose(command).await.map_err(away)? {
            Response::Refused(refusal) => Err(refused(&refusal, account, id, token.as_deref())),
            response => Ok(response),
        }
    }
}

fn reply(status: StatusCode, body: Value) -> Reply {
    Reply { status, body: Some(body) }
}

fn refused(refusal: &Refusal, account: &AccountId, id: &str, token: Option<&str>) -> AwsError {
    let text = refusal.to_string();
    match refusal {
        Refusal::UnknownWorkspace => AwsError::workspace_not_found(id),
        Refusal::WorkspaceBusy => AwsError::conflict(text, id, WORKSPACE),
        Refusal::TokenReused if id.is_empty() => {
            AwsError::conflict(text, token.unwrap_or_default(), "CLIENT_TOKEN")
        }
        Refusal::TokenReused => AwsError::conflict(text, id, WORKSPACE),
        Refusal::Quota { .. } => AwsError::ServiceQuotaExceeded {
            message: text,
            resource_id: account.to_string(),
            resource_type: WORKSPACE.to_owned(),
            quota_code: QUOTA_CODE.to_owned(),
        },
        Refusal::NotSetUp => AwsError::InternalServer(text),
        _ => AwsError::validation(ValidationReason::Other, text),
    }
}

/// The API's own error for it, which clients retry.
fn away(error: Unavailable) -> AwsError {
    tracing::warn!(%error, "a request of the API could not be carried out");
    AwsError::InternalServer("The control plane is electing a leader, try again".to_owned())
}

fn unexpected(response: &Response) -> AwsError {
    tracing::error!(?response, "the state machine answered something else");
    AwsError::InternalServer("Internal error".to_owned())
}

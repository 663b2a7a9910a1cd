//! AMP's management API (api-control-plane.md): all operations, as functions from an account and a checked request to a reply.
//!
//! `narthex-amp` knows paths, members and constraints; here is what needs the state: existence, quotas, and what changes. Reads are
//! linearizable, so that whoever got an answer to a change finds it at every node.

mod access;
mod alert_manager;
mod detectors;
mod documents;
mod errors;
mod logging;
mod operations;
mod page;
mod policies;
mod rule_groups;
mod scrapers;
mod tags;
mod view;
mod workspaces;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Extension, Router,
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use narthex_amp::{Operation, Resource};
use narthex_edge::{Authenticated, AwsError};
use narthex_model::{AccountId, WorkspaceId};
use narthex_service::Random;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    Limits,
    desk::Desk,
    state::{
        self, Change, ChangeKind, Changed, ClientToken, Command, ResourceId, ResourceRecord, State,
        WorkspaceRecord,
    },
};

use access::Place;
use errors::{Subject, away, invalid, listed, unexpected};
use page::Listing;

/// Everything that the operations need.
pub(crate) struct Api {
    desk: Arc<Desk>,
    random: Random,
    limits: Limits,
    region: String,
    public_url: String,
}

/// Status and JSON body of a success; some have no body.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self.body {
            Some(body) => {
                (self.status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
            }
            None => self.status.into_response(),
        }
    }
}

type Outcome = Result<Reply, AwsError>;

/// One request: who asks for what.
struct Call {
    account: AccountId,
    operation: Operation,
    /// Digest of the parameters, for the client token.
    fingerprint: String,
}

impl Call {
    /// A success with a body.
    fn reply(&self, body: Value) -> Reply {
        Reply { body: Some(body), ..self.empty() }
    }

    /// A success without one.
    fn empty(&self) -> Reply {
        let status = StatusCode::from_u16(self.operation.success()).unwrap_or(StatusCode::OK);
        Reply { status, body: None }
    }

    /// A legal id that is not one of ours names nothing; an illegal one does not get here.
    fn workspace_id(id: &str) -> Result<WorkspaceId, AwsError> {
        id.parse().map_err(|_| AwsError::workspace_not_found(id))
    }

    /// The workspace, if it is this account's.
    fn workspace<'a>(
        &self,
        state: &'a State,
        id: &str,
    ) -> Result<(WorkspaceId, &'a WorkspaceRecord), AwsError> {
        let workspace = Self::workspace_id(id)?;
        let record = state.workspaces.get(&workspace).filter(|record| record.account == self.account);
        Ok((workspace, record.ok_or_else(|| AwsError::workspace_not_found(id))?))
    }

    /// The resource, if it is this account's.
    fn resource<'a>(&self, state: &'a State, id: &ResourceId) -> Result<&'a ResourceRecord, AwsError> {
        if let Some(workspace) = id.workspace {
            self.workspace(state, &workspace.to_string())?;
        }
        let record = state.resources.get(id).filter(|record| record.account == self.account);
        record.map(|record| &**record).ok_or_else(|| Subject::resource(&self.account, id).not_found())
    }

    fn listing<'a>(&'a self, state: &'a State, filters: &'a str) -> Listing<'a> {
        let secret = state.setup.as_ref().map_or("", |setup| setup.page_secret.as_str());
        Listing { secret, operation: self.operation.name(), account: &self.account, filters }
    }
}

impl Api {
    pub(crate) fn new(
        desk: Arc<Desk>,
        random: Random,
        limits: Limits,
        region: &str,
        public_url: &str,
    ) -> Self {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Self { desk, random, limits, region: region.to_owned(), public_url }
    }

    /// The routes, to be wrapped by the edge, which adds [`Authenticated`] to every request. All lead to one function; they are
    /// told apart so that metrics can name them.
    pub(crate) fn router(self) -> Router {
        let api = Arc::new(self);
        let answer =
            move |Extension(who): Extension<Authenticated>, method: Method, uri: Uri, body: Bytes| {
                let api = api.clone();
                async move { api.answer(&who, &method, &uri, &body).await }
            };
        let paths: BTreeSet<_> = Operation::ALL.into_iter().map(Operation::path).collect();
        let routes =
            paths.into_iter().fold(Router::new(), |router, path| router.route(path, any(answer.clone())));
        routes.fallback(answer)
    }

    async fn answer(&self, who: &Authenticated, method: &Method, uri: &Uri, body: &[u8]) -> Outcome {
        let route = narthex_amp::route(method.as_str(), uri.path()).map_err(|error| invalid(error.into()))?;
        let operation = route.operation;
        let request = narthex_amp::parse(&route, uri.query().unwrap_or_default(), body).map_err(invalid)?;
        let parameters = request.parameters();
        let fingerprint = hex(&Sha256::digest(parameters.to_string().as_bytes()));
        let call = Call { account: who.account.clone(), operation, fingerprint };
        self.desk.catch_up().await.map_err(away)?;
        let checks = self.read(|state| {
            access::checks(&request, &Place { region: &self.region, account: &who.account, state })
        });
        checks.iter().try_for_each(|check| check.ask(who))?;
        self.check_new_tags(&request)?;
        self.carry_out(&call, request).await.map_err(|error| listed(operation, error))
    }

    /// Looks at the state, which is current: every call has caught up before.
    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.desk.machine().view().state)
    }

    /// The client's token, or one of our own, so that our own repetition after a lost answer stays harmless.
    fn token(&self, call: &Call, given: Option<String>) -> ClientToken {
        let token = given.unwrap_or_else(|| format!("{:032x}", self.random.bits128()));
        ClientToken { token, fingerprint: call.fingerprint.clone() }
    }

    /// Changes something, once for each token.
    async fn change(
        &self,
        call: &Call,
        subject: &Subject,
        token: Option<String>,
        what: ChangeKind,
    ) -> Result<Changed, AwsError> {
        let change = Change {
            account: call.account.clone(),
            operation: call.operation.name().to_owned(),
            token: Some(self.token(call, token)),
            at: self.desk.clock().now(),
            what,
        };
        match self.propose(subject, Command::Change(Box::new(change))).await? {
            state::Response::Changed(changed) => Ok(changed),
            other => Err(unexpected(&other)),
        }
    }

    async fn propose(&self, subject: &Subject, command: Command) -> Result<state::Response, AwsError> {
        match self.desk.propose(command).await.map_err(away)? {
            state::Response::Refused(refusal) => Err(subject.refused(&refusal)),
            response => Ok(response),
        }
    }

    fn arn(&self, account: &AccountId, resource: Resource) -> String {
        resource.arn(&self.region, account).to_string()
    }

    fn workspace_arn(&self, account: &AccountId, id: WorkspaceId) -> String {
        self.arn(account, Resource::Workspace { workspace: id.to_string() })
    }

    /// A random UUID behind a prefix, such as `s-` or `ad-`.
    fn new_id(&self, prefix: &str) -> String {
        let id = WorkspaceId::from_random(self.random.bits128()).to_string();
        format!("{prefix}{}", id.trim_start_matches("ws-"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

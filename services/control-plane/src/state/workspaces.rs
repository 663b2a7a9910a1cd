//! Life of a workspace, and the answers to client tokens.
//!
//! A token is looked at before anything else, so that a repeated call gets its first answer even when the workspace has
//! gone on since (or is gone).

use narthex_cluster::WorkspaceStatus;
use narthex_model::{AccountId, TimestampMs, WorkspaceId};

use super::{
    ClientToken, CreateWorkspace, Key, Refusal, Response, State, TOKEN_LIFE_MS, TokenRecord, WorkspaceRecord,
    apply::{Changes, Outcome},
};

/// The common part of a change that a client asked for.
pub(super) struct Asked {
    pub(super) workspace: WorkspaceId,
    pub(super) account: AccountId,
    pub(super) token: Option<ClientToken>,
    pub(super) at: TimestampMs,
}

/// A token in the scope of its account and operation.
struct Scoped {
    key: String,
    fingerprint: String,
    at: TimestampMs,
}

impl Scoped {
    fn new(
        operation: &str,
        account: &AccountId,
        token: Option<ClientToken>,
        at: TimestampMs,
    ) -> Option<Self> {
        let ClientToken { token, fingerprint } = token?;
        Some(Self { key: format!("{account} {operation} {token}"), fingerprint, at })
    }
}

/// The first answer, if the token was used before.
fn answered(state: &State, token: Option<&Scoped>) -> Result<Option<Response>, Refusal> {
    let Some(token) = token else { return Ok(None) };
    match state.tokens.get(&token.key) {
        Some(known) if token.at.0.saturating_sub(known.at.0) >= TOKEN_LIFE_MS => Ok(None),
        Some(known) if known.fingerprint == token.fingerprint => Ok(Some(known.answer.clone())),
        Some(_) => Err(Refusal::TokenReused),
        None => Ok(None),
    }
}

fn remember(state: &mut State, token: Option<Scoped>, answer: Response, changes: &mut Changes) {
    if let Some(Scoped { key, fingerprint, at }) = token {
        state.tokens.insert(key, TokenRecord { at, fingerprint, answer });
        changes.note(Key::Internal);
    }
}

pub(super) fn create(
    state: &mut State,
    create: CreateWorkspace,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let CreateWorkspace { id, record, quota, token } = create;
    if state.setup.is_none() {
        return Err(Refusal::NotSetUp);
    }
    let token = Scoped::new("CreateWorkspace", &record.account, token, record.created_at);
    if let Some(answer) = answered(state, token.as_ref())? {
        return Ok(Outcome::Answer(answer));
    }
    if let Some(existing) = state.workspaces.get(&id) {
        return if existing.account == record.account && existing.created_at == record.created_at {
            Ok(Outcome::Answer(Response::Workspace { id, record: Box::new(record) }))
        } else {
            Err(Refusal::WorkspaceBusy)
        };
    }
    let counts =
        |held: &&WorkspaceRecord| held.account == record.account && held.status != WorkspaceStatus::Deleting;
    if state.workspaces.values().filter(counts).count() >= quota as usize {
        return Err(Refusal::Quota { limit: quota });
    }
    let answer = Response::Workspace { id, record: Box::new(record.clone()) };
    state.workspaces.insert(id, record);
    changes.note(Key::Workspace(id));
    remember(state, token, answer.clone(), changes);
    Ok(Outcome::Answer(answer))
}

/// The workspace, if it is this account's and not on its way out.
fn usable<'a>(state: &'a mut State, asked: &Asked) -> Result<&'a mut WorkspaceRecord, Refusal> {
    let record = state.workspaces.get_mut(&asked.workspace).filter(|record| record.account == asked.account);
    let record = record.ok_or(Refusal::UnknownWorkspace)?;
    if record.status == WorkspaceStatus::Deleting { Err(Refusal::WorkspaceBusy) } else { Ok(record) }
}

pub(super) fn update_alias(
    state: &mut State,
    mut asked: Asked,
    alias: Option<String>,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let token = Scoped::new("UpdateWorkspaceAlias", &asked.account, asked.token.take(), asked.at);
    if let Some(answer) = answered(state, token.as_ref())? {
        return Ok(Outcome::Answer(answer));
    }
    let record = usable(state, &asked)?;
    if record.alias != alias {
        record.alias = alias;
        changes.note(Key::Workspace(asked.workspace));
    }
    remember(state, token, Response::Done { revision: changes.revision }, changes);
    Ok(Outcome::Done)
}

pub(super) fn delete(state: &mut State, mut asked: Asked, changes: &mut Changes) -> Result<Outcome, Refusal> {
    let token = Scoped::new("DeleteWorkspace", &asked.account, asked.token.take(), asked.at);
    if let Some(answer) = answered(state, token.as_ref())? {
        return Ok(Outcome::Answer(answer));
    }
    let record = usable(state, &asked)?;
    record.status = WorkspaceStatus::Deleting;
    record.changed_at = asked.at;
    changes.note(Key::Workspace(asked.workspace));
    remember(state, token, Response::Done { revision: changes.revision }, changes);
    Ok(Outcome::Done)
}

pub(super) fn finish_create(
    state: &mut State,
    id: WorkspaceId,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let record = state.workspaces.get_mut(&id).ok_or(Refusal::UnknownWorkspace)?;
    if record.status == WorkspaceStatus::Creating {
        record.status = WorkspaceStatus::Active;
        changes.note(Key::Workspace(id));
    }
    Ok(Outcome::Done)
}

pub(super) fn finish_delete(
    state: &mut State,
    id: WorkspaceId,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let record = state.workspaces.get(&id).ok_or(Refusal::UnknownWorkspace)?;
    if record.status == WorkspaceStatus::Deleting {
        state.workspaces.remove(&id);
        changes.note(Key::Workspace(id));
    }
    Ok(Outcome::Done)
}

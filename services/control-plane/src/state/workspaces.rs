//! Life of a workspace.

use narthex_cluster::WorkspaceStatus;
use narthex_model::{AccountId, TimestampMs, WorkspaceId};

use super::{
    ClientToken, CreateWorkspace, Key, Refusal, Response, State, WorkspaceRecord,
    apply::{Changes, Outcome},
    resources,
    tokens::{Scoped, once},
};

/// The common part of a change that a client asked for.
pub(super) struct Asked {
    pub(super) workspace: WorkspaceId,
    pub(super) account: AccountId,
    pub(super) token: Option<ClientToken>,
    pub(super) at: TimestampMs,
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
    once(state, token, changes, |state, changes| {
        if let Some(existing) = state.workspaces.get(&id) {
            return if existing.account == record.account && existing.created_at == record.created_at {
                Ok(Outcome::Answer(Response::Workspace { id, record: Box::new(record) }))
            } else {
                Err(Refusal::WorkspaceBusy)
            };
        }
        let counts = |held: &&WorkspaceRecord| {
            held.account == record.account && held.status != WorkspaceStatus::Deleting
        };
        if state.workspaces.values().filter(counts).count() >= quota as usize {
            return Err(Refusal::Quota { limit: quota });
        }
        state.workspaces.insert(id, record.clone());
        changes.note(Key::Workspace(id));
        Ok(Outcome::Answer(Response::Workspace { id, record: Box::new(record) }))
    })
}

/// The workspace, if it is this account's and not on its way out.
pub(super) fn usable<'a>(
    state: &'a mut State,
    workspace: WorkspaceId,
    account: &AccountId,
) -> Result<&'a mut WorkspaceRecord, Refusal> {
    let record = state.workspaces.get_mut(&workspace).filter(|record| record.account == *account);
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
    once(state, token, changes, |state, changes| {
        let record = usable(state, asked.workspace, &asked.account)?;
        if record.alias != alias {
            record.alias = alias;
            changes.note(Key::Workspace(asked.workspace));
        }
        Ok(Outcome::Done)
    })
}

pub(super) fn delete(state: &mut State, mut asked: Asked, changes: &mut Changes) -> Result<Outcome, Refusal> {
    let token = Scoped::new("DeleteWorkspace", &asked.account, asked.token.take(), asked.at);
    once(state, token, changes, |state, changes| {
        let record = usable(state, asked.workspace, &asked.account)?;
        record.status = WorkspaceStatus::Deleting;
        record.changed_at = asked.at;
        changes.note(Key::Workspace(asked.workspace));
        Ok(Outcome::Done)
    })
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
        resources::remove_all_of(state, id, changes);
    }
    Ok(Outcome::Done)
}

//! The one function that changes the state, and the list of what it changed for watchers.

use narthex_model::{InstanceId, RingRevision, WorkspaceId};

use crate::identity::add_session_key;

use super::{
    Command, Refusal, ResourceId, Response, State, StateVersion, identities, members, partitions, resources,
    restore, tokens, workspaces,
};

/// A part of the state that watchers hear of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Any partition.
    Ring,
    /// One instance.
    Instance(InstanceId),
    /// One workspace.
    Workspace(WorkspaceId),
    /// One access key.
    Credential(String),
    /// One user, role or root, by its ARN.
    Principal(String),
    /// The keys of session tokens.
    SessionKeys,
    /// One resource.
    Resource(ResourceId),
    /// Something that no watcher sees, such as a token.
    Internal,
    /// The state is another one: whatever a watcher knows is not worth anything.
    Everything,
}

/// The outcome of one command.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// What to tell the proposer.
    pub response: Response,
    /// What changed; empty if nothing did, and then the revision is as before.
    pub changed: Vec<Key>,
}

/// Collects changes; knows the revision they will have.
pub(super) struct Changes {
    pub(super) revision: u64,
    keys: Vec<Key>,
}

impl Changes {
    pub(super) fn note(&mut self, key: Key) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    /// Revision of the ring if this command changes it.
    pub(super) fn ring_revision(&self) -> RingRevision {
        RingRevision(self.revision)
    }
}

/// Applies one command. The same commands in the same order give the same state everywhere (C-1).
pub fn apply(state: &mut State, command: Command) -> Applied {
    let mut changes = Changes { revision: state.revision + 1, keys: Vec::new() };
    let outcome = dispatch(state, command, &mut changes);
    debug_assert!(outcome.is_ok() || changes.keys.is_empty(), "a refused command changes nothing");
    if !changes.keys.is_empty() {
        state.revision = changes.revision;
        if changes.keys.contains(&Key::Ring) {
            state.ring_revision = changes.ring_revision();
        }
    }
    let response = match outcome {
        Ok(Outcome::Done) => Response::Done { revision: state.revision },
        Ok(Outcome::Registered(before_first_activation)) => {
            Response::Registered { revision: state.revision, before_first_activation }
        }
        Ok(Outcome::Answer(response)) => response,
        Err(refusal) => Response::Refused(refusal),
    };
    Applied { response, changed: changes.keys }
}

/// What a handler reports; the revision is filled in once it is known.
pub(super) enum Outcome {
    Done,
    Registered(bool),
    Answer(Response),
}

fn dispatch(state: &mut State, command: Command, changes: &mut Changes) -> Result<Outcome, Refusal> {
    match command {
        Command::Setup { setup, credentials, workspaces, identities } => {
            if state.setup.is_none() {
                state.setup = Some(setup);
                state.credentials = credentials;
                state.identities = identities;
                state.identities.adopt(&state.credentials);
                state.credentials.keys().for_each(|id| changes.note(Key::Credential(id.clone())));
                state.identities.principals().for_each(|(arn, _)| changes.note(Key::Principal(arn)));
                workspaces.keys().for_each(|id| changes.note(Key::Workspace(*id)));
                state.workspaces = workspaces;
                state.ring_revision = changes.ring_revision();
                changes.note(Key::Ring);
            }
            Ok(Outcome::Done)
        }
        Command::Upgrade { version } => {
            if StateVersion(version) > state.version {
                state.version = StateVersion(version);
                changes.note(Key::Internal);
            }
            Ok(Outcome::Done)
        }
        Command::Joined { node } => {
            if state.joined.insert(node) {
                changes.note(Key::Internal);
            }
            Ok(Outcome::Done)
        }
        Command::RestorePart { backup, part, parts, data } => {
            restore::part(state, restore::Part { backup, part, parts, data }, changes)
        }
        Command::Register { instance, registration } => {
            members::register(state, instance, registration, changes)
        }
        Command::Leave { instance, at } => members::leave(state, instance, at, changes),
        Command::Forget { instance, leaving_since } => {
            members::forget(state, &instance, leaving_since, changes)
        }
        Command::ActivatePartition { partition, since } => {
            partitions::activate(state, partition, since, changes)
        }
        Command::DrainPartition { partition } => partitions::drain(state, partition, changes),
        Command::ReturnPartition { partition } => partitions::bring_back(state, partition, changes),
        Command::RequestRemoval { partition } => partitions::request_removal(state, partition, changes),
        Command::RemovePartition { partition, since } => partitions::remove(state, partition, since, changes),
        Command::CreateWorkspace(create) => workspaces::create(state, create, changes),
        Command::FinishCreate { workspace } => workspaces::finish_create(state, workspace, changes),
        Command::UpdateAlias { workspace, account, alias, token, at } => {
            let asked = workspaces::Asked { workspace, account, token, at };
            workspaces::update_alias(state, asked, alias, changes)
        }
        Command::DeleteWorkspace { workspace, account, token, at } => {
            workspaces::delete(state, workspaces::Asked { workspace, account, token, at }, changes)
        }
        Command::FinishDelete { workspace } => workspaces::finish_delete(state, workspace, changes),
        Command::ExpireTokens { before } => {
            tokens::expire(state, before, changes);
            Ok(Outcome::Done)
        }
        Command::Identity { changes: wanted } => identities::change(state, wanted, changes),
        Command::AddSessionKey { key } => {
            if add_session_key(&mut state.session_keys, key) {
                changes.note(Key::SessionKeys);
            }
            Ok(Outcome::Done)
        }
        Command::Change(change) => resources::change(state, *change, changes),
        Command::Finish { steps } => {
            resources::finish(state, steps, changes);
            Ok(Outcome::Done)
        }
    }
}

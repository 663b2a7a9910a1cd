//! What is due: the decisions that the leader makes on its own, as a pure function.
//!
//! This is where rule 7 is kept. A PENDING partition becomes ACTIVE only when every registered distributor, querier and
//! ruler that is not LEAVING has acknowledged the revision that made it PENDING; a missing heartbeat never counts as an
//! acknowledgement, however old it is. Heartbeats of a leader that has just been elected are empty, so it waits; waiting
//! is always safe.

use std::collections::BTreeMap;

use narthex_cluster::{Role, WorkspaceStatus};
use narthex_model::{InstanceId, PartitionId, RingRevision, TimestampMs};
use narthex_ring::PartitionState;

use crate::state::{Command, Finish, PartitionRecord, State, Status, TOKEN_LIFE_MS, is_reader};

/// How long a workspace stays CREATING, so that a poller can see it, and DELETING, so that services stop using it first.
const CREATE_MS: i64 = 200;
const DELETE_MS: i64 = 2_000;

/// The same for resources: how long one stays CREATING or UPDATING, and DELETING.
const CHANGE_MS: i64 = 200;
const REMOVE_MS: i64 = 1_000;

/// How long an instance without a disk is listed as LEAVING.
const LEAVING_MS: i64 = 60_000;

/// Tokens are dropped in batches, this long after they have expired.
const TOKEN_SLACK_MS: i64 = 60 * 60 * 1000;

/// What an instance last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Heartbeat {
    /// Newest ring that it acts on.
    pub acknowledged: RingRevision,
    /// An ingester serves reads: it is neither replaying nor RECOVERING.
    pub ready: bool,
    /// An ingester holds no cut that is not committed (rule 11).
    pub no_uncommitted_cuts: bool,
}

/// The newest heartbeat of each instance, as far as this leader has heard.
pub type Heartbeats = BTreeMap<InstanceId, Heartbeat>;

/// Commands that are due now. Proposing one twice is harmless.
pub fn reconcile(state: &State, heartbeats: &Heartbeats, now: TimestampMs) -> Vec<Command> {
    let mut due = Vec::new();
    for (&partition, record) in &state.partitions {
        due.extend(partition_step(state, heartbeats, partition, record));
    }
    for (&workspace, record) in &state.workspaces {
        match record.status {
            WorkspaceStatus::Creating if aged(record.changed_at, now, CREATE_MS) => {
                due.push(Command::FinishCreate { workspace });
            }
            WorkspaceStatus::Deleting if aged(record.changed_at, now, DELETE_MS) => {
                due.push(Command::FinishDelete { workspace });
            }
            _ => {}
        }
    }
    let steps: Vec<_> = transitions_due(state, now).collect();
    if !steps.is_empty() {
        due.push(Command::Finish { steps });
    }
    for (instance, record) in &state.instances {
        let stateless = record.registration.role != Role::Ingester;
        if let Some(since) = record.leaving_since
            && stateless
            && aged(since, now, LEAVING_MS)
        {
            due.push(Command::Forget { instance: instance.clone(), leaving_since: Some(since) });
        }
    }
    if state.tokens.values().any(|token| aged(token.at, now, TOKEN_LIFE_MS + TOKEN_SLACK_MS)) {
        due.push(Command::ExpireTokens { before: TimestampMs(now.0.saturating_sub(TOKEN_LIFE_MS)) });
    }
    due
}

/// Transitions of resources, so that waiters end (API-C-24).
fn transitions_due(state: &State, now: TimestampMs) -> impl Iterator<Item = Finish> {
    state.transitions.iter().filter_map(move |id| {
        let record = state.resources.get(id)?;
        let age = if record.status == Status::Deleting { REMOVE_MS } else { CHANGE_MS };
        let due = aged(record.changed_at, now, age);
        due.then(|| Finish { id: id.clone(), revision: record.revision, failure: None })
    })
}

fn aged(at: TimestampMs, now: TimestampMs, age_ms: i64) -> bool {
    now.0.saturating_sub(at.0) >= age_ms
}

fn partition_step(
    state: &State,
    heartbeats: &Heartbeats,
    partition: PartitionId,
    record: &PartitionRecord,
) -> Option<Command> {
    let since = record.since;
    let due = match record.state {
        PartitionState::Pending => {
            record.owners.values().all(|owner| state.instances.contains_key(&owner.instance))
        }
        PartitionState::Active => false,
        PartitionState::Inactive => record.removal && is_empty(state, heartbeats, record),
    };
    if !due || waiting_for(state, heartbeats, since).next().is_some() {
        return None;
    }
    Some(match record.state {
        PartitionState::Pending => Command::ActivatePartition { partition, since },
        _ => Command::RemovePartition { partition, since },
    })
}

/// Readers that have not acknowledged a revision and are not leaving: whom a transition waits for.
pub fn waiting_for<'a>(
    state: &'a State,
    heartbeats: &'a Heartbeats,
    revision: RingRevision,
) -> impl Iterator<Item = &'a InstanceId> {
    let waited = state.instances.iter().filter(move |(instance, record)| {
        is_reader(record.registration.role)
            && record.leaving_since.is_none()
            && heartbeats.get(*instance).is_none_or(|heartbeat| heartbeat.acknowledged < revision)
    });
    waited.map(|(instance, _)| instance)
}

/// Rule 11: a quorum of owners, complete and aware that the partition is INACTIVE, holds no uncommitted cut of it. A
/// partition that was never ACTIVE took no writes.
fn is_empty(state: &State, heartbeats: &Heartbeats, record: &PartitionRecord) -> bool {
    if record.epoch.0 == 0 {
        return true;
    }
    let Some(setup) = &state.setup else { return false };
    let empty = record.owners.values().filter(|owner| {
        heartbeats.get(&owner.instance).is_some_and(|heartbeat| {
            heartbeat.ready && heartbeat.no_uncommitted_cuts && heartbeat.acknowledged >= record.since
        })
    });
    empty.count() >= setup.replication.quorum()
}

#[cfg(test)]
mod tests;

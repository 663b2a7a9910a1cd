//! Watch events applied to snapshots: a pure function, so that what a service believes is what the control plane said.

use std::sync::Arc;

use narthex_model::{AccountId, Epoch, IdError, Incarnation, PartitionId, RingRevision, WorkspaceId};
use narthex_ring::{Owner, Partition, PartitionState, Replication, ReplicationError, Ring};
use narthex_rpc::v1::{
    self, CredentialState, InstanceState, PartitionInfo, RingState, WatchEvent, WorkspaceState,
};

use crate::{Credential, Instance, Role, SessionKey, Snapshot, Workspace, WorkspaceStatus, identity};

/// An event that cannot be understood: the control plane is of another version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An identifier is malformed.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The replication factor is.
    #[error(transparent)]
    Replication(#[from] ReplicationError),
    /// A principal's ARN is malformed.
    #[error(transparent)]
    Principal(#[from] narthex_policy::NotAPrincipal),
    /// A word is not known.
    #[error("the control plane says {0}, which this version does not know")]
    Unknown(String),
}

/// The snapshot after an event.
pub fn apply_event(before: &Snapshot, event: WatchEvent) -> Result<Snapshot, EventError> {
    let mut after = if event.reset { Snapshot::empty(before.ring.replication()) } else { before.clone() };
    after.revision = event.revision;
    if let Some(state) = event.ring {
        after.ring = Arc::new(ring(state)?);
    }
    for state in event.instances {
        let instance = instance(state)?;
        after.instances.insert(instance.id.clone(), instance);
    }
    for id in event.removed_instances {
        after.instances.remove(&id.into());
    }
    for state in event.workspaces {
        let workspace = workspace(state)?;
        after.workspaces.insert(workspace.id, Arc::new(workspace));
    }
    for id in event.removed_workspaces {
        after.workspaces.remove(&WorkspaceId::from_slice(&id)?);
    }
    for state in event.credentials {
        let credential = credential(state)?;
        after.credentials.insert(credential.access_key_id.clone(), Arc::new(credential));
    }
    for id in event.removed_credentials {
        after.credentials.remove(&id);
    }
    for state in event.principals {
        let (arn, identity) = identity::identity(state)?;
        after.principals.insert(arn, identity);
    }
    for arn in event.removed_principals {
        after.principals.remove(&arn);
    }
    if !event.session_keys.is_empty() {
        after.session_keys = event.session_keys.into_iter().map(session_key).collect::<Result<_, _>>()?;
    }
    Ok(after)
}

fn ring(state: RingState) -> Result<Ring, EventError> {
    let replication = Replication::from_copies(usize::try_from(state.replication).unwrap_or(usize::MAX))?;
    let partitions = state.partitions.into_iter().map(partition).collect::<Result<_, _>>()?;
    Ok(Ring::new(RingRevision(state.revision), replication, partitions))
}

fn partition(info: PartitionInfo) -> Result<Partition, EventError> {
    let state = match info.state() {
        v1::partition_info::State::Pending => PartitionState::Pending,
        v1::partition_info::State::Active => PartitionState::Active,
        v1::partition_info::State::Inactive => PartitionState::Inactive,
        v1::partition_info::State::Unspecified => {
            return Err(EventError::Unknown(format!("partition state {}", info.state)));
        }
    };
    let owner = |owner: v1::PartitionOwner| Owner {
        instance: owner.instance.into(),
        zone: owner.zone.into(),
        address: owner.address,
    };
    let mut owners: Vec<_> = info.owners.into_iter().map(owner).collect();
    owners.sort_by(|a, b| a.zone.cmp(&b.zone));
    Ok(Partition { id: PartitionId(info.id), state, epoch: Epoch(info.epoch), owners })
}

fn instance(state: InstanceState) -> Result<Instance, EventError> {
    let role =
        role_from_proto(state.role()).ok_or_else(|| EventError::Unknown(format!("role {}", state.role)))?;
    let incarnation: Option<[u8; 16]> = state.incarnation[..].try_into().ok();
    Ok(Instance {
        id: state.instance.into(),
        role,
        zone: state.zone.into(),
        address: state.address,
        ordinal: state.ordinal,
        incarnation: incarnation.map(|bytes| Incarnation(u128::from_be_bytes(bytes))),
        leaving: state.leaving,
    })
}

fn workspace(state: WorkspaceState) -> Result<Workspace, EventError> {
    let status = match state.status.as_str() {
        "CREATING" => WorkspaceStatus::Creating,
        "ACTIVE" => WorkspaceStatus::Active,
        "UPDATING" => WorkspaceStatus::Updating,
        "DELETING" => WorkspaceStatus::Deleting,
        other => return Err(EventError::Unknown(format!("workspace status {other}"))),
    };
    Ok(Workspace {
        id: WorkspaceId::from_slice(&state.workspace)?,
        account: state.account.parse::<AccountId>()?,
        status,
        out_of_order_window_ms: state.out_of_order_window_ms,
        max_active_series: Some(state.max_active_series).filter(|limit| *limit > 0),
        policy: identity::workspace_policy(&state.policy),
        tags: identity::tags(state.tags),
    })
}

fn session_key(key: v1::SessionKey) -> Result<SessionKey, EventError> {
    let secret = key.secret[..].try_into();
    let secret = secret.map_err(|_| EventError::Unknown("a session key that is not of 32 bytes".into()))?;
    Ok(SessionKey { id: key.id, secret })
}

fn credential(state: CredentialState) -> Result<Credential, EventError> {
    Ok(Credential {
        access_key_id: state.access_key_id,
        secret_access_key: state.secret_access_key,
        account: state.account.parse()?,
        principal: state.principal,
    })
}

/// The role's number in messages.
pub(crate) const fn role_to_proto(role: Role) -> v1::Role {
    match role {
        Role::Distributor => v1::Role::Distributor,
        Role::Ingester => v1::Role::Ingester,
        Role::Querier => v1::Role::Querier,
        Role::StoreGateway => v1::Role::StoreGateway,
        Role::Compactor => v1::Role::Compactor,
        Role::Ruler => v1::Role::Ruler,
        Role::Alertmanager => v1::Role::Alertmanager,
        Role::Scraper => v1::Role::Scraper,
    }
}

const fn role_from_proto(role: v1::Role) -> Option<Role> {
    Some(match role {
        v1::Role::Unspecified => return None,
        v1::Role::Distributor => Role::Distributor,
        v1::Role::Ingester => Role::Ingester,
        v1::Role::Querier => Role::Querier,
        v1::Role::StoreGateway => Role::StoreGateway,
        v1::Role::Compactor => Role::Compactor,
        v1::Role::Ruler => Role::Ruler,
        v1::Role::Alertmanager => Role::Alertmanager,
        v1::Role::Scraper => Role::Scraper,
    })
}

#[cfg(test)]
mod tests;

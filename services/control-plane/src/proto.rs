//! State as gRPC messages, and requests as commands.

mod resources;

use bytes::Bytes;
use narthex_cluster::{Role, WorkspaceStatus};
use narthex_model::{Incarnation, InstanceId, WorkspaceId};
use narthex_ring::PartitionState;
use narthex_rpc::v1::{
    self, CredentialState, InstanceState, PartitionInfo, PartitionOwner, PrincipalState, RegisterRequest,
    RingState, WorkspaceState,
};
use tonic::Status;

use crate::{
    identity::{ResolvedPrincipal, SessionKeyRecord},
    state::{Body, CredentialRecord, InstanceRecord, PartitionRecord, Registration, State, WorkspaceRecord},
};

pub(crate) use resources::{body, resource_id, resource_key, resource_state};

/// The ring with all owners.
pub(crate) fn ring_state(state: &State) -> RingState {
    let copies = state.setup.as_ref().map_or(0, |setup| setup.replication.copies());
    RingState {
        revision: state.ring_revision.0,
        replication: u32::try_from(copies).unwrap_or_default(),
        partitions: state.partitions.iter().map(|(id, record)| partition(id.0, record)).collect(),
    }
}

fn partition(id: u32, record: &PartitionRecord) -> PartitionInfo {
    let state = match record.state {
        PartitionState::Pending => v1::partition_info::State::Pending,
        PartitionState::Active => v1::partition_info::State::Active,
        PartitionState::Inactive => v1::partition_info::State::Inactive,
    };
    let owner = |(zone, owner): (&narthex_model::Zone, &crate::state::OwnerRecord)| PartitionOwner {
        instance: owner.instance.to_string(),
        zone: zone.to_string(),
        address: owner.address.clone(),
    };
    PartitionInfo {
        id,
        state: state.into(),
        epoch: record.epoch.0,
        owners: record.owners.iter().map(owner).collect(),
    }
}

/// One instance.
pub(crate) fn instance_state(id: &InstanceId, record: &InstanceRecord) -> InstanceState {
    let registration = &record.registration;
    InstanceState {
        instance: id.to_string(),
        role: role_to_proto(registration.role).into(),
        zone: registration.zone.to_string(),
        address: registration.address.clone(),
        ordinal: registration.ordinal,
        incarnation: registration
            .incarnation
            .map(|incarnation| Bytes::copy_from_slice(&incarnation.0.to_be_bytes()))
            .unwrap_or_default(),
        leaving: record.leaving_since.is_some(),
    }
}

/// One workspace, with the policy on it.
pub(crate) fn workspace_state(state: &State, id: WorkspaceId, record: &WorkspaceRecord) -> WorkspaceState {
    // What is no text is told as such, and denies everything where it is read.
    let text = |document: &Body| document.file().ok().and_then(|file| String::from_utf8(file).ok());
    let policy =
        state.resource_policy(id).map(|document| text(document).unwrap_or_else(|| "unreadable".into()));
    WorkspaceState {
        workspace: Bytes::copy_from_slice(&id.to_bytes()),
        account: record.account.to_string(),
        status: status_code(record.status).to_owned(),
        out_of_order_window_ms: record.out_of_order_window_ms,
        max_active_series: record.max_active_series.unwrap_or(0),
        tags: record.tags.clone().into_iter().collect(),
        policy: policy.unwrap_or_default(),
    }
}

/// The word of the AMP API.
pub(crate) const fn status_code(status: WorkspaceStatus) -> &'static str {
    match status {
        WorkspaceStatus::Creating => "CREATING",
        WorkspaceStatus::Active => "ACTIVE",
        WorkspaceStatus::Updating => "UPDATING",
        WorkspaceStatus::Deleting => "DELETING",
    }
}

/// One access key, if it works.
pub(crate) fn credential_state(id: &str, record: &CredentialRecord) -> Option<CredentialState> {
    record.active.then(|| CredentialState {
        access_key_id: id.to_owned(),
        secret_access_key: record.secret_access_key.clone(),
        account: record.account.to_string(),
        principal: record.principal.clone(),
    })
}

/// One principal with its policies.
pub(crate) fn principal_state(arn: String, principal: ResolvedPrincipal<'_>) -> PrincipalState {
    let tags = principal.tags.into_iter().flatten();
    PrincipalState {
        arn,
        id: principal.id.to_owned(),
        tags: tags.map(|(key, value)| (key.clone(), value.clone())).collect(),
        policies: principal.policies.into_iter().map(str::to_owned).collect(),
        boundary: principal.boundary.unwrap_or_default().to_owned(),
        sessions_revoked_before_ms: principal.sessions_revoked_before.0,
    }
}

/// One key of session tokens.
pub(crate) fn session_key(record: &SessionKeyRecord) -> Option<v1::SessionKey> {
    Some(v1::SessionKey { id: record.id, secret: hex::decode(&record.secret).ok()?.into() })
}

const fn role_to_proto(role: Role) -> v1::Role {
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

fn role_from_proto(role: v1::Role) -> Option<Role> {
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

/// What a registration request says.
pub(crate) fn registration(request: RegisterRequest) -> Result<(InstanceId, Registration), Status> {
    let role =
        role_from_proto(request.role()).ok_or_else(|| Status::invalid_argument("the role is not set"))?;
    let incarnation = match request.incarnation.len() {
        0 => None,
        _ => {
            let bytes: [u8; 16] = request.incarnation[..]
                .try_into()
                .map_err(|_| Status::invalid_argument("an incarnation has 16 bytes"))?;
            Some(Incarnation(u128::from_be_bytes(bytes)))
        }
    };
    let RegisterRequest { instance, zone, address, ordinal, .. } = request;
    let registration = Registration { role, zone: zone.into(), address, ordinal, incarnation };
    Ok((instance.into(), registration))
}

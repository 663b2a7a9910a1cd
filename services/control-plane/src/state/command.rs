//! What can be asked of the state machine, and what it answers.
//!
//! Commands are idempotent, because a proposer that lost its answer proposes again: ids and times are chosen by the
//! proposer once, and transitions name the state they start from.

use std::collections::{BTreeMap, BTreeSet};

use narthex_cluster::Role;
use narthex_model::{
    AccountId, Incarnation, InstanceId, PartitionId, RingRevision, TimestampMs, WorkspaceId, Zone,
};
use serde::{Deserialize, Serialize};

use super::{Change, Changed, CredentialRecord, Finish, Packed, Setup, WorkspaceRecord, names};
use crate::{
    identity::{Identities, IdentityChange, SessionKeyRecord},
    quota::Quota,
    raft::NodeId,
};

/// One change of the state. Stored in the log: never rename or reorder fields of a released variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// First start: replication, zones, first credentials. Later ones change nothing.
    Setup {
        /// Decisions that stay.
        setup: Setup,
        /// Access keys by their id.
        credentials: BTreeMap<String, CredentialRecord>,
        /// Workspaces to begin with.
        workspaces: BTreeMap<WorkspaceId, WorkspaceRecord>,
        /// Who there is to begin with. A key of a user that is not among them brings an administrator of that name.
        #[serde(default)]
        identities: Identities,
    },
    /// The state may hold from now on what came with this version; every member knows it.
    Upgrade {
        /// Which.
        version: u32,
    },
    /// A control-plane node holds entries of the log from now on.
    Joined {
        /// Its number.
        node: NodeId,
    },
    /// The next part of a backup that the first start restores. With the last one the state is the backup's.
    RestorePart {
        /// Name of the backup.
        backup: String,
        /// Number of the part, from 0.
        part: u32,
        /// How many there are.
        parts: u32,
        /// The bytes.
        data: Packed,
    },
    /// An instance joins or comes back.
    Register {
        /// Who.
        instance: InstanceId,
        /// What it says of itself.
        registration: Registration,
    },
    /// An instance takes no part any more.
    Leave {
        /// Who.
        instance: InstanceId,
        /// When.
        at: TimestampMs,
    },
    /// An instance will not come back; nothing waits for it.
    Forget {
        /// Who.
        instance: InstanceId,
        /// Only if it has been LEAVING since then.
        leaving_since: Option<TimestampMs>,
    },
    /// PENDING since that revision becomes ACTIVE; every reader knows of it (rule 7).
    ActivatePartition {
        /// Which.
        partition: PartitionId,
        /// Revision that made it PENDING.
        since: RingRevision,
    },
    /// ACTIVE or PENDING becomes INACTIVE.
    DrainPartition {
        /// Which.
        partition: PartitionId,
    },
    /// INACTIVE, or gone with all its ingesters registered, becomes PENDING.
    ReturnPartition {
        /// Which.
        partition: PartitionId,
    },
    /// An INACTIVE partition shall be removed once rule 11 allows.
    RequestRemoval {
        /// Which.
        partition: PartitionId,
    },
    /// INACTIVE since that revision is gone (rules 7 and 11).
    RemovePartition {
        /// Which.
        partition: PartitionId,
        /// Revision that made it INACTIVE.
        since: RingRevision,
    },
    /// A workspace begins to exist.
    CreateWorkspace(CreateWorkspace),
    /// CREATING becomes ACTIVE.
    FinishCreate {
        /// Which.
        workspace: WorkspaceId,
    },
    /// The alias changes, or goes.
    UpdateAlias {
        /// Which.
        workspace: WorkspaceId,
        /// Who asks.
        account: AccountId,
        /// The new one.
        alias: Option<String>,
        /// Makes a repetition harmless.
        token: Option<ClientToken>,
        /// When.
        at: TimestampMs,
    },
    /// The workspace becomes DELETING.
    DeleteWorkspace {
        /// Which.
        workspace: WorkspaceId,
        /// Who asks.
        account: AccountId,
        /// Makes a repetition harmless.
        token: Option<ClientToken>,
        /// When.
        at: TimestampMs,
    },
    /// DELETING becomes gone.
    FinishDelete {
        /// Which.
        workspace: WorkspaceId,
    },
    /// Tokens given before that time are forgotten.
    ExpireTokens {
        /// Exclusive.
        before: TimestampMs,
    },
    /// Identities or keys change: all of it or nothing.
    Identity {
        /// In order.
        changes: Vec<IdentityChange>,
    },
    /// Another key for session tokens, if one is due.
    AddSessionKey {
        /// The key; its number follows the newest.
        key: SessionKeyRecord,
    },
    /// A user changes something through the API.
    Change(Box<Change>),
    /// Transitions of resources are complete.
    Finish {
        /// Each decided on a revision of its record.
        steps: Vec<Finish>,
    },
}

impl Command {
    /// Version of the state that brought it: builds of an earlier one cannot read it.
    pub const fn since(&self) -> u32 {
        match self {
            Self::Upgrade { version } => *version,
            Self::RestorePart { .. } | Self::Joined { .. } => 3,
            _ => 2,
        }
    }

    /// The word in metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Setup { .. } => "setup",
            Self::RestorePart { .. } => "restore_part",
            Self::Upgrade { .. } => "upgrade",
            Self::Joined { .. } => "joined",
            Self::Register { .. } => "register",
            Self::Leave { .. } => "leave",
            Self::Forget { .. } => "forget",
            Self::ActivatePartition { .. } => "activate_partition",
            Self::DrainPartition { .. } => "drain_partition",
            Self::ReturnPartition { .. } => "return_partition",
            Self::RequestRemoval { .. } => "request_removal",
            Self::RemovePartition { .. } => "remove_partition",
            Self::CreateWorkspace(_) => "create_workspace",
            Self::FinishCreate { .. } => "finish_create",
            Self::UpdateAlias { .. } => "update_alias",
            Self::DeleteWorkspace { .. } => "delete_workspace",
            Self::FinishDelete { .. } => "finish_delete",
            Self::ExpireTokens { .. } => "expire_tokens",
            Self::Identity { .. } => "identity",
            Self::AddSessionKey { .. } => "add_session_key",
            Self::Change(change) => change.what.name(),
            Self::Finish { .. } => "finish",
        }
    }
}

/// What an instance says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// What it does.
    #[serde(with = "names::RoleName")]
    pub role: Role,
    /// Where it runs.
    pub zone: Zone,
    /// Its gRPC address, `host:port`.
    pub address: String,
    /// Place among those of its role in its zone; an ingester owns the partition of this number.
    pub ordinal: u32,
    /// Identity of its disk, if it has one.
    pub incarnation: Option<Incarnation>,
}

/// Everything that a new workspace is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateWorkspace {
    /// Chosen by the proposer.
    pub id: WorkspaceId,
    /// Record with status CREATING.
    pub record: WorkspaceRecord,
    /// Workspaces that the account may have.
    pub quota: u32,
    /// Makes a repetition harmless.
    pub token: Option<ClientToken>,
}

/// An idempotency token and a digest of the parameters it came with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientToken {
    /// As the client chose it.
    pub token: String,
    /// Digest of everything else in the request.
    pub fingerprint: String,
}

/// What applying a command answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The entry held no command.
    Nothing,
    /// Done, or there was nothing to do.
    Done {
        /// Revision at which the effect is visible.
        revision: u64,
    },
    /// An instance is registered.
    Registered {
        /// Revision at which it is.
        revision: u64,
        /// See [`super::InstanceRecord::before_first_activation`].
        before_first_activation: bool,
    },
    /// The workspace as the command left it.
    Workspace {
        /// Its id.
        id: WorkspaceId,
        /// Its record.
        record: Box<WorkspaceRecord>,
    },
    /// A resource as the command left it.
    Changed(Changed),
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why a command changed nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Nothing works before the first start is complete.
    #[error("the control plane is not set up yet")]
    NotSetUp,
    /// An ingester from a zone that holds no replica.
    #[error("zone {zone} holds no replica; the zones of this deployment are {zones:?}")]
    UnknownZone {
        /// Where it is.
        zone: Zone,
        /// Where it could be.
        zones: BTreeSet<Zone>,
    },
    /// Not the shape of a registration.
    #[error("the registration is refused: {0}")]
    BadRegistration(String),
    /// Another ingester has this place.
    #[error("{holder} already owns this partition in this zone; forget it first if it is gone for good")]
    SlotTaken {
        /// Which.
        holder: InstanceId,
    },
    /// An ingester came back with another zone or ordinal.
    #[error("the name is registered for another zone, ordinal or role; forget that instance first")]
    IdentityChanged,
    /// No such instance.
    #[error("no such instance")]
    UnknownInstance,
    /// No such partition.
    #[error("no such partition, or not all of its ingesters are registered")]
    UnknownPartition,
    /// The partition is not in a state that allows it.
    #[error("the partition is {found}, this needs {needed}")]
    WrongPartitionState {
        /// Its state.
        found: String,
        /// What would be right.
        needed: String,
    },
    /// No such workspace of this account.
    #[error("Workspace not found")]
    UnknownWorkspace,
    /// The workspace is being deleted.
    #[error("Workspace is not in a state that allows the operation")]
    WorkspaceBusy,
    /// The token was used with other parameters.
    #[error("The client token was already used with other parameters")]
    TokenReused,
    /// The account has all the workspaces it may have.
    #[error("Limit exceeded. Maximum workspaces per account.")]
    Quota {
        /// The limit.
        limit: u32,
    },
    /// Another quota is used up.
    #[error("Limit exceeded. Maximum {quota}: {limit}")]
    QuotaExceeded {
        /// Which.
        quota: Quota,
        /// How much there may be.
        limit: u64,
    },
    /// Identities would not make sense.
    #[error("{0}")]
    Identity(String),
    /// No such resource of this account.
    #[error("Resource not found")]
    UnknownResource,
    /// What it would belong to does not exist.
    #[error("Scraper not found")]
    UnknownParent,
    /// The workspace that a scraper would write to does not exist.
    #[error("The destination workspace does not exist")]
    UnknownDestination,
    /// It was created before.
    #[error("Resource already exists")]
    Exists,
    /// A change is under way.
    #[error("Resource is not in a state that allows the operation")]
    ResourceBusy,
    /// A conditional change found something else.
    #[error("The revision is not the current one")]
    StaleRevision,
    /// A resource would have too many tags.
    #[error("a resource has at most {limit} tags")]
    TooManyTags {
        /// The limit.
        limit: u32,
    },
    /// A scraper to another account's workspace.
    #[error("a workspace of another account needs a role configuration")]
    RolesForOtherAccount,
    /// A scraper to a workspace with a customer's key.
    #[error("a workspace with a customer managed key needs a role configuration")]
    RolesForCustomerKey,
    /// The content is not of the kind that the id names.
    #[error("the content is of another kind of resource")]
    WrongContent,
}

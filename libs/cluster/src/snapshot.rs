//! The immutable state that a service acts on.

use std::{collections::HashMap, fmt, sync::Arc};

use narthex_model::{AccountId, Incarnation, InstanceId, TimestampMs, WorkspaceId, Zone};
use narthex_policy::{Caller, Permissions, Policy, Tags};
use narthex_ring::{Replication, Ring};

/// Everything known at one revision of the control plane.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Revision that the snapshot is complete up to; 0 before the first answer.
    pub revision: u64,
    /// Partitions and their owners.
    pub ring: Arc<Ring>,
    /// Registered processes.
    pub instances: HashMap<InstanceId, Instance>,
    /// Workspaces that exist, those being deleted included.
    pub workspaces: HashMap<WorkspaceId, Arc<Workspace>>,
    /// Access keys by their id.
    pub credentials: HashMap<String, Arc<Credential>>,
    /// Users, roles and roots by their ARN.
    pub principals: HashMap<String, Identity>,
    /// Keys that seal and open session tokens; the last one seals.
    pub session_keys: Arc<[SessionKey]>,
}

impl Snapshot {
    /// What is known before anything was heard.
    pub fn empty(replication: Replication) -> Self {
        Self {
            revision: 0,
            ring: Arc::new(Ring::empty(replication)),
            instances: HashMap::new(),
            workspaces: HashMap::new(),
            credentials: HashMap::new(),
            principals: HashMap::new(),
            session_keys: Arc::default(),
        }
    }
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes remote write.
    Distributor,
    /// Keeps recent samples.
    Ingester,
    /// Answers queries.
    Querier,
    /// Serves blocks.
    StoreGateway,
    /// Merges blocks.
    Compactor,
    /// Evaluates rules.
    Ruler,
    /// Sends notifications.
    Alertmanager,
    /// Scrapes targets.
    Scraper,
}

/// A registered process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub id: InstanceId,
    /// What it does.
    pub role: Role,
    /// Where it runs.
    pub zone: Zone,
    /// Its gRPC address, `host:port`.
    pub address: String,
    /// Place in its zone; an ingester owns the partition of this number.
    pub ordinal: u32,
    /// Identity of its disk, if it has one.
    pub incarnation: Option<Incarnation>,
    /// It takes no part any more.
    pub leaving: bool,
}

/// State of a workspace as the AMP API names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkspaceStatus {
    /// Not usable yet.
    Creating,
    /// Usable.
    Active,
    /// Usable, being changed.
    Updating,
    /// On its way out: neither written nor read.
    Deleting,
}

/// A workspace, its limits, and who may use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Who owns it.
    pub account: AccountId,
    /// Its state.
    pub status: WorkspaceStatus,
    /// How much later than the newest sample of its series a sample may be, in milliseconds.
    pub out_of_order_window_ms: i64,
    /// Limit of active series; `None` means none.
    pub max_active_series: Option<u64>,
    /// Its tags, which policies may ask for.
    pub tags: Tags,
    /// The policy on it. One that cannot be read denies everything.
    pub policy: Option<Arc<Policy>>,
}

impl Workspace {
    /// A workspace in use, without limits, tags and policy.
    pub fn new(id: WorkspaceId, account: AccountId) -> Self {
        Self {
            id,
            account,
            status: WorkspaceStatus::Active,
            out_of_order_window_ms: 0,
            max_active_series: None,
            tags: Tags::default(),
            policy: None,
        }
    }
}

/// An access key. The secret never shows in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Public part.
    pub access_key_id: String,
    /// Secret part.
    pub secret_access_key: String,
    /// Account it belongs to.
    pub account: AccountId,
    /// ARN of the user that signs with it.
    pub principal: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("access_key_id", &self.access_key_id)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

/// A principal with what it may do.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A user or an account's root: it calls by itself.
    Caller(Arc<Caller>),
    /// A role: sessions of it call.
    Role(Arc<AssumableRole>),
}

/// What every session of a role begins with.
#[derive(Debug)]
pub struct AssumableRole {
    /// Its ARN.
    pub arn: String,
    /// Its id, `AROA...`.
    pub id: String,
    /// Its tags, beneath those of the session.
    pub tags: Tags,
    /// Its policies and boundary.
    pub permissions: Permissions,
    /// Sessions issued before this are refused.
    pub sessions_revoked_before: TimestampMs,
}

/// A key of session tokens. The secret never shows in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// Its number, which tokens carry.
    pub id: u32,
    /// The key itself.
    pub secret: [u8; 32],
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").field("id", &self.id).finish_non_exhaustive()
    }
}

//! The replicated state: everything the control plane knows for good.
//!
//! It is plain data in ordered maps, changed only by [`apply`], so every node that applied the same commands holds the
//! same bytes (C-1). Nothing here reads a clock or a random number: times and ids come inside the commands. Heartbeats
//! are no part of it; they live in the leader's memory.

mod apply;
mod base64_text;
mod body;
mod change;
mod codec;
mod command;
mod content;
mod exact;
mod identities;
mod members;
mod names;
mod partitions;
mod quotas;
mod resource;
mod resources;
mod restore;
mod scrapers;
mod tagging;
mod tokens;
mod workspaces;

#[cfg(test)]
mod resource_tests;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use narthex_cluster::{Role, WorkspaceStatus};
use narthex_model::{
    AccountId, Epoch, Incarnation, InstanceId, PartitionId, RingRevision, TimestampMs, WorkspaceId, Zone,
};
use narthex_ring::{PartitionState, Replication};
use serde::{Deserialize, Serialize};

use crate::{
    identity::{Identities, SessionKeyRecord},
    raft::NodeId,
};

pub use apply::{Applied, Key, apply};
pub use body::Body;
pub use change::{Change, ChangeKind, Changed, Expected, Finish, Limit, Tagged};
pub use codec::{StateError, StateVersion, VERSION, decode, encode};
pub use command::{ClientToken, Command, CreateWorkspace, Refusal, Registration, Response};
pub use content::{
    AnomalyDetector, Configuration, Content, RandomCutForest, RuleFile, Scraper, ScraperLogging, Target,
    Tolerance,
};
pub use exact::Exact;
pub(crate) use members::is_reader;
pub use resource::{ResourceId, ResourceKind, ResourceRecord, Status, Version};
pub use restore::{Packed, Restoring};

/// How long the answer to a client token is remembered, in milliseconds.
pub const TOKEN_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// All of it. `Default` is the state before the first command.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The version in force, which every member knows.
    #[serde(default, skip_serializing_if = "StateVersion::is_unsaid")]
    pub version: StateVersion,
    /// Counts the commands that changed something; the revision that watchers and epochs speak of.
    pub revision: u64,
    /// Revision at which any partition last changed.
    pub ring_revision: RingRevision,
    /// What was decided at first start; `None` before.
    pub setup: Option<Setup>,
    /// Registered processes.
    pub instances: BTreeMap<InstanceId, InstanceRecord>,
    /// Partitions that are not gone.
    pub partitions: BTreeMap<PartitionId, PartitionRecord>,
    /// Partitions that were removed while their ingesters are still registered; they do not come back by themselves.
    pub retired: BTreeSet<PartitionId>,
    /// Workspaces, those being deleted included.
    pub workspaces: BTreeMap<WorkspaceId, WorkspaceRecord>,
    /// Access keys by their id.
    pub credentials: BTreeMap<String, CredentialRecord>,
    /// Answers to client tokens, by `account operation token`.
    pub tokens: BTreeMap<String, TokenRecord>,
    /// Everything that users manage besides workspaces. A copy of the state shares the records.
    #[serde(default)]
    pub resources: BTreeMap<ResourceId, Arc<ResourceRecord>>,
    /// Those whose status waits for the leader.
    #[serde(default)]
    pub transitions: BTreeSet<ResourceId>,
    /// Who there is, and what they may do.
    #[serde(default)]
    pub identities: Identities,
    /// Keys of session tokens, the newest last.
    #[serde(default)]
    pub session_keys: Vec<SessionKeyRecord>,
    /// Control-plane nodes that have held entries of the log. One of them that comes with an empty folder has lost what it promised.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub joined: BTreeSet<NodeId>,
    /// The backup that the first start restores, as far as it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restoring: Option<Restoring>,
}

/// Decisions of the first start that never change in place.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Number of copies of every sample.
    #[serde(with = "names::ReplicationName")]
    pub replication: Replication,
    /// Zones that ingesters may be in: as many as there are copies.
    pub zones: BTreeSet<Zone>,
    /// Key that authenticates pagination tokens, hexadecimal.
    pub page_secret: String,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("replication", &self.replication)
            .field("zones", &self.zones)
            .finish_non_exhaustive()
    }
}

/// A registered process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// What it said of itself.
    #[serde(flatten)]
    pub registration: Registration,
    /// An ingester's incarnation was first registered while its partition had never been ACTIVE (rule 2).
    pub before_first_activation: bool,
    /// Since when it is LEAVING: it takes no part any more and nothing waits for it.
    pub leaving_since: Option<TimestampMs>,
    /// It is known from a backup only, and has to register again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_return: bool,
}

/// A partition of the ingest ring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionRecord {
    /// PENDING, ACTIVE or INACTIVE.
    #[serde(with = "names::PartitionStateName")]
    pub state: PartitionState,
    /// Revision that brought it into this state: what readers must have acknowledged before it goes on (rule 7).
    pub since: RingRevision,
    /// Revision that last made it ACTIVE; 0 means never (rule 3).
    pub epoch: Epoch,
    /// An operator asked for it to be removed once rule 11 allows.
    pub removal: bool,
    /// One owner in each zone. They stay here even when the instance is forgotten: their data is still missed.
    pub owners: BTreeMap<Zone, OwnerRecord>,
}

/// Home of one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// The ingester.
    pub instance: InstanceId,
    /// Its gRPC address.
    pub address: String,
    /// Identity of its disk.
    pub incarnation: Option<Incarnation>,
}

/// A workspace as the AMP API shows it, and its limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceRecord {
    /// Who owns it.
    pub account: AccountId,
    /// Friendly name.
    pub alias: Option<String>,
    /// Its state.
    #[serde(with = "names::WorkspaceStatusName")]
    pub status: WorkspaceStatus,
    /// Customer-managed key, if one was given; it never changes (WS-30).
    pub kms_key_arn: Option<String>,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: TimestampMs,
    /// When its status was last asked to change.
    pub changed_at: TimestampMs,
    /// How much later than the newest sample of its series a sample may be, in milliseconds.
    pub out_of_order_window_ms: i64,
    /// Limit of active series; `None` means none.
    pub max_active_series: Option<u64>,
}

/// An access key. The secret never shows in debug output.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CredentialRecord {
    /// Secret part.
    pub secret_access_key: String,
    /// Account it belongs to.
    pub account: AccountId,
    /// ARN of the user that signs with it.
    pub principal: String,
    /// Whether it works.
    #[serde(default = "active")]
    pub active: bool,
    /// When it was made.
    #[serde(default)]
    pub created_at: TimestampMs,
}

const fn active() -> bool {
    true
}

impl fmt::Debug for CredentialRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialRecord").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// The remembered answer to a client token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// When it was given.
    pub at: TimestampMs,
    /// Digest of the parameters it was used with.
    pub fingerprint: String,
    /// What was answered.
    pub answer: Response,
}

impl State {
    /// Registered ingesters of a partition that are not leaving.
    fn ingesters(&self, partition: PartitionId) -> impl Iterator<Item = (&InstanceId, &InstanceRecord)> {
        self.instances.iter().filter(move |(_, record)| {
            record.registration.role == Role::Ingester && record.registration.ordinal == partition.0
        })
    }

    /// Resources of one kind in a workspace, by name.
    pub fn resources_in(
        &self,
        kind: ResourceKind,
        workspace: WorkspaceId,
    ) -> impl Iterator<Item = (&ResourceId, &ResourceRecord)> {
        let found = self.resources.range(ResourceId::in_workspace(kind, workspace, "")..);
        found
            .take_while(move |(id, _)| id.kind == kind && id.workspace == Some(workspace))
            .map(|(id, record)| (id, &**record))
    }

    /// All scrapers, of every account.
    pub fn scrapers(&self) -> impl Iterator<Item = (&ResourceId, &ResourceRecord)> {
        let found = self.resources.range(ResourceId::of_scraper(ResourceKind::Scraper, "")..);
        found.take_while(|(id, _)| id.kind == ResourceKind::Scraper).map(|(id, record)| (id, &**record))
    }

    /// The policy in force on a workspace.
    pub fn resource_policy(&self, workspace: WorkspaceId) -> Option<&Body> {
        let id = ResourceId::in_workspace(ResourceKind::ResourcePolicy, workspace, "");
        match &self.resources.get(&id)?.in_force.as_ref()?.content {
            Content::Policy(document) => Some(document),
            _ => None,
        }
    }

    /// Incarnation of the disk behind an instance.
    pub fn incarnation(&self, instance: &InstanceId) -> Option<Incarnation> {
        self.instances.get(instance).and_then(|record| record.registration.incarnation)
    }
}

//! Changes that users ask for through the API, as one command.
//!
//! The proposer has checked everything that does not depend on the state; what does is decided in [`super::apply`], with
//! the limits that come along. New ids, times and compressed files are chosen by the proposer.

use std::collections::{BTreeMap, BTreeSet};

use narthex_amp::{ExporterConfiguration, RoleConfiguration};
use narthex_model::{AccountId, TimestampMs, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::{Body, ClientToken, Configuration, Content, ResourceId, Status, Target};
use crate::quota::Quota;

/// One change. Stored in the log: never rename or reorder fields of a released variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Who asks.
    pub account: AccountId,
    /// Name of the API's operation, the scope of the token.
    pub operation: String,
    /// Makes a repetition harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ClientToken>,
    /// When.
    pub at: TimestampMs,
    /// What.
    pub what: ChangeKind,
}

/// What is to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// Something new.
    Create {
        /// Its id, which nothing has yet.
        id: ResourceId,
        /// What it is.
        content: Content,
        /// Its tags.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        /// What there may be of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        limits: Vec<Limit>,
    },
    /// A new content for something that exists.
    Put {
        /// Which.
        id: ResourceId,
        /// The new content.
        content: Content,
        /// Create it if it does not exist, as some operations do.
        #[serde(default)]
        or_create: bool,
        /// What has to be there now.
        #[serde(default)]
        expected: Expected,
        /// What there may be of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        limits: Vec<Limit>,
    },
    /// It goes.
    Delete {
        /// Which.
        id: ResourceId,
        /// What has to be there now.
        #[serde(default)]
        expected: Expected,
    },
    /// Some settings of a workspace change.
    Configure {
        /// Whose.
        workspace: WorkspaceId,
        /// Those that change.
        settings: Configuration,
    },
    /// Some members of a scraper change; `None` leaves one as it is (API-C-84).
    UpdateScraper {
        /// Which.
        scraper: String,
        /// New alias.
        #[serde(default)]
        alias: Option<String>,
        /// New scrape configuration.
        #[serde(default)]
        configuration: Option<Body>,
        /// New destination.
        #[serde(default)]
        destination: Option<Target>,
        /// New roles.
        #[serde(default)]
        role_configuration: Option<RoleConfiguration>,
        /// New exporters.
        #[serde(default)]
        exporters: Option<Vec<ExporterConfiguration>>,
    },
    /// Tags are added or overwritten.
    Tag {
        /// Of what.
        target: Tagged,
        /// The tags.
        tags: BTreeMap<String, String>,
        /// Tags that a resource may have.
        limit: u32,
    },
    /// Tags go.
    Untag {
        /// Of what.
        target: Tagged,
        /// Their keys.
        keys: BTreeSet<String>,
    },
}

impl ChangeKind {
    /// The word in metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create_resource",
            Self::Put { .. } => "put_resource",
            Self::Delete { .. } => "delete_resource",
            Self::Configure { .. } => "configure_workspace",
            Self::UpdateScraper { .. } => "update_scraper",
            Self::Tag { .. } => "tag",
            Self::Untag { .. } => "untag",
        }
    }
}

/// What carries tags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Tagged {
    /// A workspace.
    Workspace(WorkspaceId),
    /// Something else.
    Resource(ResourceId),
}

/// How much of something there may be, as the proposer's settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Of what.
    pub quota: Quota,
    /// How much.
    pub limit: u64,
}

/// What a conditional change expects to find (API-C-82).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// Whatever.
    #[default]
    Anything,
    /// Nothing.
    Nothing,
    /// The content of that revision.
    Revision(u64),
}

/// A transition that the leader completes, if nothing else has happened since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    /// Of what.
    pub id: ResourceId,
    /// Revision of the record that it was decided on.
    pub revision: u64,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What a change left behind; remembered for its token, and therefore small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Name of the resource: for a repeated creation, that of the first.
    pub name: String,
    /// Revision at which it is visible.
    pub revision: u64,
    /// Status of the resource.
    pub status: Status,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

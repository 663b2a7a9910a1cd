//! What a workspace or account holds besides workspaces: one record form for all kinds.
//!
//! Every kind lives alike: it is created, changed and deleted by calls that answer at once, and reaches its new state a
//! little later by the leader's doing. What differs between kinds is in [`Content`]. The kind of a record's content is always
//! that of its id.

use std::{collections::BTreeMap, fmt, str::FromStr};

use narthex_model::{AccountId, TimestampMs, WorkspaceId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Content;

/// Sorts of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Retention, limits per label set and windows of a workspace.
    Configuration,
    /// A file of rules.
    RuleGroupsNamespace,
    /// A workspace's alert manager definition.
    AlertManagerDefinition,
    /// Where logs of rules and alerting go.
    Logging,
    /// Where logs of queries go.
    QueryLogging,
    /// Who else may use a workspace's data.
    ResourcePolicy,
    /// A detector of anomalies.
    AnomalyDetector,
    /// A scraper.
    Scraper,
    /// Where logs of a scraper go.
    ScraperLogging,
}

impl ResourceKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::RuleGroupsNamespace,
        Self::AlertManagerDefinition,
        Self::Logging,
        Self::QueryLogging,
        Self::ResourcePolicy,
        Self::AnomalyDetector,
        Self::Scraper,
        Self::ScraperLogging,
    ];

    /// The word in stored ids. Changing one breaks stored states.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::RuleGroupsNamespace => "rulegroupsnamespace",
            Self::AlertManagerDefinition => "alertmanager",
            Self::Logging => "logging",
            Self::QueryLogging => "querylogging",
            Self::ResourcePolicy => "policy",
            Self::AnomalyDetector => "anomalydetector",
            Self::Scraper => "scraper",
            Self::ScraperLogging => "scraperlogging",
        }
    }

    /// Scrapers and what belongs to them outlive workspaces (WS-17); everything else is in one.
    pub const fn in_workspace(self) -> bool {
        !matches!(self, Self::Scraper | Self::ScraperLogging)
    }
}

/// Names one resource. Ordered by kind, then workspace, then name, so that those of a workspace stand together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ResourceId {
    /// Its sort.
    pub kind: ResourceKind,
    /// The workspace it is in; `None` for scrapers.
    pub workspace: Option<WorkspaceId>,
    /// Name of a namespace, id of a detector or scraper; empty for what a workspace has one of.
    pub name: String,
}

impl ResourceId {
    /// What a workspace has one of, or something with a name in it.
    pub fn in_workspace(kind: ResourceKind, workspace: WorkspaceId, name: impl Into<String>) -> Self {
        Self { kind, workspace: Some(workspace), name: name.into() }
    }

    /// A scraper or its logging.
    pub fn of_scraper(kind: ResourceKind, scraper: impl Into<String>) -> Self {
        Self { kind, workspace: None, name: scraper.into() }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if let Some(workspace) = self.workspace {
            write!(f, "/{workspace}")?;
        }
        if !self.name.is_empty() {
            write!(f, "/{}", self.name)?;
        }
        Ok(())
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ResourceId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for ResourceId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} names no resource");
        let (kind, rest) = text.split_once('/').ok_or_else(malformed)?;
        let kind =
            ResourceKind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or_else(malformed)?;
        if !kind.in_workspace() {
            return Ok(Self::of_scraper(kind, rest));
        }
        let (workspace, name) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self::in_workspace(kind, workspace.parse().map_err(|_| malformed())?, name))
    }
}

/// Where a resource is in its life (section 8.2 of the API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// On its way in.
    Creating,
    /// In force.
    Active,
    /// A new version is on its way in; the last is in force.
    Updating,
    /// On its way out.
    Deleting,
    /// Never came into force.
    CreationFailed,
    /// The new version did not come into force; the last is.
    UpdateFailed,
    /// Could not be removed.
    DeletionFailed,
}

impl Status {
    /// The word of the AMP API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::CreationFailed => "CREATION_FAILED",
            Self::UpdateFailed => "UPDATE_FAILED",
            Self::DeletionFailed => "DELETION_FAILED",
        }
    }

    /// Whether the leader has something to do.
    pub const fn in_transition(self) -> bool {
        matches!(self, Self::Creating | Self::Updating | Self::Deleting)
    }
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRecord {
    /// Who owns it.
    pub account: AccountId,
    /// Its state.
    pub status: Status,
    /// Why the last change failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// When it was created.
    pub created_at: TimestampMs,
    /// When its content was last asked to change.
    pub modified_at: TimestampMs,
    /// When its status was last asked to change.
    pub changed_at: TimestampMs,
    /// Revision of the state that last changed anything of it.
    pub revision: u64,
    /// Tags, key to value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What services act on (API-C-81).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<Version>,
    /// What shall come into force, or did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Version>,
}

/// One content of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Tells contents apart; for whoever keeps them.
    pub digest: String,
    /// Revision that brought it.
    pub revision: u64,
    /// The content.
    pub content: Content,
}

impl Version {
    pub(super) fn new(content: Content, revision: u64) -> Self {
        let bytes = serde_json::to_vec(&content).expect("plain data with text keys always serialises");
        let digest = Sha256::digest(&bytes)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { digest, revision, content }
    }
}

impl ResourceRecord {
    /// The newest content, whether it is in force or not: what describe calls show.
    pub fn newest(&self) -> Option<&Version> {
        self.pending.as_ref().or(self.in_force.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_are_read_as_written(kind in 0usize..9, workspace: u128, name in "[^\u{0}]{1,20}") {
            let kind = ResourceKind::ALL[kind];
            let workspace = WorkspaceId::from_u128(workspace);
            let ids = match kind {
                ResourceKind::RuleGroupsNamespace | ResourceKind::AnomalyDetector => {
                    ResourceId::in_workspace(kind, workspace, name)
                }
                kind if kind.in_workspace() => ResourceId::in_workspace(kind, workspace, ""),
                kind => ResourceId::of_scraper(kind, name),
            };
            prop_assert_eq!(ids.to_string().parse::<ResourceId>(), Ok(ids));
        }
    }
}

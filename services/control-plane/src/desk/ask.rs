//! What can be asked of the leader, and how it can go wrong.

use std::{fmt, time::Duration};

use narthex_model::{InstanceId, RingRevision};
use serde::{Deserialize, Serialize};

use crate::{
    raft::NodeId,
    reconcile::Heartbeat,
    state::{Command, Response},
};

/// Time that bringing a new node up to date may take.
const REPLACE_LIMIT: Duration = Duration::from_secs(60);

/// A request to the leader.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Change the state.
    Write(Command),
    /// Note a sign of life.
    Heartbeat { instance: InstanceId, heartbeat: Heartbeat },
    /// Prove and tell the newest committed revision.
    CurrentRevision,
    /// Put a new node in the place of a dead one.
    ReplaceNode(Replace),
    /// Describe the cluster for people.
    Describe,
    /// Whether a node has had a place in the log, as far as the asked node knows, leader or not.
    HasJoined(NodeId),
    /// Which version of the state the asked node knows, leader or not. A build that cannot read this knows 2.
    Version,
}

impl Ask {
    pub(super) fn limit(&self, usual: Duration) -> Duration {
        if matches!(self, Self::ReplaceNode(_)) { REPLACE_LIMIT } else { usual }
    }
}

/// Which node replaces which.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replace {
    pub(crate) dead: NodeId,
    pub(crate) replacement: NodeId,
    pub(crate) address: String,
}

/// The leader's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Told {
    Written(Response),
    Heard { ring_revision: RingRevision, unknown: bool },
    Revision(u64),
    Description(String),
    Version(u32),
    Joined(bool),
}

/// Why a node did not do what it was asked.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Miss {
    /// Ask another.
    #[error("the node is not the leader")]
    NotLeader,
    /// Ask again.
    #[error("{0}")]
    Busy(String),
    /// Asking again does not help.
    #[error("{0}")]
    Refused(String),
}

impl Miss {
    pub(super) fn busy(reason: impl fmt::Display) -> Self {
        Self::Busy(reason.to_string())
    }
}

/// The control plane cannot do it now, or not at all.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unavailable {
    /// No leader could be reached in time.
    #[error("the control plane has no leader at the moment: {0}")]
    NoLeader(String),
    /// The leader refuses.
    #[error("{0}")]
    Refused(String),
}

impl Unavailable {
    pub(super) fn confused(told: &Told) -> Self {
        Self::NoLeader(format!("the leader answered something else: {told:?}"))
    }
}

impl From<Unavailable> for tonic::Status {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::NoLeader(_) => Self::unavailable(error.to_string()),
            Unavailable::Refused(_) => Self::failed_precondition(error.to_string()),
        }
    }
}

//! The leader's desk: where every change, heartbeat and current-revision question ends up, whichever node it reached.
//!
//! [`Desk::serve`] does the work on the leader; [`Desk::ask`] finds the leader, forwards, and tries again while an
//! election runs. A lost answer means asking again, which is harmless because commands are idempotent.

mod admission;
mod ask;
mod describe;
mod replace;
mod touch;
mod version;

use std::{sync::Arc, time::Duration};

use narthex_model::InstanceId;
use narthex_service::{Clock, SharedClock, timeout};
use openraft::{
    ServerState,
    error::{CheckIsLeaderError, ClientWriteError, RaftError},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) use admission::Standing;
pub(crate) use ask::{Ask, Miss, Replace, Told, Unavailable};

use crate::{
    metrics::Metrics,
    raft::{Channels, Machine, NodeId, Raft, from_payload, to_payload},
    reconcile::{Heartbeat, Heartbeats},
    state::{Command, Response},
};

/// How long one try may take on the leader or on the way to it.
const TRY_LIMIT: Duration = Duration::from_secs(3);

/// How long a request is tried again while there is no leader.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(100);

/// A node's view of the leader, and its own work when it leads.
pub(crate) struct Desk {
    id: NodeId,
    raft: Raft,
    machine: Machine,
    channels: Channels,
    clock: SharedClock,
    metrics: Metrics,
    /// Newest version of the state that this node takes part in.
    knows: u32,
    admission: admission::Admission,
    /// Heartbeats heard as the leader of a term; worthless in another.
    heartbeats: Mutex<(u64, Heartbeats)>,
    heard: Arc<Notify>,
}

/// What a desk is made of.
pub(crate) struct DeskParts {
    pub(crate) id: NodeId,
    pub(crate) raft: Raft,
    pub(crate) machine: Machine,
    pub(crate) channels: Channels,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) knows: u32,
    /// Nothing is on the disk, and other nodes may know better.
    pub(crate) empty: bool,
}

impl Desk {
    pub(crate) fn new(parts: DeskParts) -> Self {
        let DeskParts { id, raft, machine, channels, clock, metrics, knows, empty } = parts;
        let admission = admission::Admission::new(empty);
        let heartbeats = Mutex::default();
        Self {
            id,
            raft,
            machine,
            channels,
            clock,
            metrics,
            knows,
            admission,
            heartbeats,
            heard: Arc::default(),
        }
    }

    /// The state that this node has applied.
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Time for waiting and for the times inside commands.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Signalled whenever a heartbeat said something new.
    pub(crate) fn heard(&self) -> Arc<Notify> {
        self.heard.clone()
    }

    /// The term that this node leads, if it does.
    pub(crate) fn leading(&self) -> Option<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        (metrics.state == ServerState::Leader).then_some(metrics.current_term)
    }

    /// Heartbeats of the term that this node leads.
    pub(crate) fn heartbeats(&self, term: u64) -> Heartbeats {
        let held = self.heartbeats.lock();
        if held.0 == term { held.1.clone() } else { Heartbeats::new() }
    }

    /// Does the work if this node is the leader.
    pub(crate) async fn serve(&self, ask: Ask) -> Result<Told, Miss> {
        let term = self.leading().ok_or(Miss::NotLeader);
        match ask {
            Ask::Version => Ok(Told::Version(self.knows)),
            Ask::HasJoined(node) => Ok(Told::Joined(self.machine.view().state.joined.contains(&node))),
            Ask::Write(command) => self.write(term?, command).await.map(Told::Written),
            Ask::Heartbeat { instance, heartbeat } => Ok(self.hear(term?, instance, heartbeat)),
            Ask::CurrentRevision => {
                term?;
                self.current_revision().await.map(Told::Revision)
            }
            Ask::ReplaceNode(replace) => {
                term?;
                self.replace(replace).await
            }
            Ask::Describe => Ok(Told::Description(self.describe(term?))),
        }
    }

    async fn write(&self, term: u64, command: Command) -> Result<Response, Miss> {
        self.check_version(&command)?;
        let registered = match &command {
            Command::Register { instance, .. } => Some(instance.clone()),
            _ => None,
        };
        let written = timeout(self.clock(), TRY_LIMIT, self.raft.client_write(command)).await;
        let response = written.map_err(|_| Miss::busy("no quorum of control-plane nodes answers"))?;
        let response = response.map_err(|error| match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => Miss::NotLeader,
            other => Miss::busy(other),
        })?;
        if let Some(instance) = registered {
            // What the former process of this name acknowledged says nothing about the new one.
            let mut held = self.heartbeats.lock();
            if held.0 == term {
                held.1.remove(&instance);
            }
        }
        Ok(response.data)
    }

    fn hear(&self, term: u64, instance: InstanceId, heartbeat: Heartbeat) -> Told {
        let (ring_revision, unknown) = {
            let view = self.machine.view();
            let record = view.state.instances.get(&instance);
            (
                view.state.ring_revision,
                record.is_none_or(|record| record.leaving_since.is_some() || record.must_return),
            )
        };
        self.metrics.heartbeat();
        if !unknown {
            let mut held = self.heartbeats.lock();
            if held.0 != term {
                *held = (term, Heartbeats::new());
            }
            if held.1.insert(instance, heartbeat) != Some(heartbeat) {
                self.heard.notify_one();
            }
        }
        Told::Heard { ring_revision, unknown }
    }

    async fn current_revision(&self) -> Result<u64, Miss> {
        let proven = timeout(self.clock(), TRY_LIMIT, self.raft.ensure_linearizable()).await;
        let proven = proven.map_err(|_| Miss::busy("no quorum of control-plane nodes answers"))?;
        match proven {
            Ok(_) => Ok(self.machine.revision()),
            Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(_))) => Err(Miss::NotLeader),
            Err(other) => Err(Miss::busy(other)),
        }
    }

    /// Has the leader do it, wherever it is.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Told, Unavailable> {
        let limit = ask.limit(ASK_LIMIT);
        let start = self.clock.monotonic();
        loop {
            let miss = match self.try_once(&ask).await {
                Ok(told) => return Ok(told),
                Err(Miss::Refused(reason)) => return Err(Unavailable::Refused(reason)),
                Err(miss) => miss,
            };
            if self.clock.monotonic().saturating_sub(start) + PAUSE >= limit {
                self.metrics.unavailable();
                return Err(Unavailable::NoLeader(miss.to_string()));
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    async fn try_once(&self, ask: &Ask) -> Result<Told, Miss> {
        let (leader, address) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let leader = metrics.current_leader.ok_or_else(|| Miss::busy("no leader is elected"))?;
            let node = metrics.membership_config.membership().get_node(&leader).map(|node| node.addr.clone());
            (leader, node)
        };
        if leader == self.id {
            return self.serve(ask.clone()).await;
        }
        let address = address.ok_or_else(|| Miss::busy("the leader's address is not known"))?;
        let mut client = self.channels.client(&address).map_err(Miss::busy)?;
        let limit = ask.limit(TRY_LIMIT + Duration::from_millis(500));
        let answer = timeout(self.clock(), limit, client.forward(to_payload(ask, leader))).await;
        let answer = answer.map_err(|_| Miss::busy(format!("the leader at {address} does not answer")))?;
        let answer =
            answer.map_err(|status| Miss::busy(format!("the leader at {address}: {}", status.message())))?;
        from_payload::<Result<Told, Miss>>(answer.get_ref()).map_err(Miss::busy)?
    }

    /// Writes a command through the leader.
    pub(crate) async fn propose(&self, command: Command) -> Result<Response, Unavailable> {
        match self.ask(Ask::Write(command)).await? {
            Told::Written(response) => Ok(response),
            other => Err(Unavailable::confused(&other)),
        }
    }

    /// Waits until this node has applied everything that was committed when it was asked: reads after it see every
    /// change that was answered before it.
    pub(crate) async fn catch_up(&self) -> Result<u64, Unavailable> {
        let revision = match self.ask(Ask::CurrentRevision).await? {
            Told::Revision(revision) => revision,
            other => return Err(Unavailable::confused(&other)),
        };
        self.applied(revision).await?;
        Ok(revision)
    }

    /// Waits until this node has applied a revision that was committed.
    pub(crate) async fn applied(&self, revision: u64) -> Result<(), Unavailable> {
        let mut revisions = self.machine.revisions();
        let reached = revisions.wait_for(|applied| *applied >= revision);
        match timeout(self.clock(), TRY_LIMIT, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Unavailable::NoLeader("this node is behind the leader".to_owned())),
        }
    }
}

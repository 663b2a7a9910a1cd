//! The `Raft` gRPC service of a node: hands messages to openraft, and forwarded requests to the leader's desk.
//!
//! It belongs on a network that only control-plane nodes reach: whoever speaks it decides what the cluster believes.

use std::sync::Arc;

use bytes::Bytes;
use narthex_rpc::v1::{RaftMessage, raft_server};
use openraft::{Entry, EntryPayload, raft::AppendEntriesRequest};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Request, Response, Status};

use super::{NodeId, Raft, Types, store::json};
use crate::{desk::Desk, state::StateVersion};

/// Serialises a message between nodes.
pub(crate) fn to_payload(value: &impl Serialize, target: NodeId) -> RaftMessage {
    RaftMessage { payload: Bytes::from(json(value)), target }
}

/// Reads a message between nodes.
pub(crate) fn from_payload<T: DeserializeOwned>(message: &RaftMessage) -> Result<T, Status> {
    serde_json::from_slice(&message.payload)
        .map_err(|error| Status::internal(format!("the node does not understand the message: {error}")))
}

/// The server side.
#[derive(Clone)]
pub(crate) struct RaftService {
    id: NodeId,
    raft: Raft,
    desk: Arc<Desk>,
}

impl RaftService {
    pub(crate) fn new(id: NodeId, raft: Raft, desk: Arc<Desk>) -> Self {
        Self { id, raft, desk }
    }

    /// Refuses what a node may not do that does not take part.
    fn takes_part(&self) -> Result<(), Status> {
        if self.desk.takes_part() {
            return Ok(());
        }
        Err(Status::unavailable("the node has an empty folder and does not take part yet"))
    }

    fn read<T: DeserializeOwned>(&self, request: &Request<RaftMessage>) -> Result<T, Status> {
        match request.get_ref().target {
            0 => {}
            target if target == self.id => {}
            target => {
                return Err(Status::invalid_argument(format!("this is node {}, not {target}", self.id)));
            }
        }
        from_payload(request.get_ref())
    }
}

impl RaftService {
    /// A node that is pinned to a version takes nothing of a later one, as a build of that version could not.
    fn knows_all(&self, rpc: &AppendEntriesRequest<Types>) -> Result<(), Status> {
        let command = |entry: &Entry<Types>| match &entry.payload {
            EntryPayload::Normal(command) => command.since(),
            EntryPayload::Blank | EntryPayload::Membership(_) => 0,
        };
        let needed = rpc.entries.iter().map(command).max().unwrap_or(0);
        if StateVersion(needed) <= self.desk.knows() {
            return Ok(());
        }
        Err(Status::internal(format!(
            "the log has commands of version {needed}, which this node does not know"
        )))
    }
}

type Answer = Result<Response<RaftMessage>, Status>;

#[tonic::async_trait]
impl raft_server::Raft for RaftService {
    async fn append_entries(&self, request: Request<RaftMessage>) -> Answer {
        self.takes_part()?;
        let rpc: AppendEntriesRequest<Types> = self.read(&request)?;
        self.knows_all(&rpc)?;
        let answer = self.raft.append_entries(rpc).await;
        Ok(Response::new(to_payload(&answer, 0)))
    }

    async fn vote(&self, request: Request<RaftMessage>) -> Answer {
        self.takes_part()?;
        let answer = self.raft.vote(self.read(&request)?).await;
        Ok(Response::new(to_payload(&answer, 0)))
    }

    async fn install_snapshot(&self, request: Request<RaftMessage>) -> Answer {
        self.takes_part()?;
        let answer = self.raft.install_snapshot(self.read(&request)?).await;
        Ok(Response::new(to_payload(&answer, 0)))
    }

    async fn forward(&self, request: Request<RaftMessage>) -> Answer {
        let answer = self.desk.serve(self.read(&request)?).await;
        Ok(Response::new(to_payload(&answer, 0)))
    }
}

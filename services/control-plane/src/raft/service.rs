//! The `Raft` gRPC service of a node: hands messages to openraft, and forwarded requests to the leader's desk.
//!
//! It belongs on a network that only control-plane nodes reach: whoever speaks it decides what the cluster believes.

use std::sync::Arc;

use bytes::Bytes;
use narthex_rpc::v1::{RaftMessage, raft_server};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Request, Response, Status};

use super::{NodeId, Raft, store::json};
use crate::desk::Desk;

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

type Answer = Result<Response<RaftMessage>, Status>;

#[tonic::async_trait]
impl raft_server::Raft for RaftService {
    async fn append_entries(&self, request: Request<RaftMessage>) -> Answer {
        let answer = self.raft.append_entries(self.read(&request)?).await;
        Ok(Response::new(to_payload(&answer, 0)))
    }

    async fn vote(&self, request: Request<RaftMessage>) -> Answer {
        let answer = self.raft.vote(self.read(&request)?).await;
        Ok(Response::new(to_payload(&answer, 0)))
    }

    async fn install_snapshot(&self, request: Request<RaftMessage>) -> Answer {
        let answer = self.raft.install_snapshot(self.read(&request)?).await;
        Ok(Response::new(to_payload(&answer, 0)))
    }

    async fn forward(&self, request: Request<RaftMessage>) -> Answer {
        let answer = self.desk.serve(self.read(&request)?).await;
        Ok(Response::new(to_payload(&answer, 0)))
    }
}

//! openraft's messages over the `Raft` gRPC service: JSON payloads, errors of the other node included.

#![allow(clippy::result_large_err, reason = "the errors are openraft's")]

use std::error::Error;

use narthex_rpc::v1::{RaftMessage, raft_client::RaftClient};
use openraft::{
    BasicNode, RaftNetwork, RaftNetworkFactory,
    error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
        VoteRequest, VoteResponse,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Code, Request, Response, Status, transport::Channel};

use super::{Channels, NodeId, Types, from_payload, to_payload};

/// Makes connections to members.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    channels: Channels,
}

impl Network {
    pub(crate) fn new(channels: Channels) -> Self {
        Self { channels }
    }
}

/// One member as seen from here.
#[derive(Debug)]
pub(crate) struct Peer {
    target: NodeId,
    address: String,
    channels: Channels,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, node: &BasicNode) -> Peer {
        Peer { target, address: node.addr.clone(), channels: self.channels.clone() }
    }
}

type Failure<E> = RPCError<NodeId, BasicNode, RaftError<NodeId, E>>;

impl Peer {
    fn client<E: Error>(&self) -> Result<RaftClient<Channel>, Failure<E>> {
        self.channels.client(&self.address).map_err(unreachable_peer)
    }

    fn request(&self, payload: &impl Serialize) -> Request<RaftMessage> {
        Request::new(to_payload(payload, self.target))
    }

    fn answer<T: DeserializeOwned, E: Error + DeserializeOwned>(
        &self,
        answer: Result<Response<RaftMessage>, Status>,
    ) -> Result<T, Failure<E>> {
        self.channels.note(&self.address, answer.as_ref().err());
        let message = answer.map_err(unreachable_peer)?.into_inner();
        let result: Result<T, RaftError<NodeId, E>> =
            from_payload(&message).map_err(|status| RPCError::Network(NetworkError::new(&status)))?;
        result.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

/// Unavailable peers are backed off from, other failures are tried again at once.
fn unreachable_peer<E: Error>(status: Status) -> Failure<E> {
    match status.code() {
        Code::Unavailable | Code::InvalidArgument | Code::Unimplemented => {
            RPCError::Unreachable(Unreachable::new(&status))
        }
        _ => RPCError::Network(NetworkError::new(&status)),
    }
}

impl RaftNetwork<Types> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        let answer = self.client()?.append_entries(self.request(&rpc)).await;
        self.answer(answer)
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, Failure<InstallSnapshotError>> {
        let answer = self.client()?.install_snapshot(self.request(&rpc)).await;
        self.answer(answer)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<NodeId>,
        _: RPCOption,
    ) -> Result<VoteResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        let answer = self.client()?.vote(self.request(&rpc)).await;
        self.answer(answer)
    }
}

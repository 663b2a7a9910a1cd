//! A running control plane, as a program that hosts it sees it.

use std::{fmt, sync::Arc};

use axum::Router;
use narthex_bucket::Bucket;
use narthex_cluster::WatchStream;
use narthex_rpc::v1::{
    control_server::{Control, ControlServer},
    raft_server::RaftServer,
};
use narthex_service::{Components, Condition, Random, server::MAX_GRPC_MESSAGE_BYTES};
use tonic::service::Routes;

use crate::{
    Config, Error, api::Api, control::ControlService, node::Node, raft::RaftService, state::State, sts::Sts,
};
#[cfg(test)]
use crate::{
    desk::Unavailable,
    state::{Command, Response},
};

/// A started node.
#[derive(Clone)]
pub struct ControlPlane {
    node: Node,
    control: ControlService,
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlane").field("node", &self.node.id).finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// Opens the data folder and starts consensus; backups are kept in the bucket, if there is one. Listeners are the caller's: see
    /// [`Self::grpc_routes`].
    pub async fn start(
        config: &Config,
        bucket: Option<&Bucket>,
        components: &Components,
    ) -> Result<Self, Error> {
        let node = Node::start(config, bucket, components).await?;
        let control = ControlService::new(
            node.desk.clone(),
            node.backups.clone(),
            node.metrics.clone(),
            components.random.clone(),
            components.shutdown.clone(),
        );
        Ok(Self { node, control })
    }

    /// The `Control` service, for members in the same process.
    pub fn control(&self) -> Arc<dyn Control<WatchStream = WatchStream>> {
        Arc::new(self.control.clone())
    }

    /// The `Control` and `Raft` services, for a gRPC listener.
    pub fn grpc_routes(&self) -> Routes {
        let raft = RaftService::new(self.node.id, self.node.raft.clone(), self.node.desk.clone());
        let raft = RaftServer::new(raft)
            .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
        let control =
            ControlServer::new(self.control.clone()).max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
        Routes::new(raft).add_service(control)
    }

    /// AMP's REST API and the security token service, to be wrapped by the edge; `public_url` is where clients reach it.
    pub fn api(&self, config: &Config, public_url: &str, random: &Random) -> Router {
        let region = &config.public.region;
        let desk = || self.node.desk.clone();
        let api = Api::new(desk(), random.clone(), config.limits.clone(), region, public_url);
        api.router().merge(Sts::new(desk(), random.clone(), region).router())
    }

    /// Why this node cannot serve yet, or `None`.
    pub fn not_ready(&self) -> Option<String> {
        self.node.not_ready()
    }

    /// Keeps a readiness condition current until shutdown.
    pub async fn report_readiness(self, condition: Condition, components: Components) {
        loop {
            match self.not_ready() {
                Some(reason) => condition.not_ready(reason),
                None => condition.ready(),
            }
            tokio::select! {
                () = components.shutdown.cancelled() => return,
                () = components.clock.sleep(std::time::Duration::from_millis(200)) => {}
            }
        }
    }

    /// Completes when consensus has failed for good; the process must then end.
    pub async fn failed(&self) -> Error {
        self.node.failed().await
    }

    /// Writes a command through the leader, from any node.
    #[cfg(test)]
    pub(crate) async fn propose(&self, command: Command) -> Result<Response, Unavailable> {
        self.node.desk.propose(command).await
    }

    /// Reads the state that this node has applied.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.node.desk.machine().view().state)
    }

    /// Numbers of all members, learners included.
    #[cfg(test)]
    pub(crate) fn members(&self) -> std::collections::BTreeSet<crate::NodeId> {
        let metrics = self.node.raft.metrics();
        let metrics = metrics.borrow();
        metrics.membership_config.membership().nodes().map(|(id, _)| *id).collect()
    }

    /// Whether this node is the leader.
    pub fn leads(&self) -> bool {
        self.node.desk.leading().is_some()
    }

    /// Index of the last log entry that was cut off behind a snapshot; 0 if none was.
    pub fn purged_log(&self) -> u64 {
        self.node.raft.metrics().borrow().purged.map_or(0, |id| id.index)
    }

    /// Stops consensus and lets go of the data folder.
    pub async fn stop(&self) {
        if let Err(error) = self.node.raft.shutdown().await {
            tracing::warn!(%error, "consensus did not stop cleanly");
        }
    }
}

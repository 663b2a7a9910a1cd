//! The wiring: from a cluster snapshot and a pool of peers to the public route.

use axum::Router;
use narthex_cluster::{Cluster, Snapshot};
use narthex_ring::PartitionState;
use narthex_rpc::Peers;
use narthex_service::{Components, Condition};

use crate::{
    http,
    writer::{Writer, WriterOptions},
};

/// A distributor inside of a process.
#[derive(Debug, Clone)]
pub struct Distributor {
    writer: Writer,
    cluster: Cluster,
    peers: Peers,
    ring: Condition,
}

impl Distributor {
    /// Writes through the process's peers. Adds the readiness condition `distributor-ring`; [`Self::follow_ring`] keeps it.
    pub fn new(options: WriterOptions, cluster: Cluster, peers: Peers, components: &Components) -> Self {
        let ring = components.health.condition("distributor-ring");
        let writer = Writer::new(options, cluster.clone(), peers.clone(), components);
        let distributor = Self { writer, cluster, peers, ring };
        distributor.judge(&distributor.cluster.snapshot());
        distributor
    }

    /// The public routes; a public service wraps them with its edge.
    pub fn routes(&self) -> Router {
        http::router(self.writer.clone())
    }

    /// The write path, for whoever writes in the same process.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Follows the ring as long as it is polled: readiness, and connections to owners that left are closed.
    pub async fn follow_ring(&self) {
        let mut changes = self.cluster.changes();
        loop {
            let snapshot = self.cluster.snapshot();
            self.judge(&snapshot);
            let owners = snapshot.ring.partitions().iter().flat_map(|partition| &partition.owners);
            let known: std::collections::HashSet<_> = owners.map(|owner| owner.address.as_str()).collect();
            // Before anything is known there is nothing to forget.
            if !known.is_empty() {
                self.peers.retain(|address| known.contains(address));
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn judge(&self, snapshot: &Snapshot) {
        let partitions = snapshot.ring.partitions();
        if snapshot.revision == 0 {
            self.ring.not_ready("waiting for the control plane's first answer");
        } else if partitions.iter().any(|partition| partition.state == PartitionState::Active) {
            self.ring.ready();
        } else {
            let known = partitions.len();
            self.ring
                .not_ready(format!("no partition is ACTIVE ({known} known); are the ingesters registered?"));
        }
    }
}

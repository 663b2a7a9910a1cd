//! What a member counts of its connection to the control plane. Names begin with `narthex_cluster_`.

use std::sync::{Arc, atomic::AtomicU64};

use narthex_service::SharedRegistry;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use crate::Snapshot;

#[derive(Debug, Clone)]
pub(crate) struct MemberMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    connected: Gauge,
    reconnects: Counter,
    heartbeat_failures: Counter,
    revision: Gauge<u64, AtomicU64>,
    ring_revision: Gauge<u64, AtomicU64>,
}

impl MemberMetrics {
    pub(crate) fn new(registry: &SharedRegistry) -> Self {
        let inner = Inner::default();
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_cluster");
        registry.register(
            "connected",
            "1 while the control plane is watched; at 0 the last snapshot is used",
            inner.connected.clone(),
        );
        registry.register("watch_ends", "Watches that ended and were begun again", inner.reconnects.clone());
        registry.register(
            "heartbeat_failures",
            "Heartbeats that no node answered",
            inner.heartbeat_failures.clone(),
        );
        registry.register("snapshot_revision", "Revision of the snapshot in use", inner.revision.clone());
        registry.register("ring_revision", "Revision of the ring in use", inner.ring_revision.clone());
        Self(Arc::new(inner))
    }

    pub(crate) fn installed(&self, snapshot: &Snapshot) {
        self.0.connected.set(1);
        self.0.revision.set(snapshot.revision);
        self.0.ring_revision.set(snapshot.ring.revision().0);
    }

    pub(crate) fn disconnected(&self) {
        self.0.connected.set(0);
        self.0.reconnects.inc();
    }

    pub(crate) fn heartbeat_failed(&self) {
        self.0.heartbeat_failures.inc();
    }
}

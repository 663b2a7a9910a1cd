//! What operators see of the collector.

use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    pub(crate) kind: &'static str,
}

/// Counters and gauges of the collector. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    pub(crate) deleted: Family<KindLabel, Counter>,
    pub(crate) rounds: Counter,
    pub(crate) failures: Counter,
    pub(crate) workspaces: Gauge,
    pub(crate) strays: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &SharedRegistry) -> Self {
        let metrics = Self::default();
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_compactor");
        registry.register(
            "deleted_objects",
            "Objects deleted after their grace period, by kind",
            metrics.deleted.clone(),
        );
        registry.register("collections", "Rounds over all workspaces", metrics.rounds.clone());
        registry.register(
            "collection_failures",
            "Workspaces that a round could not tidy; the next round tries again, see the log",
            metrics.failures.clone(),
        );
        registry.register("workspaces", "Workspaces found in the bucket", metrics.workspaces.clone());
        registry.register(
            "stray_objects",
            "Objects below workspaces that have no name of ours and are left alone: look what wrote them",
            metrics.strays.clone(),
        );
        metrics
    }

    pub(crate) fn deleted(&self, kind: &'static str, count: usize) {
        self.deleted.get_or_create(&KindLabel { kind }).inc_by(count as u64);
    }
}

//! What operators see of the compactor.

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    pub(crate) reason: &'static str,
}

/// Counters and gauges of merging. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct MergeMetrics {
    pub(crate) rounds: Counter,
    pub(crate) merges: Counter,
    pub(crate) inputs: Counter,
    pub(crate) samples: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) written_bytes: Counter,
    pub(crate) pending: Gauge,
    pub(crate) failures: Family<ReasonLabel, Counter>,
}

impl MergeMetrics {
    pub(crate) fn register(registry: &SharedRegistry) -> Self {
        let metrics = Self::default();
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_compactor");
        registry.register(
            "merge_rounds",
            "Rounds over all workspaces that looked for blocks to merge",
            metrics.rounds.clone(),
        );
        registry.register("merges", "Merges that were committed", metrics.merges.clone());
        registry.register("merged_blocks", "Blocks that others replaced", metrics.inputs.clone());
        registry.register(
            "merged_samples",
            "Samples written by merges, committed or not: grows while one is under way",
            metrics.samples.clone(),
        );
        registry.register(
            "merge_read_bytes",
            "Bytes of the blocks that were replaced",
            metrics.read_bytes.clone(),
        );
        registry.register(
            "merge_written_bytes",
            "Bytes of the blocks that replaced them",
            metrics.written_bytes.clone(),
        );
        registry.register(
            "merges_pending",
            "Merges that are left to do in the workspace whose turn it is",
            metrics.pending.clone(),
        );
        registry.register(
            "merge_failures",
            "Merges that failed, by reason; the next round tries again, see the log",
            metrics.failures.clone(),
        );
        metrics
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.failures.get_or_create(&ReasonLabel { reason }).inc();
    }
}

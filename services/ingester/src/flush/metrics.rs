//! What operators see of cuts.

use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabels {
    pub(crate) reason: &'static str,
}

/// Counters and gauges of cuts. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct FlushMetrics {
    /// Cuts committed with this owner's block.
    pub(crate) committed: Counter,
    /// Cuts found committed when this owner's turn came, or while it wrote its block.
    pub(crate) found: Counter,
    /// Flushes that failed and are tried again, by reason.
    pub(crate) failures: Family<ReasonLabels, Counter>,
    /// Bytes of blocks written.
    pub(crate) bytes: Counter,
    /// Series whose competing values were settled without the third owner.
    pub(crate) unsettled: Counter,
    /// Cuts forgotten after their commit.
    pub(crate) forgotten: Counter,
    /// Cuts that are due and not committed.
    pub(crate) pending: Gauge,
    /// Seconds for which the oldest of them has been due.
    pub(crate) pending_seconds: Gauge,
    /// Windows of which samples are held, over all workspaces.
    pub(crate) windows: Gauge,
}

impl FlushMetrics {
    pub(crate) fn register(registry: &SharedRegistry) -> Self {
        let metrics = Self::default();
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_ingester_cuts");
        registry.register("committed", "Cuts committed with this owner's block", metrics.committed.clone());
        registry.register("found_committed", "Cuts that another owner committed", metrics.found.clone());
        registry.register(
            "failures",
            "Flushes that failed and are tried again, by reason",
            metrics.failures.clone(),
        );
        registry.register("block_bytes", "Bytes of blocks written", metrics.bytes.clone());
        registry.register(
            "unsettled_series",
            "Series whose competing values were settled without the third owner",
            metrics.unsettled.clone(),
        );
        registry.register("forgotten", "Cuts forgotten after their commit", metrics.forgotten.clone());
        registry.register(
            "pending",
            "Cuts that are due and not committed; samples stay on this owner's disk until they are",
            metrics.pending.clone(),
        );
        registry.register(
            "oldest_pending_seconds",
            "Seconds for which the oldest pending cut has been due; if it grows, look at failures and at the bucket",
            metrics.pending_seconds.clone(),
        );
        registry.register("windows", "Windows of which samples are held", metrics.windows.clone());
        metrics
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.failures.get_or_create(&ReasonLabels { reason }).inc();
    }
}

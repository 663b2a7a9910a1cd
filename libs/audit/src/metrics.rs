//! What the audit log counts.

use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    target: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Family<Labels, Counter>);

impl Metrics {
    pub(crate) fn new(registry: &SharedRegistry) -> Self {
        let metrics = Self::default();
        registry.lock().register(
            "narthex_audit_records",
            "Records of the audit log by where they go (log, bucket) and whether they were written or lost",
            metrics.0.clone(),
        );
        metrics
    }

    pub(crate) fn written(&self, target: &'static str, count: usize) {
        self.add(target, "written", count);
    }

    pub(crate) fn lost(&self, target: &'static str, count: usize) {
        self.add(target, "lost", count);
    }

    fn add(&self, target: &'static str, outcome: &'static str, count: usize) {
        self.0.get_or_create(&Labels { target, outcome }).inc_by(count as u64);
    }
}

//! What the write path counts. Events are counted once, where a request ends or a push returns.

use std::{sync::Arc, time::Duration};

use narthex_rpc::RpcError;
use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ZoneLabels {
    zone: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    zone: Arc<str>,
    kind: &'static str,
}

/// Counters of the write path. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) received: Counter,
    pub(crate) acknowledged: Counter,
    pub(crate) unavailable: Counter,
    pub(crate) exemplars: Counter,
    pub(crate) metadata: Counter,
    pub(crate) metadata_dropped: Counter,
    pub(crate) request_bytes: Counter,
    pub(crate) decoded_bytes: Counter,
    pub(crate) ring_retries: Counter,
    refused: Family<ReasonLabels, Counter>,
    rejected: Family<ReasonLabels, Counter>,
    push_seconds: Family<ZoneLabels, Histogram, fn() -> Histogram>,
    push_failures: Family<FailureLabels, Counter>,
}

impl Metrics {
    pub(crate) fn new(registry: &SharedRegistry) -> Self {
        let metrics = Self {
            received: Counter::default(),
            acknowledged: Counter::default(),
            unavailable: Counter::default(),
            exemplars: Counter::default(),
            metadata: Counter::default(),
            metadata_dropped: Counter::default(),
            request_bytes: Counter::default(),
            decoded_bytes: Counter::default(),
            ring_retries: Counter::default(),
            refused: Family::default(),
            rejected: Family::default(),
            push_seconds: Family::new_with_constructor(latency_histogram),
            push_failures: Family::default(),
        };
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &SharedRegistry) {
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_distributor");
        for (name, help, counter) in [
            ("received_samples", "Samples in requests that could be decoded", &self.received),
            ("acknowledged_samples", "Samples that a quorum of owners holds", &self.acknowledged),
            (
                "unavailable_samples",
                "Samples without a quorum, which the sender must send again",
                &self.unavailable,
            ),
            ("received_exemplars", "Exemplars received; they are not stored", &self.exemplars),
            ("received_metadata", "Metadata entries received", &self.metadata),
            (
                "dropped_metadata",
                "Metadata entries without a name, too long or no UTF-8",
                &self.metadata_dropped,
            ),
            ("request_bytes", "Bytes of request bodies as received", &self.request_bytes),
            ("decoded_bytes", "Bytes of request bodies after decompression", &self.decoded_bytes),
            ("ring_retries", "Requests sharded again because the ring had changed", &self.ring_retries),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register("refused_samples", "Samples refused for good, by reason", self.refused.clone());
        registry.register(
            "rejected_requests",
            "Requests refused as a whole, by reason",
            self.rejected.clone(),
        );
        registry.register("push_duration_seconds", "Time of a push to one owner", self.push_seconds.clone());
        registry.register(
            "push_failures",
            "Pushes that an owner did not take, by kind",
            self.push_failures.clone(),
        );
    }

    pub(crate) fn refuse(&self, reason: &'static str, samples: u64) {
        self.refused.get_or_create(&ReasonLabels { reason }).inc_by(samples);
    }

    pub(crate) fn reject(&self, reason: &'static str) {
        self.rejected.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(crate) fn pushed(&self, zone: &str, took: Duration, error: Option<&RpcError>) {
        let zone: Arc<str> = zone.into();
        self.push_seconds.get_or_create(&ZoneLabels { zone: Arc::clone(&zone) }).observe(took.as_secs_f64());
        if let Some(error) = error {
            self.push_failures.get_or_create(&FailureLabels { zone, kind: error.kind() }).inc();
        }
    }
}

/// 0.5 ms to about 16 s, doubling.
fn latency_histogram() -> Histogram {
    Histogram::new((0..16).map(|power| 0.0005 * f64::from(1 << power)))
}

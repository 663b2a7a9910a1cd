//! What the edge counts: refusals by reason, throttled calls by operation, and the load it admits.

use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    refusals: Family<ReasonLabels, Counter>,
    throttled: Family<OperationLabels, Counter>,
    pub(crate) requests_in_flight: Gauge,
    pub(crate) bytes_in_flight: Gauge,
}

impl Metrics {
    pub(crate) fn new(registry: &SharedRegistry, service: &str) -> Self {
        let metrics = Self::default();
        let name = |what: &str| format!("narthex_{}_edge_{what}", service.replace('-', "_"));
        let mut registry = registry.lock();
        registry.register(
            name("refusals"),
            "Requests refused before their handler, by reason",
            metrics.refusals.clone(),
        );
        registry.register(
            name("throttled"),
            "Calls refused because more came in a second than their rate allows, by operation",
            metrics.throttled.clone(),
        );
        registry.register(
            name("requests_in_flight"),
            "Requests admitted",
            metrics.requests_in_flight.clone(),
        );
        registry.register(
            name("bytes_in_flight"),
            "Body bytes reserved by admitted requests",
            metrics.bytes_in_flight.clone(),
        );
        metrics
    }

    pub(crate) fn refuse(&self, reason: &'static str) {
        self.refusals.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(crate) fn throttle(&self, operation: &'static str) {
        self.throttled.get_or_create(&OperationLabels { operation }).inc();
    }
}

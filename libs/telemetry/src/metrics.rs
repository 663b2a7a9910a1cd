//! Counts, latencies and in-flight requests of one server.
//!
//! Labels are bounded: the route is the router's pattern, never the path that a client sent, and an unknown method is OTHER.

use std::sync::Arc;

use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// REST; the status is the HTTP status.
    Http,
    /// gRPC; the status is the gRPC code's number.
    Grpc,
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: Arc<str>,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: Arc<str>,
}

/// Request metrics of one server of one service. Cloning shares them.
#[derive(Debug, Clone)]
pub struct RequestMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
}

impl RequestMetrics {
    /// Registers `narthex_<service>_<http|grpc>_{requests_total,request_duration_seconds,requests_in_flight}`.
    pub fn new(registry: &SharedRegistry, service: &str, protocol: Protocol) -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(latency_histogram),
            in_flight: Gauge::default(),
        };
        let name = |what: &str| format!("narthex_{}_{}_{what}", service.replace('-', "_"), protocol.name());
        let mut registry = registry.lock();
        registry.register(
            name("requests"),
            "Requests answered, by route and status",
            metrics.requests.clone(),
        );
        registry.register(
            name("request_duration_seconds"),
            "Time from the request's head to the reply's head",
            metrics.seconds.clone(),
        );
        registry.register(name("requests_in_flight"), "Requests being answered", metrics.in_flight.clone());
        metrics
    }

    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn end(&self, route: Arc<str>, method: &'static str, status: u16, seconds: f64) {
        self.seconds.get_or_create(&RouteLabels { route: Arc::clone(&route) }).observe(seconds);
        self.requests.get_or_create(&RequestLabels { route, method, status }).inc();
    }
}

/// 1 ms to about 2 min, doubling.
fn latency_histogram() -> Histogram {
    Histogram::new((0..18).map(|power| 0.001 * f64::from(1 << power)))
}

/// Counts a request as in flight until it is dropped, also when the client goes away.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

//! What is counted of a bucket's operations. All names begin with `narthex_bucket_`.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `operations_total` | `operation` | operations begun |
//! | `errors_total` | `operation`, `kind` | operations that failed; `cancelled`: nobody waited for the end |
//! | `operation_seconds` | `operation` | time to the end of the body or of the list |
//! | `bytes_total` | `operation` | bytes of objects written or read |
//! | `http_requests_total` | `method`, `status` | requests sent to a provider, retries and pages included; 0: no answer |
//! | `retryable_failures_total` | | requests that failed in a way that may pass; each takes a retry from the budget |
//! | `retries_refused_total` | | failures reported at once because the budget was spent |
//! | `retry_budget` | | retries in store |
//!
//! An operation is what the caller asked for after ranges were joined; a retry or a further page is no operation of its own.

use std::time::Duration;

use narthex_service::{SharedClock, SharedRegistry};
use object_store::Error;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};

use crate::{Operation, operation::error_name};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    operation: &'static str,
    kind: &'static str,
}

/// Counters of operations, and the clock that times them. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    clock: SharedClock,
    operations: Family<OperationLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    bytes: Family<OperationLabels, Counter>,
}

impl Metrics {
    pub(crate) fn new(clock: SharedClock, registry: &SharedRegistry) -> Self {
        let metrics = Self {
            clock,
            operations: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(seconds_histogram),
            bytes: Family::default(),
        };
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_bucket");
        registry.register("operations", "Operations on the bucket begun", metrics.operations.clone());
        registry.register("errors", "Operations on the bucket that failed, by kind", metrics.errors.clone());
        registry.register(
            "operation_seconds",
            "Time from the begin of an operation to the end of its body or list",
            metrics.seconds.clone(),
        );
        registry.register("bytes", "Bytes of objects written and read", metrics.bytes.clone());
        metrics
    }

    pub(crate) fn begin(&self, operation: Operation) -> Running {
        let labels = OperationLabels { operation: operation.name() };
        self.operations.get_or_create(&labels).inc();
        Running { started: self.clock.monotonic(), metrics: self.clone(), labels, outcome: Some("cancelled") }
    }
}

/// 1 ms to about 2 min, doubling.
fn seconds_histogram() -> Histogram {
    Histogram::new((0..18).map(|power| 0.001 * f64::from(1 << power)))
}

/// An operation under way; counted as cancelled when it is dropped before its end.
#[derive(Debug)]
pub(crate) struct Running {
    metrics: Metrics,
    labels: OperationLabels,
    started: Duration,
    outcome: Option<&'static str>,
}

impl Running {
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.metrics.bytes.get_or_create(&self.labels).inc_by(bytes);
    }

    /// From here on, being dropped is a success: the caller has what it wanted.
    pub(crate) fn satisfied(&mut self) {
        self.outcome = None;
    }

    /// The operation ends with this failure.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.outcome = Some(error_name(error));
    }

    /// The operation ends so.
    pub(crate) fn end<T>(mut self, result: &Result<T, Error>) {
        match result {
            Ok(_) => self.satisfied(),
            Err(error) => self.fail(error),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let elapsed = self.metrics.clock.monotonic().saturating_sub(self.started);
        self.metrics.seconds.get_or_create(&self.labels).observe(elapsed.as_secs_f64());
        if let Some(kind) = self.outcome {
            let labels = ErrorLabels { operation: self.labels.operation, kind };
            self.metrics.errors.get_or_create(&labels).inc();
        }
    }
}

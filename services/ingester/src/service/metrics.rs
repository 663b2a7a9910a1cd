//! The owner's metrics at its service boundary: requests and how they ended, and recovery. Samples are counted by storage.

use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

/// How a push or a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    Ok,
    Invalid,
    UnknownWorkspace,
    Precondition,
    Unavailable,
    OverBudget,
    Failed,
}

impl Outcome {
    pub(crate) fn of(code: tonic::Code) -> Self {
        match code {
            tonic::Code::Ok => Self::Ok,
            tonic::Code::InvalidArgument => Self::Invalid,
            tonic::Code::NotFound => Self::UnknownWorkspace,
            tonic::Code::FailedPrecondition => Self::Precondition,
            tonic::Code::Unavailable => Self::Unavailable,
            tonic::Code::ResourceExhausted => Self::OverBudget,
            _ => Self::Failed,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) method: &'static str,
    pub(crate) outcome: Outcome,
}

/// Counters and gauges. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    /// Requests by method and how they ended.
    pub(crate) requests: Family<RequestLabels, Counter>,
    /// 1 while RECOVERING.
    pub(crate) recovering: Gauge,
    /// Workspaces that are still to be copied.
    pub(crate) recovery_workspaces: Gauge,
    /// Series compared with the other owners.
    pub(crate) recovery_series: Counter,
    /// Samples that were missing and have been written.
    pub(crate) recovery_samples: Counter,
    /// Attempts to copy a workspace that failed and are repeated.
    pub(crate) recovery_failures: Counter,
    /// Epoch of the partition that is acted on.
    pub(crate) epoch: Gauge,
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn register(registry: &SharedRegistry) -> Self {
        let metrics = Self::default();
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_ingester");
        registry.register("requests", "Requests by method and outcome", metrics.requests.clone());
        registry.register(
            "recovering",
            "1 while this owner answers no reads because it copies from the other owners",
            metrics.recovering.clone(),
        );
        registry.register(
            "recovery_workspaces_remaining",
            "Workspaces that a recovering owner still has to copy",
            metrics.recovery_workspaces.clone(),
        );
        registry.register(
            "recovery_series",
            "Series that a recovering owner compared with the other owners",
            metrics.recovery_series.clone(),
        );
        registry.register(
            "recovery_samples",
            "Samples that a recovering owner was missing and wrote",
            metrics.recovery_samples.clone(),
        );
        registry.register(
            "recovery_failures",
            "Attempts to copy a workspace from the other owners that failed",
            metrics.recovery_failures.clone(),
        );
        registry.register(
            "partition_epoch",
            "Epoch of the partition that is acted on",
            metrics.epoch.clone(),
        );
        metrics.clone()
    }
}

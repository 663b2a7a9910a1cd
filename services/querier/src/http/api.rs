//! What all handlers share, and the frame around each of them: slot, timeout, metrics, log.

use std::{future::Future, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use narthex_model::WorkspaceId;
use narthex_promql::Engine;
use narthex_service::{Components, DataClock, SharedClock, timeout};
use tracing::Instrument;

use super::{ApiError, ErrorKind, call::Call, gate::Gate, sending::Sending, turns::GateLimits};
use crate::{
    config::QuerySettings,
    memory::QueryMemory,
    metrics::{Kind, Metrics, Outcome, Reason},
    ranges::Ranges,
    reads::Reads,
};

/// State of the API; shared by all requests.
pub(crate) struct Api {
    pub(crate) reads: Arc<dyn Reads>,
    pub(crate) engine: Engine,
    pub(crate) settings: QuerySettings,
    pub(crate) clock: SharedClock,
    pub(crate) data_clock: DataClock,
    pub(crate) metrics: Metrics,
    pub(crate) memory: QueryMemory,
    pub(crate) ranges: Arc<Ranges>,
    gate: Gate,
}

impl Api {
    pub(crate) fn new(
        reads: Arc<dyn Reads>,
        settings: QuerySettings,
        components: &Components,
        metrics: Metrics,
    ) -> Self {
        let limits = GateLimits {
            running: settings.max_concurrent,
            running_per_workspace: settings.max_concurrent_per_workspace,
            waiting: settings.max_waiting,
            waiting_per_workspace: settings.max_waiting_per_workspace,
        };
        let (data_clock, kept) = (components.data_clock.clone(), metrics.clone());
        let ranges = Ranges::new(Arc::clone(&reads), &settings.cache, data_clock, kept);
        Self {
            reads,
            ranges: Arc::new(ranges),
            engine: Engine::new(settings.engine()),
            gate: Gate::new(limits, components.clock.clone(), metrics.clone()),
            memory: QueryMemory::new(settings.memory, metrics.clone()),
            settings,
            clock: components.clock.clone(),
            data_clock: components.data_clock.clone(),
            metrics,
        }
    }

    /// How answers are sent.
    pub(crate) fn sending(&self) -> Sending {
        let (limit, clock, cut_off) =
            (self.settings.send_timeout, self.clock.clone(), self.metrics.cut_off.clone());
        Sending { limit, clock, cut_off }
    }

    /// Seconds since a reading of the clock.
    pub(crate) fn seconds_since(&self, start: Duration) -> f64 {
        self.clock.monotonic().saturating_sub(start).as_secs_f64()
    }

    /// How long a request may take: the server's limit, or less where it asks for less.
    pub(crate) fn time_limit(&self, call: &Call) -> Result<Duration, ApiError> {
        let asked = call
            .params
            .duration("timeout")?
            .map(|millis| Duration::from_millis(millis.max(0).unsigned_abs()));
        Ok(asked.map_or(self.settings.timeout, |asked| asked.min(self.settings.timeout)))
    }

    /// Waits for a slot, within the request's time.
    pub(crate) async fn enter(
        &self,
        workspace: WorkspaceId,
        limit: Duration,
    ) -> Result<super::gate::Slot, ApiError> {
        match timeout(&*self.clock, limit, self.gate.enter(workspace, limit)).await {
            Ok(slot) => slot,
            Err(_) => {
                self.metrics.refused.get_or_create(&Reason { reason: "waited_too_long" }).inc();
                Err(ApiError::new(ErrorKind::Timeout, "query timed out in query queue"))
            }
        }
    }

    /// Runs a metadata request in a slot and within the time limit.
    pub(crate) async fn within<T, E: Into<ApiError>>(
        &self,
        workspace: WorkspaceId,
        limit: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ApiError> {
        let _slot = self.enter(workspace, limit).await?;
        match timeout(&*self.clock, limit, work).await {
            Ok(done) => done.map_err(Into::into),
            Err(_) => Err(ApiError::new(ErrorKind::Timeout, "request timed out while reading")),
        }
    }

    /// The frame around every handler: counts the outcome, measures, and logs what failed, once.
    pub(crate) async fn answer(
        &self,
        kind: &'static str,
        workspace: WorkspaceId,
        work: impl Future<Output = Result<Response, ApiError>>,
    ) -> Response {
        let span = tracing::info_span!("query", kind, %workspace);
        let start = self.clock.monotonic();
        let mut counted = Counted { kind, outcome: "canceled", metrics: &self.metrics };
        let result = work.instrument(span.clone()).await;
        counted.outcome = result.as_ref().map_or_else(|error| error.kind.as_str(), |_| "success");
        drop(counted);
        self.metrics.duration.get_or_create(&Kind { kind }).observe(self.seconds_since(start));
        result.unwrap_or_else(|error| {
            span.in_scope(|| log(&error));
            error.into_response()
        })
    }
}

/// Counts the outcome on drop, so that a client that goes away is counted too.
struct Counted<'a> {
    kind: &'static str,
    outcome: &'static str,
    metrics: &'a Metrics,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.queries.get_or_create(&Outcome { kind: self.kind, outcome: self.outcome }).inc();
    }
}

fn log(error: &ApiError) {
    let ApiError { kind, text } = error;
    match kind {
        ErrorKind::Internal => {
            tracing::error!(error = %text, "query failed by a fault of the system, please report it")
        }
        ErrorKind::Unavailable | ErrorKind::Timeout => {
            tracing::warn!(error = %text, "query failed, check that the ingesters named are up and not overloaded");
        }
        _ => tracing::debug!(error = %text, kind = kind.as_str(), "query refused"),
    }
}

//! `query`, and what it shares with `query_range`: parse, wait for a slot, evaluate within the time limit, write.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use narthex_model::{TimeRange, TimestampMs};
use narthex_promql::{
    Annotations, Control, Engine, EvalError, Explanation, Expr, Memory, QueryResult, QueryValue, Reservation,
};
use narthex_service::timeout;

use super::{
    Api, ApiError, ErrorKind,
    call::Call,
    explain,
    json::{QueryBody, Statistics, write_strings},
    limits::Thresholds,
    range::Steps,
    status::{TRUNCATED, Truncated},
};
use crate::ranges::{Question, Stretch};

/// Most annotations of each kind in an answer.
const ANNOTATIONS: usize = 10;

/// Evaluates at one time.
pub(crate) async fn query(State(api): State<Arc<Api>>, call: Call) -> Response {
    api.answer("instant", call.workspace, async {
        let limit = call.params.limit()?;
        let at = call.params.time_or("time", api.data_clock.now())?;
        let time_limit = api.time_limit(&call)?;
        let plan = Plan::of(&api, &call)?;
        if explain::is_wanted(&call)? {
            return explain::respond(&api, &plan, Times::At(at));
        }
        let (result, stats) = plan.run(&api, &call, time_limit, Times::At(at)).await?;
        Ok(respond(&api, &call, result, stats, limit))
    })
    .await
}

/// When a query is evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Times {
    At(TimestampMs),
    Steps(Steps),
}

/// A parsed query and the engine that its parameters ask for.
pub(crate) struct Plan {
    expr: Expr,
    engine: Engine,
    lookback_ms: i64,
    thresholds: Thresholds,
    preparation: f64,
}

impl Plan {
    /// Reads `query`, `lookback_delta`, `stats` and the thresholds.
    pub(crate) fn of(api: &Api, call: &Call) -> Result<Self, ApiError> {
        let start = api.clock.monotonic();
        let lookback_ms = match call.params.get("lookback_delta") {
            "" => 0,
            text => super::time::parse_duration(text).map_err(|reason| {
                ApiError::bad_data(format!("error parsing lookback delta duration: {reason}"))
            })?,
        };
        // As in Prometheus, nothing and less stand for the default.
        let lookback_ms = if lookback_ms > 0 { lookback_ms } else { api.settings.lookback_delta_ms };
        let thresholds = Thresholds::of(call)?;
        let engine = api
            .engine
            .with_lookback_ms(lookback_ms)
            .with_per_step_stats(call.params.get("stats") == "all")
            .with_max_processed(thresholds.error.unwrap_or(u64::MAX));
        let expr = narthex_promql::parse(call.params.get("query"))
            .map_err(|error| ApiError::parameter("query", error))?;
        Ok(Self { expr, engine, lookback_ms, thresholds, preparation: api.seconds_since(start) })
    }

    /// What [`Self::run`] would do.
    pub(crate) fn explain(&self, times: Times) -> Result<Explanation, EvalError> {
        let Self { engine, expr, .. } = self;
        match times {
            Times::At(at) => engine.explain(expr, at, at, 0),
            Times::Steps(Steps { start, end, step }) => engine.explain(expr, start, end, step),
        }
    }

    /// Waits for a slot and evaluates. Dropping the future stops the evaluation and every read.
    pub(crate) async fn run(
        self,
        api: &Api,
        call: &Call,
        limit: Duration,
        times: Times,
    ) -> Result<(QueryResult, Statistics), ApiError> {
        if limit.is_zero() {
            // The texts of a query that is out of time before it begins and while it runs differ, as in Prometheus.
            return Err(ApiError::new(ErrorKind::Timeout, "query timed out in query execution"));
        }
        let start = api.clock.monotonic();
        let _slot = api.enter(call.workspace, limit).await?;
        let queued = api.seconds_since(start);
        let left = limit.saturating_sub(api.clock.monotonic().saturating_sub(start));
        let memory = api.memory.query(call.workspace);
        let control = Control::default().with_memory(Arc::clone(&memory));
        let _stop = Stop(control.clone());
        let begin = api.clock.monotonic();
        let work = self.evaluate(api, call, times, memory, &control);
        let mut result = timed(api, left, &control, work).await.map_err(|error| api.failed(error))?;
        let processed = result.stats.total_queryable_samples;
        result.annotations.warnings.extend(self.thresholds.warn(processed));
        let evaluation = api.seconds_since(begin);
        let samples = result.stats.clone();
        Ok((result, Statistics { samples, queued, preparation: self.preparation, evaluation }))
    }

    async fn evaluate(
        &self,
        api: &Api,
        call: &Call,
        times: Times,
        memory: Arc<dyn Memory>,
        control: &Control,
    ) -> Result<QueryResult, EvalError> {
        let Self { engine, expr, lookback_ms, thresholds, .. } = self;
        let steps = match times {
            Times::At(at) => {
                let range = TimeRange { min: at, max: at };
                let source = api.reads.source(call.workspace, range, Reservation::of(memory));
                return engine.instant(&*source, expr, at, control).await;
            }
            Times::Steps(Steps { start, end, step }) => Stretch::new(start.0, end.0, step),
        };
        let question = Question {
            workspace: call.workspace,
            text: call.params.get("query"),
            expr,
            steps,
            engine: *engine,
            lookback_ms: *lookback_ms,
            per_step_stats: call.params.get("stats") == "all",
            max_processed: thresholds.error.unwrap_or(u64::MAX),
            max_points: api.settings.max_samples,
            no_store: call.no_store,
            memory,
            control,
        };
        api.ranges.answer(&question).await
    }
}

async fn timed<T>(
    api: &Api,
    limit: Duration,
    control: &Control,
    work: impl Future<Output = Result<T, EvalError>>,
) -> Result<T, EvalError> {
    match timeout(&*api.clock, limit, work).await {
        Ok(done) => done,
        Err(_) => {
            control.time_out();
            Err(EvalError::Timeout)
        }
    }
}

/// Ends whatever still runs on other threads once the request is over.
struct Stop(Control);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The success answer, streamed.
pub(crate) fn respond(
    api: &Api,
    call: &Call,
    mut result: QueryResult,
    stats: Statistics,
    limit: Option<usize>,
) -> Response {
    let (series, truncated) = match &mut result.value {
        QueryValue::Vector(samples) => {
            let truncated = Truncated::cut(samples, limit);
            (samples.len(), truncated)
        }
        QueryValue::Matrix(series) => {
            let truncated = Truncated::cut(series, limit);
            (series.len(), truncated)
        }
        QueryValue::Scalar { .. } | QueryValue::String { .. } => (1, Truncated(false)),
    };
    api.metrics.samples.observe(stats.samples.total_queryable_samples as f64);
    api.metrics.series.observe(series as f64);
    let asked = call.params.get("stats");
    let ends = annotations(result.annotations, truncated, asked);
    let body = QueryBody::new(result.value, (!asked.is_empty()).then_some(&stats), &ends);
    let body = api.sending().body(body, result.memory);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// `,"warnings":[...],"infos":[...]`, each only where there are some.
fn annotations(found: Annotations, truncated: Truncated, stats: &str) -> Vec<u8> {
    let Annotations { mut warnings, infos } = found;
    if truncated.0 {
        warnings.push(TRUNCATED.into());
    }
    if !matches!(stats, "" | "true" | "all") {
        warnings.push(format!(
            "value {stats:?} for parameter \"stats\" is deprecated and will be rejected in the next major release, \
             use \"true\" or \"all\""
        ));
    }
    let mut out = Vec::new();
    for (name, word, mut texts) in [("warnings", "warning", warnings), ("infos", "info", infos)] {
        if texts.is_empty() {
            continue;
        }
        if texts.len() > ANNOTATIONS {
            let omitted = format!("{} more {word} annotations omitted", texts.len() - ANNOTATIONS);
            texts.truncate(ANNOTATIONS);
            texts.push(omitted);
        }
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        write_strings(&mut out, texts.iter().map(String::as_str));
    }
    out
}

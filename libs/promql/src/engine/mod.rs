//! The engine: an [`Expr`] and a source in, a [`QueryResult`] out.
//!
//! A query is prepared (what is constant becomes so), loaded (aggregations that the source can answer and all other selectors, at
//! once) and evaluated (columns). Only loading waits for others; large parts of the evaluation run on all cores, the rest gives
//! way to other tasks now and then, so dropping the future ends it soon.

mod aggregate;
mod binary;
mod column;
mod eval;
mod explain;
mod finish;
mod fragment;
mod functions;
mod leaf;
mod load;
mod notes;
mod pace;
mod parallel;
mod prepare;
mod selector;
mod stats;
mod totals;

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use narthex_model::TimestampMs;

pub use explain::{Explanation, PlannedFragment, PlannedNode, PlannedRead, PlannedSteps, PushDown};
pub use finish::compare_by_name;
pub use fragment::{CodecError, Fragment, FragmentAnswer, FragmentRun, Places, RangeCall};
pub use notes::Notes;

use column::Steps;
use eval::Evaluator;
use load::{load, reads};
use prepare::{Context, prepare, resolve};

use crate::{
    ast::{At, Expr, Span, Subquery, ValueType},
    error::EvalError,
    memory::{Memory, Reservation},
    result::{QueryResult, QueryStats},
    source::SeriesSource,
};

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig {
    /// How far back an instant selector looks for a sample, in milliseconds.
    pub lookback_delta_ms: i64,
    /// Most samples that a query may hold at one time.
    pub max_samples: usize,
    /// Most samples that a query may process over all steps; past it the query ends at once.
    pub max_processed: u64,
    /// Step of subqueries that name none, in milliseconds.
    pub default_subquery_step_ms: i64,
    /// Whether statistics are kept per step.
    pub per_step_stats: bool,
    /// Whether aggregations are answered where the series are, if the source can.
    pub push_down: bool,
    /// How many threads may work on one query.
    pub parallelism: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lookback_delta_ms: 5 * 60 * 1000,
            max_samples: 50_000_000,
            max_processed: u64::MAX,
            default_subquery_step_ms: 60_000,
            per_step_stats: false,
            push_down: true,
            parallelism: std::thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

impl EngineConfig {
    /// Refuses columns that would take much more memory than the samples they may hold: rows cost memory though empty.
    fn check_rows(&self, columns: usize, steps: Steps) -> Result<(), EvalError> {
        /// How many rows, most of them empty, may be held for every sample that may be.
        const ROWS_PER_SAMPLE: usize = 4;
        let most = self.max_samples.saturating_mul(ROWS_PER_SAMPLE);
        if columns.saturating_mul(steps.count) > most { Err(EvalError::TooManySamples) } else { Ok(()) }
    }
}

const CANCELED: u8 = 1;
const TIMED_OUT: u8 = 2;

/// Ends a running query from outside and bounds its memory; clones share the state. (Dropping the query's future ends it too.)
#[derive(Debug, Clone, Default)]
pub struct Control {
    state: Arc<AtomicU8>,
    memory: Option<Arc<dyn Memory>>,
}

impl Control {
    /// The query takes its memory from this budget.
    #[must_use]
    pub fn with_memory(self, memory: Arc<dyn Memory>) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// Memory of the query, nothing of it taken yet.
    pub(crate) fn reservation(&self) -> Reservation {
        self.memory.clone().map_or_else(Reservation::default, Reservation::of)
    }

    /// The query ends with [`EvalError::Canceled`].
    pub fn cancel(&self) {
        self.state.store(CANCELED, Ordering::Relaxed);
    }

    /// The query ends with [`EvalError::Timeout`].
    pub fn time_out(&self) {
        self.state.store(TIMED_OUT, Ordering::Relaxed);
    }

    /// Fails once the query is to end.
    pub fn check(&self) -> Result<(), EvalError> {
        match self.state.load(Ordering::Relaxed) {
            CANCELED => Err(EvalError::Canceled),
            TIMED_OUT => Err(EvalError::Timeout),
            _ => Ok(()),
        }
    }
}

/// Evaluates queries. Holds nothing but its configuration; cheap to copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Engine {
    config: EngineConfig,
}

impl Engine {
    /// An engine of these settings.
    pub fn new(config: EngineConfig) -> Self {
        Self { config }
    }

    /// The same engine with another lookback, as a request's `lookback_delta` asks.
    #[must_use]
    pub fn with_lookback_ms(self, lookback_delta_ms: i64) -> Self {
        Self { config: EngineConfig { lookback_delta_ms, ..self.config } }
    }

    /// The same engine with a bound on the samples that a query processes, as a request may set it.
    #[must_use]
    pub fn with_max_processed(self, max_processed: u64) -> Self {
        Self { config: EngineConfig { max_processed, ..self.config } }
    }

    /// The same engine with statistics per step, or without.
    #[must_use]
    pub fn with_per_step_stats(self, per_step_stats: bool) -> Self {
        Self { config: EngineConfig { per_step_stats, ..self.config } }
    }

    /// The same engine with aggregations answered where the series are, or not.
    #[must_use]
    pub fn with_push_down(self, push_down: bool) -> Self {
        Self { config: EngineConfig { push_down, ..self.config } }
    }

    /// The value of `expr` at one time.
    pub async fn instant(
        &self,
        source: &dyn SeriesSource,
        expr: &Expr,
        at: TimestampMs,
        control: &Control,
    ) -> Result<QueryResult, EvalError> {
        Ok(self.run(source, expr, at.0, at.0, 0, control).await?.0)
    }

    /// The value of `expr` at `start`, `start + step` and so on up to `end`. `step_ms` must be above zero.
    pub async fn range(
        &self,
        source: &dyn SeriesSource,
        expr: &Expr,
        start: TimestampMs,
        end: TimestampMs,
        step_ms: i64,
        control: &Control,
    ) -> Result<QueryResult, EvalError> {
        Ok(self.stretch(source, expr, start, end, step_ms, control).await?.0)
    }

    /// The same of a stretch of a query's steps, and its notes in a form that those of other stretches can be added to. `expr` must
    /// have been [resolved](Self::resolve) for all of the query.
    pub async fn stretch(
        &self,
        source: &dyn SeriesSource,
        expr: &Expr,
        start: TimestampMs,
        end: TimestampMs,
        step_ms: i64,
        control: &Control,
    ) -> Result<(QueryResult, Notes), EvalError> {
        self.run(source, expr, start.0, end.0, step_ms, control).await
    }

    /// The expression with all that depends on the ends and the step of a range query (`start()`, `@ end()`, durations made of
    /// `range()` and the like) replaced by its value, so that it means the same whichever of the steps are evaluated.
    pub fn resolve(
        expr: &Expr,
        start: TimestampMs,
        end: TimestampMs,
        step_ms: i64,
    ) -> Result<Expr, EvalError> {
        resolve(expr, Context { start: start.0, end: end.0, step: step_ms })
    }

    async fn run(
        &self,
        source: &dyn SeriesSource,
        expr: &Expr,
        start: i64,
        end: i64,
        step: i64,
        control: &Control,
    ) -> Result<(QueryResult, Notes), EvalError> {
        control.check()?;
        let (prepared, steps) = self.prepared(expr, Context { start, end, step })?;
        let reads = reads(&prepared, steps, &self.config);
        let loaded = load(source, reads).await?;
        let mut evaluator = Evaluator::new(&self.config, loaded, control, steps);
        let value = evaluator.eval(&prepared, steps).await?;
        evaluator.check_processed()?;
        // The answer is made of the value, a copy of its samples.
        let memory = control.reservation();
        memory.grow(value.answer_bytes())?;
        let value = if step > 0 { finish::range(value, steps)? } else { finish::instant(value, steps)? };
        let stats = QueryStats {
            total_queryable_samples: evaluator.stats.total,
            per_step: evaluator.stats.per_step(),
            peak_samples: evaluator.stats.peak as u64,
        };
        let notes = evaluator.notes;
        Ok((QueryResult { value, annotations: notes.clone().finish(), stats, memory }, notes))
    }

    /// What would be done for a range query, or with a `step_ms` of zero for an instant query at `start`. Reads nothing.
    pub fn explain(
        &self,
        expr: &Expr,
        start: TimestampMs,
        end: TimestampMs,
        step_ms: i64,
    ) -> Result<Explanation, EvalError> {
        let context = Context { start: start.0, end: end.0, step: step_ms };
        let (prepared, steps) = self.prepared(expr, context)?;
        let reads = reads(&prepared, steps, &self.config);
        Ok(explain::explain(&prepared, steps, &reads, &self.config))
    }

    /// The tree that is evaluated, and when.
    fn prepared(&self, expr: &Expr, context: Context) -> Result<(Expr, Steps), EvalError> {
        let Context { start, end, step } = context;
        if step > 0 && !matches!(expr.value_type(), ValueType::Scalar | ValueType::Vector) {
            let found = expr.value_type().documented();
            let message = format!(
                "invalid expression type {found:?} for range query, must be Scalar or instant Vector"
            );
            return Err(EvalError::BadData(message));
        }
        let prepared = prepare(expr, context)?;
        let steps = Steps::new(start, end, step);
        if steps.count > self.config.max_samples {
            return Err(EvalError::TooManySamples);
        }
        Ok((prepared, steps))
    }
}

/// The steps of a subquery: multiples of its own step that any of the outer steps looks at.
fn subquery_steps(subquery: &Subquery, outer: Steps, config: &EngineConfig) -> Steps {
    let offset = subquery.offset.millis();
    let (first, last) = match subquery.at {
        Some(At::Time(at)) => (at, at),
        _ => (outer.start, outer.end()),
    };
    let step = subquery.step.as_ref().map_or(config.default_subquery_step_ms, Span::millis).max(1);
    let bound = first.saturating_sub(offset).saturating_sub(subquery.range.millis());
    // Truncated division, as Go's; the step right at the open end is outside.
    let mut start = step * (bound / step);
    if start <= bound {
        start = start.saturating_add(step);
    }
    Steps::new(start, last.saturating_sub(offset), step)
}

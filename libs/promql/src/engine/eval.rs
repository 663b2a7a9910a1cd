//! The walk over the prepared tree: each node's value over all steps.
//!
//! Evaluation is pure computation on what was loaded. It runs on one task, spreads what looks at many series over threads
//! ([`Evaluator::spread`]), gives way now and then ([`Evaluator::tick`]) so that dropping the future or the [`Control`] ends it
//! soon, and accounts for every sample that it holds.

use futures::{FutureExt, future::BoxFuture};

use super::{
    Control, EngineConfig, aggregate, binary,
    column::{Column, SampleRef, Steps, histogram_bytes},
    functions,
    load::{Loaded, Series},
    notes::Notes,
    selector,
    stats::Stats,
    subquery_steps,
};
use crate::{
    ast::{Expr, ExprKind, Subquery},
    error::EvalError,
    memory::Reservation,
    result::MatrixSeries,
};

/// Samples of work between two looks at the control.
const TICK: usize = 100_000;

/// The value of a node.
#[derive(Debug)]
pub(super) enum Value {
    /// A number per step.
    Scalar(Vec<f64>),
    /// A text.
    Text(String),
    /// Series with a row per step.
    Vector(Vec<Column>),
    /// Series with their own timestamps: a range vector as the whole query.
    Series(Vec<Series>),
}

impl Value {
    fn weight(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::Text(_) => 0,
            Self::Vector(columns) => columns.iter().map(Column::weight).sum(),
            Self::Series(series) => series.iter().map(series_weight).sum(),
        }
    }

    /// Bytes that the value occupies.
    fn bytes(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len() * size_of::<f64>(),
            Self::Text(_) => 0,
            Self::Vector(columns) => columns.iter().map(Column::bytes).sum(),
            Self::Series(series) => series.iter().map(series_bytes).sum(),
        }
    }

    /// Bytes of the answer that is made of the value.
    pub(super) fn answer_bytes(&self) -> usize {
        let series = match self {
            Self::Scalar(_) | Self::Text(_) => 1,
            Self::Vector(columns) => columns.len(),
            Self::Series(series) => series.len(),
        };
        series * size_of::<MatrixSeries>() + self.weight() * size_of::<(i64, f64)>()
    }
}

fn series_weight(series: &Series) -> usize {
    series.values.len() + series.histograms.iter().map(|(_, histogram)| histogram.weight()).sum::<usize>()
}

fn series_bytes(series: &Series) -> usize {
    size_of::<Series>()
        + series.values.len() * size_of::<(i64, f64)>()
        + histogram_bytes(series.histograms.iter().map(|(_, histogram)| histogram))
}

/// An evaluation under way.
#[derive(Debug)]
pub(super) struct Evaluator<'a> {
    pub(super) config: &'a EngineConfig,
    pub(super) loaded: Loaded,
    pub(super) notes: Notes,
    pub(super) stats: Stats,
    pub(super) control: &'a Control,
    pub(super) memory: Reservation,
    work: usize,
    pub(super) held: usize,
    /// How many subqueries are under way, one in another.
    subqueries: usize,
}

pub(super) type Evaluated<T> = Result<T, EvalError>;

impl<'a> Evaluator<'a> {
    pub(super) fn new(config: &'a EngineConfig, loaded: Loaded, control: &'a Control, steps: Steps) -> Self {
        let mut notes = Notes::default();
        loaded.warnings.iter().for_each(|warning| notes.source(warning.clone()));
        let stats = Stats::new(steps, config.per_step_stats);
        Self {
            config,
            loaded,
            notes,
            stats,
            control,
            memory: control.reservation(),
            work: 0,
            held: 0,
            subqueries: 0,
        }
    }

    /// Accounts for work; looks at the control and gives way to others now and then.
    pub(super) async fn tick(&mut self, samples: usize) -> Evaluated<()> {
        self.check_processed()?;
        self.work += samples + 1;
        if self.work < TICK {
            return Ok(());
        }
        self.work = 0;
        self.control.check()?;
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Ends a query that has processed more samples than its caller wants.
    pub(super) fn check_processed(&self) -> Evaluated<()> {
        let limit = self.max_processed();
        if self.stats.total > limit { Err(EvalError::TooManyProcessed(limit)) } else { Ok(()) }
    }

    /// What a subquery reads is not counted, only what is looked at of its values.
    pub(super) fn max_processed(&self) -> u64 {
        if self.subqueries == 0 { self.config.max_processed } else { u64::MAX }
    }

    /// Accounts for samples that are held from now on.
    pub(super) fn hold(&mut self, samples: usize) -> Evaluated<()> {
        self.held += samples;
        self.stats.peak = self.stats.peak.max(self.held);
        if self.held > self.config.max_samples { Err(EvalError::TooManySamples) } else { Ok(()) }
    }

    /// Refuses columns that would take much more memory than the samples they may hold: rows cost memory though empty.
    pub(super) fn check_rows(&self, columns: usize, steps: Steps) -> Evaluated<()> {
        self.config.check_rows(columns, steps)
    }

    /// Takes the memory of columns that are about to be made. What a node took is settled when its value is there.
    pub(super) fn reserve(&self, columns: usize, steps: Steps) -> Evaluated<()> {
        Ok(self.memory.grow(columns.saturating_mul(Column::bytes_of(steps.count)))?)
    }

    /// The value of a node. Whatever was held for its operands is released.
    pub(super) fn eval<'f>(&'f mut self, expr: &'f Expr, steps: Steps) -> BoxFuture<'f, Evaluated<Value>> {
        Box::pin(async move {
            self.control.check()?;
            if steps.count > self.config.max_samples {
                return Err(EvalError::TooManySamples);
            }
            let (before, memory) = (self.held, self.memory.bytes());
            let value = self.node(expr, steps).await?;
            self.held = before;
            self.hold(value.weight())?;
            self.memory.resize(memory + value.bytes())?;
            Ok(value)
        })
    }

    /// Each kind of node is a future of its own on the heap, which keeps the stack small however deep the tree is.
    async fn node(&mut self, expr: &Expr, steps: Steps) -> Evaluated<Value> {
        let position = expr.position;
        match &expr.kind {
            ExprKind::Number { value, .. } => Ok(Value::Scalar(vec![*value; steps.count])),
            ExprKind::String(text) => Ok(Value::Text(text.clone())),
            ExprKind::Bytes(bytes) => Ok(Value::Text(String::from_utf8_lossy(bytes).into_owned())),
            ExprKind::Paren(inner) | ExprKind::Unary(false, inner) => self.eval(inner, steps).await,
            ExprKind::Unary(true, inner) => Ok(negate(self.eval(inner, steps).await?)),
            ExprKind::StepInvariant(inner) => self.invariant(inner, steps).boxed().await,
            ExprKind::Vector(vector) => {
                selector::vector(self, vector, position, steps).boxed().await.map(Value::Vector)
            }
            ExprKind::Matrix(matrix) => Ok(Value::Series(selector::matrix(self, matrix, steps)?)),
            ExprKind::Subquery(subquery) => {
                let (series, read) = self.read_subquery(subquery, steps).boxed().await?;
                self.stats.count(steps.end(), read);
                Ok(Value::Series(series))
            }
            ExprKind::Binary(node) => binary::eval(self, node, position, steps).boxed().await,
            ExprKind::Aggregate(node) => {
                aggregate::eval(self, node, position, steps).boxed().await.map(Value::Vector)
            }
            ExprKind::Call(call) => functions::call(self, call, position, steps).boxed().await,
        }
    }

    /// A vector operand.
    pub(super) async fn vector(&mut self, expr: &Expr, steps: Steps) -> Evaluated<Vec<Column>> {
        match self.eval(expr, steps).await? {
            Value::Vector(columns) => Ok(columns),
            _ => Err(wrong_type(expr)),
        }
    }

    /// A scalar operand.
    pub(super) async fn scalar(&mut self, expr: &Expr, steps: Steps) -> Evaluated<Vec<f64>> {
        match self.eval(expr, steps).await? {
            Value::Scalar(values) => Ok(values),
            _ => Err(wrong_type(expr)),
        }
    }

    async fn invariant(&mut self, inner: &Expr, steps: Steps) -> Evaluated<Value> {
        let before = self.stats.total;
        let value = self.eval(inner, steps.single()).await?;
        let once = (self.stats.total - before) as usize;
        for at in 1..steps.count {
            self.stats.count(steps.time(at), once);
        }
        Ok(match value {
            Value::Scalar(values) => {
                Value::Scalar(vec![values.first().copied().unwrap_or(f64::NAN); steps.count])
            }
            Value::Vector(columns) => {
                self.reserve(columns.len(), steps)?;
                Value::Vector(columns.into_iter().map(|column| column.broadcast(steps.count)).collect())
            }
            other => other,
        })
    }

    /// The inner series of a subquery, with the timestamps of its own steps. Reading them is not counted: whoever uses
    /// them counts.
    pub(super) async fn subquery(&mut self, subquery: &Subquery, steps: Steps) -> Evaluated<Vec<Series>> {
        Ok(self.read_subquery(subquery, steps).await?.0)
    }

    /// A subquery's series, and how many samples were read for them.
    async fn read_subquery(&mut self, subquery: &Subquery, steps: Steps) -> Evaluated<(Vec<Series>, usize)> {
        let inner = subquery_steps(subquery, steps, self.config);
        let stats = std::mem::take(&mut self.stats);
        self.stats.peak = stats.peak;
        self.subqueries += 1;
        let value = if inner.count == 0 {
            Value::Vector(Vec::new())
        } else {
            self.eval(&subquery.expr, inner).await?
        };
        self.subqueries -= 1;
        let read = std::mem::replace(&mut self.stats, stats);
        self.stats.peak = read.peak;
        match value {
            Value::Vector(columns) => {
                let samples: usize = columns.iter().map(Column::weight).sum();
                self.memory.grow(columns.len() * size_of::<Series>() + samples * size_of::<(i64, f64)>())?;
                let series = columns.iter().map(|column| to_series(column, inner)).collect();
                Ok((series, usize::try_from(read.total).unwrap_or(usize::MAX)))
            }
            _ => Err(wrong_type(&subquery.expr)),
        }
    }
}

fn wrong_type(expr: &Expr) -> EvalError {
    EvalError::Internal(format!("unexpected type of {expr}"))
}

fn negate(value: Value) -> Value {
    match value {
        Value::Scalar(values) => Value::Scalar(values.into_iter().map(|value| -value).collect()),
        Value::Vector(mut columns) => {
            for column in &mut columns {
                column.drop_name = true;
                for at in 0..column.len() {
                    match column.get(at).map(SampleRef::to_owned) {
                        Some(super::column::Sample::Float(value)) => column.set_float(at, -value),
                        Some(super::column::Sample::Histogram(histogram)) => {
                            column.set_histogram(at, (*histogram).clone().scale(-1.0).into());
                        }
                        None => {}
                    }
                }
            }
            Value::Vector(columns)
        }
        other => other,
    }
}

/// A column as a series of samples at the steps' times. Reset hints go: samples may be left out or repeated here.
fn to_series(column: &Column, steps: Steps) -> Series {
    use narthex_model::CounterResetHint::{NotReset, Reset, Unknown};
    let mut series = Series {
        labels: column.labels.clone(),
        drop_name: column.drop_name,
        times: Vec::new(),
        values: Vec::new(),
        histograms: Vec::new(),
        starts: None,
    };
    for (at, sample) in column.samples() {
        match sample {
            SampleRef::Float(value) => {
                series.times.push(steps.time(at));
                series.values.push(value);
            }
            SampleRef::Histogram(histogram) => {
                let mut histogram = std::sync::Arc::clone(histogram);
                if matches!(histogram.hint, Reset | NotReset) {
                    std::sync::Arc::make_mut(&mut histogram).hint = Unknown;
                }
                series.histograms.push((steps.time(at), histogram));
            }
        }
    }
    series
}

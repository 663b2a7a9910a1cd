//! What a query answers: a value of one of PromQL's four types, annotations and statistics.

use std::sync::Arc;

use narthex_model::{Histogram, Labels, Value};

use crate::memory::Reservation;

/// A finished query.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// The answer.
    pub value: QueryValue,
    /// What the user should know about it.
    pub annotations: Annotations,
    /// What it cost.
    pub stats: QueryStats,
    /// What the answer occupies.
    pub memory: Reservation,
}

/// The answer, by type. A range query always answers a matrix.
#[derive(Debug, Clone)]
pub enum QueryValue {
    /// A number.
    Scalar {
        /// Evaluation time in milliseconds.
        timestamp: i64,
        /// The number.
        value: f64,
    },
    /// A text.
    String {
        /// Evaluation time in milliseconds.
        timestamp: i64,
        /// The text.
        value: String,
    },
    /// One sample per series, in the order that Prometheus promises (`sort`) or in evaluation order.
    Vector(Vec<VectorSample>),
    /// Many samples per series, ordered by labels.
    Matrix(Vec<MatrixSeries>),
}

/// One sample of an instant vector. Histograms have float counts.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// The series' labels.
    pub labels: Labels,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Float or histogram.
    pub value: Value,
}

/// One series of a matrix. Histograms have float counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MatrixSeries {
    /// The series' labels.
    pub labels: Labels,
    /// Float points, ascending by timestamp in milliseconds.
    pub floats: Vec<(i64, f64)>,
    /// Histogram points, ascending by timestamp in milliseconds.
    pub histograms: Vec<(i64, Arc<Histogram>)>,
}

/// Prometheus's annotations, as its API renders them (with positions), each once, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// Something is probably wrong with the result.
    pub warnings: Vec<String>,
    /// Something is worth knowing.
    pub infos: Vec<String>,
}

/// What a query cost, counted as Prometheus counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Samples read by selectors, over all steps (`totalQueryableSamples`).
    pub total_queryable_samples: u64,
    /// The same per step: timestamp in milliseconds and samples.
    pub per_step: Vec<(i64, u64)>,
    /// Most samples in memory at one time.
    pub peak_samples: u64,
}

//! From columns to answers: names are dropped last, series that then are the same become one, and the order is settled.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use narthex_model::{Labels, METRIC_NAME, Value as ModelValue};

use super::{
    column::{Column, SampleRef, Steps},
    eval::{Evaluated, Value},
    load::Series,
};
use crate::{
    error::EvalError,
    result::{MatrixSeries, QueryValue, VectorSample},
};

/// Prometheus's text for two samples of one series at one time.
pub(super) fn same_labelset() -> EvalError {
    EvalError::Execution("vector cannot contain metrics with the same labelset".into())
}

/// Labels that describe the metric and lose their meaning when its value changes.
pub(super) fn is_metadata(name: &str) -> bool {
    matches!(name, METRIC_NAME | "__type__" | "__unit__")
}

/// Label sets by name, then value, label after label (the order of API answers).
pub fn compare_by_name(a: &Labels, b: &Labels) -> Ordering {
    a.iter().cmp(b.iter())
}

/// Makes columns of the same labels one; fails where two have a row at one step.
pub(super) fn merge_same(columns: Vec<Column>) -> Evaluated<Vec<Column>> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(columns.len());
    let mut out: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        match places.get(&column.labels) {
            Some(at) => {
                if !out[*at].absorb(&column) {
                    return Err(same_labelset());
                }
            }
            None => {
                places.insert(column.labels.clone(), out.len());
                out.push(column);
            }
        }
    }
    Ok(out)
}

/// Drops the names that are to be dropped.
fn drop_names(columns: Vec<Column>) -> Evaluated<Vec<Column>> {
    let dropped = columns
        .into_iter()
        .map(|mut column| {
            if column.drop_name {
                column.labels = column.labels.filtered(|name| !is_metadata(name));
            }
            column
        })
        .collect();
    merge_same(dropped)
}

/// The answer of an instant query.
pub(super) fn instant(value: Value, steps: Steps) -> Evaluated<QueryValue> {
    let timestamp = steps.start;
    Ok(match value {
        Value::Scalar(values) => {
            QueryValue::Scalar { timestamp, value: values.first().copied().unwrap_or(f64::NAN) }
        }
        Value::Text(value) => QueryValue::String { timestamp, value },
        Value::Vector(columns) => {
            let columns = drop_names(columns)?;
            let sample = |column: &Column| {
                let value = column.get(0)?;
                Some(VectorSample { labels: column.labels.clone(), timestamp, value: to_model(value) })
            };
            QueryValue::Vector(columns.iter().filter_map(sample).collect())
        }
        Value::Series(series) => QueryValue::Matrix(raw(series)?),
    })
}

fn to_model(sample: SampleRef<'_>) -> ModelValue {
    match sample {
        SampleRef::Float(value) => ModelValue::Float(value),
        SampleRef::Histogram(histogram) => ModelValue::Histogram(Arc::new(histogram.to_model())),
    }
}

/// The answer of a range query.
pub(super) fn range(value: Value, steps: Steps) -> Evaluated<QueryValue> {
    let columns = match value {
        Value::Scalar(values) => vec![Column::dense(Labels::EMPTY, false, values)],
        Value::Vector(columns) => drop_names(columns)?,
        Value::Text(_) | Value::Series(_) => {
            return Err(EvalError::BadData(
                "invalid expression type for range query, must be Scalar or instant Vector".into(),
            ));
        }
    };
    let mut matrix: Vec<MatrixSeries> = columns.iter().map(|column| to_matrix(column, steps)).collect();
    matrix.retain(|series| !series.floats.is_empty() || !series.histograms.is_empty());
    matrix.sort_by(|a, b| compare_by_name(&a.labels, &b.labels));
    Ok(QueryValue::Matrix(matrix))
}

fn to_matrix(column: &Column, steps: Steps) -> MatrixSeries {
    let mut series = MatrixSeries { labels: column.labels.clone(), ..MatrixSeries::default() };
    for (at, sample) in column.samples() {
        match sample {
            SampleRef::Float(value) => series.floats.push((steps.time(at), value)),
            SampleRef::Histogram(histogram) => {
                series.histograms.push((steps.time(at), Arc::new(histogram.to_model())));
            }
        }
    }
    series
}

fn raw(series: Vec<Series>) -> Evaluated<Vec<MatrixSeries>> {
    let mut matrix: Vec<MatrixSeries> = series
        .into_iter()
        .filter(|series| !series.times.is_empty() || !series.histograms.is_empty())
        .map(|series| MatrixSeries {
            labels: if series.drop_name {
                series.labels.filtered(|name| !is_metadata(name))
            } else {
                series.labels
            },
            floats: series.times.into_iter().zip(series.values).collect(),
            histograms: series
                .histograms
                .into_iter()
                .map(|(time, h)| (time, Arc::new(h.to_model())))
                .collect(),
        })
        .collect();
    matrix.sort_by(|a, b| compare_by_name(&a.labels, &b.labels));
    if matrix.windows(2).any(|pair| pair[0].labels == pair[1].labels) {
        return Err(same_labelset());
    }
    Ok(matrix)
}

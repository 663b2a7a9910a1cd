//! Answers against expectations. Floats may differ by a millionth.

use std::collections::HashMap;

use narthex_model::{Labels, Value, is_stale};

use super::{
    histogram::{Described, describe},
    script::{Eval, ExpectKind},
    series::Point,
};
use crate::{
    engine::compare_by_name,
    histogram::FloatHistogram,
    result::{Annotations, MatrixSeries, QueryResult, QueryValue, VectorSample},
};

const EPSILON: f64 = 0.000_001;

type Checked = Result<(), String>;

/// An error that was expected.
pub(super) fn failure(eval: &Eval, error: &str) -> Checked {
    match eval.expected(ExpectKind::Fail).find(|text| !text.matches(error)) {
        Some(text) => Err(format!("expected error {text:?}, got {error:?}")),
        None => Ok(()),
    }
}

/// Warnings and infos.
pub(super) fn annotations(eval: &Eval, found: &Annotations) -> Checked {
    for (kind, none, found) in [
        (ExpectKind::Warn, ExpectKind::NoWarn, &found.warnings),
        (ExpectKind::Info, ExpectKind::NoInfo, &found.infos),
    ] {
        if eval.expected(none).next().is_some() && !found.is_empty() {
            return Err(format!("unexpected {kind:?}: {found:?}"));
        }
        let expected: Vec<_> = eval.expected(kind).collect();
        if expected.is_empty() {
            continue;
        }
        if let Some(text) = expected.iter().find(|text| !found.iter().any(|found| text.matches(found))) {
            return Err(format!("expected {kind:?} {text:?}, found {found:?}"));
        }
        if let Some(extra) = found.iter().find(|found| !expected.iter().any(|text| text.matches(found))) {
            return Err(format!("unexpected {kind:?} {extra:?}"));
        }
    }
    Ok(())
}

fn almost(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

fn same_histogram(expected: &Described, found: &FloatHistogram) -> bool {
    let (wanted, found_hint) = (expected.histogram.clone().compact(), found.hint);
    let found = found.clone().compact();
    let buckets = |a: &[(i32, f64)], b: &[(i32, f64)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && almost(a.1, b.1))
    };
    wanted.schema == found.schema
        && almost(wanted.count, found.count)
        && almost(wanted.sum, found.sum)
        && (!wanted.uses_custom_buckets() || wanted.custom == found.custom)
        && wanted.zero_threshold == found.zero_threshold
        && almost(wanted.zero_count, found.zero_count)
        && buckets(&wanted.positive, &found.positive)
        && buckets(&wanted.negative, &found.negative)
        && (!expected.hint_given || expected.histogram.hint == found_hint)
}

fn same_value(expected: &Point, found: &Value) -> Checked {
    match (expected, found) {
        (Point::Float(expected), Value::Float(found)) if almost(*expected, *found) => Ok(()),
        (Point::Histogram(expected), Value::Histogram(found)) => {
            let found = FloatHistogram::from_model(found);
            if same_histogram(expected, &found) {
                return Ok(());
            }
            Err(format!("expected {}\n      got {}", describe(&expected.histogram), describe(&found)))
        }
        (Point::Float(expected), Value::Float(found)) => Err(format!("expected {expected}, got {found}")),
        (Point::Float(expected), Value::Histogram(_)) => Err(format!("expected {expected}, got a histogram")),
        (Point::Histogram(_), Value::Float(found)) => Err(format!("expected a histogram, got {found}")),
        (Point::Omitted, _) => Err("expected nothing".into()),
    }
}

/// The whole answer.
pub(super) fn value(eval: &Eval, found: &QueryValue) -> Checked {
    match found {
        QueryValue::Scalar { value, .. } => match eval.scalar {
            Some(expected) if almost(expected, *value) => Ok(()),
            expected => Err(format!("expected {expected:?}, got scalar {value}")),
        },
        QueryValue::String { value, .. } => match &eval.string {
            Some(expected) if expected == value => Ok(()),
            expected => Err(format!("expected {expected:?}, got string {value:?}")),
        },
        QueryValue::Vector(samples) => vector(eval, samples),
        QueryValue::Matrix(series) => matrix(eval, series),
    }
}

fn vector(eval: &Eval, samples: &[VectorSample]) -> Checked {
    if eval.scalar.is_some() {
        return Err(format!("expected a scalar, got a vector of {}", samples.len()));
    }
    let expected: HashMap<&Labels, (usize, &[Point])> =
        eval.series.iter().map(|(place, labels, points)| (labels, (*place, &points[..]))).collect();
    for (at, sample) in samples.iter().enumerate() {
        let labels = &sample.labels;
        let Some((place, points)) = expected.get(labels) else {
            return Err(format!("unexpected series {labels} with {:?}", sample.value));
        };
        if eval.is_ordered() && *place != at + 1 {
            return Err(format!("expected {labels} at place {place}, found it at {}", at + 1));
        }
        let Some(point) = points.first() else { return Err(format!("{labels}: no value is expected")) };
        same_value(point, &sample.value).map_err(|error| format!("{labels}: {error}"))?;
    }
    missing(eval, samples.iter().map(|sample| &sample.labels))
}

fn missing<'a>(eval: &Eval, found: impl Iterator<Item = &'a Labels>) -> Checked {
    let found: Vec<&Labels> = found.collect();
    match eval.series.iter().find(|(_, labels, _)| !found.contains(&labels)) {
        Some((_, labels, points)) => Err(format!("missing series {labels} with {} values", points.len())),
        None => Ok(()),
    }
}

fn matrix(eval: &Eval, series: &[MatrixSeries]) -> Checked {
    if eval.is_ordered() || eval.scalar.is_some() {
        return Err("did not expect a matrix".into());
    }
    if series.windows(2).any(|pair| compare_by_name(&pair[0].labels, &pair[1].labels).is_gt()) {
        return Err("series are not sorted by labels".into());
    }
    for found in series {
        let labels = &found.labels;
        let Some((_, _, points)) = eval.series.iter().find(|(_, expected, _)| expected == labels) else {
            return Err(format!("unexpected series {labels}: {:?}", found.floats));
        };
        let times = (0..).map(|at: i64| eval.start + at * eval.step);
        let expected: Vec<(i64, &Point)> =
            times.zip(points).filter(|(_, point)| !matches!(point, Point::Omitted)).collect();
        let mut all: Vec<(i64, Value)> =
            found.floats.iter().map(|(time, value)| (*time, Value::Float(*value))).collect();
        all.extend(
            found.histograms.iter().map(|(time, histogram)| (*time, Value::Histogram(histogram.clone()))),
        );
        all.sort_by_key(|(time, _)| *time);
        let found_times: Vec<i64> = all.iter().map(|(time, _)| *time).collect();
        let expected_times: Vec<i64> = expected.iter().map(|(time, _)| *time).collect();
        if found_times != expected_times {
            return Err(format!("{labels}: expected values at {expected_times:?}, got {:?}", found.floats));
        }
        for ((time, point), (_, value)) in expected.iter().zip(&all) {
            same_value(point, value).map_err(|error| format!("{labels} at {time}: {error}"))?;
        }
    }
    missing(eval, series.iter().map(|series| &series.labels))
}

/// The middle step of a range query against the answer of the instant query.
pub(super) fn middle(eval: &Eval, found: &QueryValue) -> Checked {
    let QueryValue::Matrix(series) = found else { return Err("expected a matrix".into()) };
    let mut samples = Vec::new();
    for series in series {
        let float =
            series.floats.iter().find(|(time, _)| *time == eval.time).map(|(_, value)| Value::Float(*value));
        let histogram = series.histograms.iter().find(|(time, _)| *time == eval.time);
        let value = float.or(histogram.map(|(_, histogram)| Value::Histogram(histogram.clone())));
        samples.extend(value.map(|value| VectorSample {
            labels: series.labels.clone(),
            timestamp: eval.time,
            value,
        }));
    }
    match (eval.scalar, &samples[..]) {
        (Some(expected), [VectorSample { value: Value::Float(found), .. }]) if almost(expected, *found) => {
            Ok(())
        }
        (Some(expected), found) => Err(format!("expected scalar {expected}, got {found:?}")),
        (None, _) => vector(eval, &samples),
    }
}

/// Whether two ways to the same answer have led to the same bits, annotations and counts.
pub(super) fn same(one: &QueryResult, other: &QueryResult) -> Result<(), String> {
    let differs = |what: &str, one: String, other: String| {
        Err(format!("{what} where the series are: {one}; all series read: {other}"))
    };
    let text = |result: &QueryResult| format!("{:?}", result.value);
    if text(one) != text(other) {
        return differs("value", text(one), text(other));
    }
    if one.annotations != other.annotations {
        return differs("annotations", format!("{:?}", one.annotations), format!("{:?}", other.annotations));
    }
    let (mine, theirs) = (one.stats.total_queryable_samples, other.stats.total_queryable_samples);
    if mine != theirs { differs("samples", mine.to_string(), theirs.to_string()) } else { Ok(()) }
}

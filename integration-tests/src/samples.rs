//! Raw samples as query answers give them, in a form that two servers' answers can be compared in.
//!
//! A matrix becomes a map from label set to (milliseconds, point). A float point is its 64 bits; a histogram point is
//! the JSON that the server printed with its object keys sorted, in which every number is a shortest round-trip text.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::http::Reply;

/// Labels as sorted `name="value"` text.
pub type SeriesKey = String;

/// A value at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The bits of a float. Every NaN is the same here, because JSON tells only that it is one.
    Float(u64),
    /// A native histogram.
    Histogram(String),
}

/// Every sample of an answer. A timestamp that an answer repeats is an error of [`matrix`].
pub type Matrix = BTreeMap<SeriesKey, BTreeMap<i64, Point>>;

/// Reads the answer to an instant query of a range selector.
pub fn matrix(reply: &Reply) -> Result<Matrix> {
    ensure!(reply.status == 200, "the query answered {reply}");
    let json = reply.json()?;
    ensure!(json["status"] == "success", "the query answered {reply}");
    ensure!(
        json["data"]["resultType"] == "matrix",
        "expected a matrix, found {}",
        json["data"]["resultType"]
    );
    let mut matrix = Matrix::new();
    for series in json["data"]["result"].as_array().context("no result")? {
        let key = series_key(&series["metric"])?;
        let mut points = BTreeMap::new();
        for (member, histogram) in [("values", false), ("histograms", true)] {
            for pair in series[member].as_array().into_iter().flatten() {
                let at = milliseconds(&pair[0])?;
                let point = if histogram { Point::Histogram(sorted(&pair[1])) } else { float(&pair[1])? };
                ensure!(points.insert(at, point).is_none(), "{key} has two samples at {at}");
            }
        }
        ensure!(matrix.insert(key.clone(), points).is_none(), "{key} is in the answer twice");
    }
    Ok(matrix)
}

/// The label set of a `metric` object as one text.
pub fn series_key(metric: &Value) -> Result<SeriesKey> {
    let labels = metric.as_object().context("a metric is an object")?;
    let mut parts: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parts.sort_unstable();
    Ok(parts.join(","))
}

fn float(value: &Value) -> Result<Point> {
    let text = value.as_str().context("a value is a string")?;
    let value: f64 = text.parse().with_context(|| format!("{text:?} is no number"))?;
    Ok(Point::Float(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }))
}

fn milliseconds(seconds: &Value) -> Result<i64> {
    let seconds = seconds.as_f64().context("a time is a number")?;
    Ok((seconds * 1000.0).round() as i64)
}

/// JSON text with sorted keys (the workspace keeps the order of objects otherwise).
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, &Value> = members.iter().collect();
            let members = members.into_iter().map(|(key, value)| format!("{key}: {}", sorted(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Fails with the first differences when the two are not the same. `left` and `right` name the servers.
pub fn ensure_same(left: &str, expected: &Matrix, right: &str, found: &Matrix) -> Result<()> {
    let mut differences = Vec::new();
    for (key, points) in expected {
        match found.get(key) {
            None => differences.push(format!("{right} lacks the series {key} ({} samples)", points.len())),
            Some(other) if other != points => {
                differences.push(first_difference(key, left, points, right, other))
            }
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|key| !expected.contains_key(*key));
    differences.extend(extra.map(|key| format!("{left} lacks the series {key}")));
    if differences.is_empty() {
        return Ok(());
    }
    let count = differences.len();
    differences.truncate(12);
    bail!(
        "{count} series differ ({left} has {}, {right} has {}):\n  {}",
        expected.len(),
        found.len(),
        differences.join("\n  ")
    )
}

fn first_difference(
    key: &str,
    left: &str,
    expected: &BTreeMap<i64, Point>,
    right: &str,
    found: &BTreeMap<i64, Point>,
) -> String {
    let times = expected.keys().chain(found.keys()).filter(|at| expected.get(*at) != found.get(*at));
    let different = times.clone().collect::<std::collections::BTreeSet<_>>().len();
    let at = times.min().copied().unwrap_or_default();
    format!(
        "{key}: {different} of {} samples differ, first at {at}: {left} {:?}, {right} {:?}",
        expected.len(),
        expected.get(&at),
        found.get(&at)
    )
}

/// How many samples there are.
pub fn count(matrix: &Matrix) -> usize {
    matrix.values().map(BTreeMap::len).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn reply(body: &str) -> Reply {
        Reply {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
        }
    }

    fn answer(value: &str) -> Reply {
        reply(&format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[
                {{"metric":{{"b":"2","a":"1"}},"values":[[1.001,"{value}"],[2,"NaN"]]}}]}}}}"#
        ))
    }

    #[test]
    fn one_bit_makes_a_difference() {
        let expected = matrix(&answer("0.1")).unwrap();
        assert_eq!(count(&expected), 2);
        assert!(expected.contains_key(r#"a="1",b="2""#));
        ensure_same("left", &expected, "right", &matrix(&answer("0.1")).unwrap()).unwrap();
        let error = ensure_same("left", &expected, "right", &matrix(&answer("0.10000000000000002")).unwrap());
        assert!(error.unwrap_err().to_string().contains("1 of 2 samples differ, first at 1001"));
    }

    #[test]
    fn a_repeated_timestamp_is_an_error() {
        let body = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{},"values":[[1,"1"],[1,"1"]]}]}}"#;
        assert!(matrix(&reply(body)).is_err());
    }
}

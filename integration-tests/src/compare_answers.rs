//! Answers of the query API read into values, and compared: same series, same times, values within a tolerance.
//!
//! An [`Answer`] keeps the order of its series, since `sort` and `topk` mean it; [`differences`] compares sets of series and
//! [`order_differs`] the order of those that both have. A failure equals a failure: texts and kinds of errors are the caller's
//! to compare. Notes (warnings and infos) are apart from the data in [`note_differences`], because servers word them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;

use crate::samples::{SeriesKey, series_key};

/// How far two values may be apart, relative to the larger: sums in another order, not another meaning.
pub const TOLERANCE: f64 = 1e-12;

/// What a server answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The data, or why there are none.
    pub outcome: Result<Data, Failure>,
    /// The member `warnings`.
    pub warnings: BTreeSet<String>,
    /// The member `infos`.
    pub infos: BTreeSet<String>,
}

/// Why a query failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The member `errorType`.
    pub kind: String,
    /// The member `error`.
    pub message: String,
}

/// The member `data` of a query's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The member `resultType`.
    pub kind: String,
    /// Series in the order of the answer; a scalar or a string is one series without labels.
    pub series: Vec<Series>,
}

/// A series and its points by time in milliseconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Labels.
    pub labels: SeriesKey,
    /// Labels by name.
    pub pairs: BTreeMap<String, String>,
    /// Points.
    pub points: BTreeMap<i64, Point>,
}

/// A value at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    /// A float.
    Float(f64),
    /// The text of a string literal.
    Text(String),
    /// A native histogram.
    Histogram(Histogram),
}

/// A native histogram as the API shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Which ends belong to the bucket (0 to 3), lower bound, upper bound, count.
    pub buckets: Vec<(i64, f64, f64, f64)>,
}

impl Answer {
    /// Reads the body of `query` or `query_range`.
    pub fn of(json: &Json) -> Result<Self> {
        let notes = |member: &str| {
            let texts = json[member].as_array().into_iter().flatten();
            texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
        };
        let text = |member: &str| json[member].as_str().unwrap_or_default().to_owned();
        let outcome = match json["status"].as_str() {
            Some("success") => Ok(Data::of(&json["data"])?),
            Some("error") => Err(Failure { kind: text("errorType"), message: text("error") }),
            _ => bail!("no status in {json}"),
        };
        Ok(Self { outcome, warnings: notes("warnings"), infos: notes("infos") })
    }

    /// Points of all series.
    pub fn points(&self) -> usize {
        self.outcome.as_ref().map_or(0, |data| data.series.iter().map(|series| series.points.len()).sum())
    }
}

impl Data {
    fn of(data: &Json) -> Result<Self> {
        let kind = data["resultType"].as_str().context("no resultType")?.to_owned();
        let result = &data["result"];
        if kind == "scalar" || kind == "string" {
            let points = BTreeMap::from([(milliseconds(&result[0])?, single(&kind, &result[1])?)]);
            return Ok(Self { kind, series: vec![Series { points, ..Series::default() }] });
        }
        let series: Result<Vec<Series>> =
            result.as_array().context("no result")?.iter().map(Series::of).collect();
        let series = series?;
        let distinct: BTreeSet<&SeriesKey> = series.iter().map(|series| &series.labels).collect();
        ensure!(distinct.len() == series.len(), "a series is in the answer twice: {data}");
        Ok(Self { kind, series })
    }

    fn by_labels(&self) -> BTreeMap<&SeriesKey, &Series> {
        self.series.iter().map(|series| (&series.labels, series)).collect()
    }
}

impl Series {
    fn of(json: &Json) -> Result<Self> {
        let labels = series_key(&json["metric"])?;
        let many = ["values", "histograms"].map(|member| json[member].as_array().into_iter().flatten());
        let one = ["value", "histogram"].map(|member| json.get(member));
        let mut points = BTreeMap::new();
        for pair in many.into_iter().flatten().chain(one.into_iter().flatten()) {
            let at = milliseconds(&pair[0])?;
            let twice = points.insert(at, Point::of(&pair[1])?);
            ensure!(twice.is_none(), "{labels} has two points at {at}");
        }
        let pair = |(name, value): (&String, &Json)| Some((name.clone(), value.as_str()?.to_owned()));
        let pairs = json["metric"].as_object().into_iter().flatten().filter_map(pair).collect();
        Ok(Self { labels, pairs, points })
    }
}

impl Point {
    fn of(json: &Json) -> Result<Self> {
        if json.is_string() {
            return Ok(Self::Float(number(json)?));
        }
        let buckets = json["buckets"].as_array().into_iter().flatten().map(|bucket| {
            let ends = bucket[0].as_i64().context("the first of a bucket is an integer")?;
            Ok((ends, number(&bucket[1])?, number(&bucket[2])?, number(&bucket[3])?))
        });
        Ok(Self::Histogram(Histogram {
            count: number(&json["count"])?,
            sum: number(&json["sum"])?,
            buckets: buckets.collect::<Result<_>>()?,
        }))
    }

    /// Whether the two are the same within a relative tolerance. NaN is NaN.
    pub fn is_close(&self, other: &Self, tolerance: f64) -> bool {
        match (self, other) {
            (Self::Float(left), Self::Float(right)) => is_close(*left, *right, tolerance),
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::Histogram(left), Self::Histogram(right)) => left.is_close(right, tolerance),
            _ => false,
        }
    }
}

impl Histogram {
    fn is_close(&self, other: &Self, tolerance: f64) -> bool {
        is_close(self.count, other.count, tolerance)
            && is_close(self.sum, other.sum, tolerance)
            && self.buckets.len() == other.buckets.len()
            && self.buckets.iter().zip(&other.buckets).all(|(left, right)| {
                left.0 == right.0
                    && is_close(left.1, right.1, tolerance)
                    && is_close(left.2, right.2, tolerance)
                    && is_close(left.3, right.3, tolerance)
            })
    }
}

/// Whether two floats are the same within a relative tolerance. NaN is NaN.
pub fn is_close(left: f64, right: f64, tolerance: f64) -> bool {
    left == right
        || (left.is_nan() && right.is_nan())
        || (left.is_finite() && right.is_finite())
            && (left - right).abs() <= tolerance * left.abs().max(right.abs())
}

fn single(kind: &str, json: &Json) -> Result<Point> {
    if kind == "string" {
        return Ok(Point::Text(json.as_str().context("a string")?.to_owned()));
    }
    Point::of(json)
}

fn number(json: &Json) -> Result<f64> {
    let text = json.as_str().context("a value is a string")?;
    text.parse().with_context(|| format!("{text:?} is no number"))
}

fn milliseconds(seconds: &Json) -> Result<i64> {
    Ok((seconds.as_f64().context("a time is a number")? * 1000.0).round() as i64)
}

/// How the data of two answers differ, a line for each series; empty when they are the same. Two failures are the same.
pub fn differences(expected: &Answer, found: &Answer, tolerance: f64) -> Vec<String> {
    let (expected, found) = match (&expected.outcome, &found.outcome) {
        (Ok(expected), Ok(found)) => (expected, found),
        (Err(_), Err(_)) => return Vec::new(),
        (Err(failure), Ok(data)) => {
            return vec![format!("expected to fail ({}), has {} series", failure.message, data.series.len())];
        }
        (Ok(data), Err(failure)) => {
            return vec![format!("fails ({}), expected {} series", failure.message, data.series.len())];
        }
    };
    if expected.kind != found.kind {
        return vec![format!("is a {}, expected a {}", found.kind, expected.kind)];
    }
    let (expected, found) = (expected.by_labels(), found.by_labels());
    let mut lines: Vec<String> = Vec::new();
    for (labels, series) in &expected {
        match found.get(labels) {
            None => {
                lines.push(format!(
                    "lacks {{{labels}}} with {} points: {}",
                    series.points.len(),
                    first(series)
                ));
            }
            Some(other) => lines.extend(first_difference(series, other, tolerance)),
        }
    }
    let extra = found.iter().filter(|(labels, _)| !expected.contains_key(**labels));
    lines.extend(extra.map(|(labels, series)| {
        format!("has also {{{labels}}} with {} points: {}", series.points.len(), first(series))
    }));
    lines
}

fn first(series: &Series) -> String {
    series.points.iter().next().map_or_else(String::new, |(at, point)| format!("{point:?} at {at}"))
}

fn first_difference(expected: &Series, found: &Series, tolerance: f64) -> Option<String> {
    let times: BTreeSet<i64> = expected.points.keys().chain(found.points.keys()).copied().collect();
    let differ = |at: &i64| match (expected.points.get(at), found.points.get(at)) {
        (Some(left), Some(right)) => !left.is_close(right, tolerance),
        _ => true,
    };
    let different: Vec<i64> = times.iter().copied().filter(|at| differ(at)).collect();
    let at = different.first()?;
    let shown =
        |series: &Series| series.points.get(at).map_or("nothing".into(), |point| format!("{point:?}"));
    Some(format!(
        "{{{}}} differs at {} of {} times, first at {at}: {}, expected {}",
        expected.labels,
        different.len(),
        times.len(),
        shown(found),
        shown(expected)
    ))
}

/// Whether two answers list the series that both have in different orders.
pub fn order_differs(expected: &Answer, found: &Answer) -> bool {
    let (Ok(expected), Ok(found)) = (&expected.outcome, &found.outcome) else { return false };
    let (left, right) = (expected.by_labels(), found.by_labels());
    let both = |data: &Data| {
        let labels = data.series.iter().map(|series| series.labels.clone());
        labels.filter(|labels| left.contains_key(labels) && right.contains_key(labels)).collect::<Vec<_>>()
    };
    both(expected) != both(found)
}

/// How warnings and infos differ, a line for each. Where a server left some out, only how many is compared.
pub fn note_differences(expected: &Answer, found: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, expected, found) in
        [("warning", &expected.warnings, &found.warnings), ("info", &expected.infos, &found.infos)]
    {
        let omitted = |notes: &BTreeSet<String>| {
            notes
                .iter()
                .find(|note| note.ends_with("annotations omitted"))
                .cloned()
                .map(|note| (notes.len(), note))
        };
        if omitted(expected).is_some() || omitted(found).is_some() {
            if omitted(expected) != omitted(found) {
                lines.push(format!("{} {kind}s, expected {}", found.len(), expected.len()));
            }
            continue;
        }
        lines.extend(expected.difference(found).map(|note| format!("lacks the {kind} {note:?}")));
        lines.extend(found.difference(expected).map(|note| format!("has also the {kind} {note:?}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matrix(value: &str) -> Answer {
        let series = json!({"metric": {"a": "1"}, "values": [[1, value], [2.001, "NaN"]]});
        Answer::of(&json!({"status": "success", "data": {"resultType": "matrix", "result": [series]}}))
            .unwrap()
    }

    fn failed() -> Answer {
        Answer::of(&json!({"status": "error", "errorType": "execution", "error": "no", "infos": ["i"]}))
            .unwrap()
    }

    #[test]
    fn values_are_compared_within_the_tolerance() {
        assert_eq!(differences(&matrix("0.1"), &matrix("0.10000000000000002"), TOLERANCE), [""; 0]);
        let lines = differences(&matrix("0.1"), &matrix("0.100000000001"), TOLERANCE);
        assert!(lines[0].starts_with("{a=\"1\"} differs at 1 of 2 times, first at 1000"), "{lines:?}");
        assert_eq!(differences(&matrix("+Inf"), &matrix("1"), TOLERANCE).len(), 1);
        assert_eq!(matrix("1").points(), 2);
    }

    #[test]
    fn a_failure_is_no_data() {
        assert_eq!(differences(&failed(), &failed(), TOLERANCE), [""; 0]);
        assert_eq!(differences(&failed(), &matrix("1"), TOLERANCE).len(), 1);
        assert_eq!(differences(&matrix("1"), &failed(), TOLERANCE).len(), 1);
        assert_eq!(note_differences(&failed(), &matrix("1")), ["lacks the info \"i\""]);
    }

    #[test]
    fn histograms_and_orders_are_compared() {
        let vector = |count: &str, names: [&str; 2]| {
            let histogram = json!({"count": count, "sum": "3", "buckets": [[1, "-1", "1", count]]});
            let series = names.map(|name| json!({"metric": {"a": name}, "histogram": [1, histogram]}));
            Answer::of(&json!({"status": "success", "data": {"resultType": "vector", "result": series}}))
                .unwrap()
        };
        assert_eq!(differences(&vector("2", ["x", "y"]), &vector("2", ["y", "x"]), TOLERANCE), [""; 0]);
        assert!(order_differs(&vector("2", ["x", "y"]), &vector("2", ["y", "x"])));
        assert!(!order_differs(&vector("2", ["x", "y"]), &vector("2", ["x", "z"])));
        assert_eq!(differences(&vector("2", ["x", "y"]), &vector("3", ["x", "y"]), TOLERANCE).len(), 2);
    }
}

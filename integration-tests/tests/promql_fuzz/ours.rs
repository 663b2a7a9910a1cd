//! Our engine over the same samples in memory, and its answers in the form of the API's.

use std::collections::BTreeSet;

use narthex_integration_tests::{
    compare_answers::{Answer, Data, Failure, Histogram, Point, Series},
    generated::GeneratedSeries,
    reference::Question,
};
use narthex_model::{Counts, Labels, TimestampMs, Value};
use narthex_promql::{
    Control, Engine, EvalError, Expr, QueryResult, QueryValue, SeriesSource, bucket_views, parse,
    promqltest::MemorySource,
};

/// As many annotations of a kind as Prometheus shows.
const ANNOTATIONS: usize = 10;

/// The samples, as storage.
pub(crate) fn source(series: &[GeneratedSeries]) -> MemorySource {
    let mut source = MemorySource::default();
    for series in series {
        let labels = Labels::from_pairs(series.labels.iter().map(|(name, value)| (name, value)));
        let floats = series.floats.iter().map(|(at, value)| (TimestampMs(*at), Value::Float(*value)));
        let histograms = series.histograms.iter();
        let histograms =
            histograms.map(|(at, histogram)| (TimestampMs(*at), Value::Histogram(histogram.clone().into())));
        source.insert(labels, floats.chain(histograms));
    }
    source
}

/// Our answer.
pub(crate) async fn ask(source: &MemorySource, question: &Question<'_>) -> Answer {
    let query = match *question {
        Question::Instant { query, .. } | Question::Range { query, .. } => query,
    };
    let expr = match parse(query) {
        Ok(expr) => expr,
        Err(error) => return failed("bad_data", format!("invalid parameter \"query\": {error}")),
    };
    answer_of(&Engine::default(), source, &expr, question).await
}

/// The answer of an engine to what a question's query was parsed to.
pub(crate) async fn answer_of(
    engine: &Engine,
    source: &dyn SeriesSource,
    expr: &Expr,
    question: &Question<'_>,
) -> Answer {
    let control = Control::default();
    let result = match *question {
        Question::Instant { at, .. } => engine.instant(source, expr, TimestampMs(at), &control).await,
        Question::Range { start, end, step, .. } => {
            engine.range(source, expr, TimestampMs(start), TimestampMs(end), step, &control).await
        }
    };
    match result {
        Ok(result) => answer(result),
        Err(error @ EvalError::BadData(_)) => failed("bad_data", error.to_string()),
        Err(error) => failed("execution", error.to_string()),
    }
}

fn failed(kind: &str, message: String) -> Answer {
    let failure = Failure { kind: kind.to_owned(), message };
    Answer { outcome: Err(failure), warnings: BTreeSet::new(), infos: BTreeSet::new() }
}

fn answer(result: QueryResult) -> Answer {
    let (kind, series) = match result.value {
        QueryValue::Scalar { timestamp, value } => {
            ("scalar", vec![(Labels::EMPTY, vec![(timestamp, Point::Float(value))])])
        }
        QueryValue::String { timestamp, value } => {
            ("string", vec![(Labels::EMPTY, vec![(timestamp, Point::Text(value))])])
        }
        QueryValue::Vector(samples) => {
            let series = samples
                .into_iter()
                .map(|sample| (sample.labels, vec![(sample.timestamp, point(sample.value))]));
            ("vector", series.collect())
        }
        QueryValue::Matrix(series) => {
            let series = series.into_iter().map(|series| {
                let floats = series.floats.into_iter().map(|(at, value)| (at, Point::Float(value)));
                let histograms =
                    series.histograms.into_iter().map(|(at, value)| (at, point(Value::Histogram(value))));
                (series.labels, floats.chain(histograms).collect::<Vec<_>>())
            });
            ("matrix", series.collect())
        }
    };
    let key = |labels: &Labels| {
        let pairs = labels.iter().map(|(name, value)| (name.to_owned(), value.into()));
        narthex_integration_tests::samples::series_key(&serde_json::Value::Object(pairs.collect()))
    };
    let series = series.into_iter().map(|(labels, points): (Labels, Vec<_>)| Series {
        labels: key(&labels).expect("labels are texts"),
        pairs: labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        points: points.into_iter().collect(),
    });
    Answer {
        outcome: Ok(Data { kind: kind.to_owned(), series: series.collect() }),
        warnings: shown(result.annotations.warnings, "warning"),
        infos: shown(result.annotations.infos, "info"),
    }
}

fn shown(mut texts: Vec<String>, word: &str) -> BTreeSet<String> {
    if texts.len() > ANNOTATIONS {
        let omitted = format!("{} more {word} annotations omitted", texts.len() - ANNOTATIONS);
        texts.truncate(ANNOTATIONS);
        texts.push(omitted);
    }
    texts.into_iter().collect()
}

fn point(value: Value) -> Point {
    let histogram = match value {
        Value::Float(value) => return Point::Float(value),
        Value::Histogram(histogram) => histogram,
    };
    let count = match &histogram.counts {
        Counts::Int { total, .. } => *total as f64,
        Counts::Float { total, .. } => *total,
    };
    let buckets = bucket_views(&histogram);
    let buckets = buckets
        .into_iter()
        .map(|bucket| (bucket.boundaries as i64, bucket.lower, bucket.upper, bucket.count));
    Point::Histogram(Histogram { count, sum: histogram.sum, buckets: buckets.collect() })
}

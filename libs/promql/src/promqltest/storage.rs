//! The data of a script, as a source. Histograms get the reset hints that Prometheus's storage would give them.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use narthex_model::{
    CounterResetHint, Labels, Matcher, TimeRange, TimestampMs, Value, is_stale, stale_marker,
};

use super::series::Point;
use crate::{
    engine::{Control, Fragment, FragmentAnswer, FragmentRun},
    histogram::FloatHistogram,
    source::{SelectedSeries, Selection, SeriesData, SeriesSource, SourceError, StartTimestamps},
};

/// A series line of a `load`, with its timestamps.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) labels: Labels,
    pub(super) points: Vec<(i64, Point)>,
    /// When counts began, by the samples' times, as far as it is given.
    pub(super) starts: BTreeMap<i64, i64>,
}

#[derive(Debug, Clone)]
enum Stored {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// The samples of a series by time, and when their counts began, as far as it is known.
#[derive(Debug, Default)]
struct Samples {
    stored: BTreeMap<i64, Stored>,
    starts: BTreeMap<i64, i64>,
}

/// Series in memory.
#[derive(Debug, Default)]
pub struct MemorySource {
    series: BTreeMap<Labels, Samples>,
}

impl MemorySource {
    /// Adds samples to a series; a later one at the same time replaces an earlier one.
    pub fn insert(&mut self, labels: Labels, samples: impl IntoIterator<Item = (TimestampMs, Value)>) {
        let series = self.series.entry(labels).or_default();
        for (time, value) in samples {
            let stored = match value {
                Value::Float(value) => series.float(time.0, value),
                Value::Histogram(histogram) => {
                    Stored::Histogram(Arc::new(FloatHistogram::from_model(&histogram)))
                }
            };
            series.stored.insert(time.0, stored);
        }
        set_hints(&mut series.stored);
    }

    /// Adds a loaded series.
    pub(super) fn add(&mut self, loaded: Loaded) {
        let series = self.series.entry(loaded.labels).or_default();
        series.starts.extend(loaded.starts);
        for (time, point) in loaded.points {
            let stored = match point {
                Point::Omitted => continue,
                Point::Float(value) => series.float(time, value),
                Point::Histogram(described) => Stored::Histogram(Arc::new(described.histogram)),
            };
            series.stored.insert(time, stored);
        }
        set_hints(&mut series.stored);
    }
}

impl Samples {
    /// What is stored for a float: a series of histograms ends with a histogram.
    fn float(&self, time: i64, value: f64) -> Stored {
        let after_histogram =
            matches!(self.stored.range(..time).next_back(), Some((_, Stored::Histogram(_))));
        if is_stale(value) && after_histogram {
            let stale = FloatHistogram { sum: stale_marker(), ..FloatHistogram::default() };
            return Stored::Histogram(Arc::new(stale));
        }
        Stored::Float(value)
    }

    fn select(&self, labels: &Labels, range: &TimeRange) -> SeriesData {
        let mut data = SeriesData { labels: labels.clone(), ..SeriesData::default() };
        let mut starts = StartTimestamps::default();
        for (time, stored) in self.stored.iter().filter(|(time, _)| range.contains(TimestampMs(**time))) {
            let start = self.starts.get(time).copied().unwrap_or_default();
            match stored {
                Stored::Float(value) => {
                    data.timestamps.push(*time);
                    data.values.push(*value);
                    starts.floats.push(start);
                }
                Stored::Histogram(histogram) => {
                    data.histograms.push((*time, (&histogram.to_model()).into()));
                    starts.histograms.push(start);
                }
            }
        }
        if !self.starts.is_empty() {
            data.starts = Some(Box::new(starts));
        }
        data
    }
}

fn set_hints(samples: &mut BTreeMap<i64, Stored>) {
    let mut previous: Option<Arc<FloatHistogram>> = None;
    for stored in samples.values_mut() {
        let Stored::Histogram(histogram) = stored else {
            previous = None;
            continue;
        };
        if !is_stale(histogram.sum) && histogram.hint != CounterResetHint::Gauge {
            let known = previous.as_deref();
            let known =
                known.filter(|previous| previous.hint != CounterResetHint::Gauge && !is_stale(previous.sum));
            let hint = match known {
                _ if histogram.hint == CounterResetHint::Reset => CounterResetHint::Reset,
                None => CounterResetHint::Unknown,
                Some(previous) if starts_anew(histogram, previous) => CounterResetHint::Unknown,
                Some(_) => CounterResetHint::NotReset,
            };
            Arc::make_mut(histogram).hint = hint;
        }
        previous = Some(Arc::clone(histogram));
    }
}

/// Whether a storage of counters must start a new chunk, and so a new count, for a histogram.
fn starts_anew(histogram: &FloatHistogram, previous: &FloatHistogram) -> bool {
    let unhinted = FloatHistogram { hint: CounterResetHint::Unknown, ..histogram.clone() };
    histogram.schema != previous.schema
        || histogram.zero_threshold != previous.zero_threshold
        || histogram.custom != previous.custom
        || unhinted.detect_reset(previous)
}

#[async_trait]
impl SeriesSource for MemorySource {
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError> {
        let mut selected = SelectedSeries::default();
        for (labels, samples) in &self.series {
            if !Matcher::all_match(&request.matchers, labels) {
                continue;
            }
            selected.series.push(samples.select(labels, &request.range));
        }
        Ok(selected)
    }

    /// The series lie in three places, which answer in bytes.
    async fn aggregate(&self, fragment: &Fragment) -> Result<Option<FragmentAnswer>, SourceError> {
        let fault = |error: &dyn std::fmt::Display| SourceError::Internal(error.to_string());
        let mut answer = FragmentAnswer::default();
        for place in 0..PLACES {
            let mut run = FragmentRun::new(fragment, &Control::default()).map_err(|error| fault(&error))?;
            let range = fragment.range();
            for (at, (labels, samples)) in self.series.iter().enumerate() {
                if labels.series_hash().0 % PLACES == place && Matcher::all_match(&fragment.matchers, labels)
                {
                    run.add(at, samples.select(labels, &range)).map_err(|error| fault(&error))?;
                }
            }
            let mut decoded = FragmentAnswer::default();
            for message in run.finish().map_err(|error| fault(&error))?.encode() {
                decoded.decode(&message, fragment).map_err(|error| fault(&error))?;
            }
            answer.merge(decoded, fragment);
        }
        Ok(Some(answer))
    }
}

/// In how many places the series lie.
const PLACES: u64 = 3;

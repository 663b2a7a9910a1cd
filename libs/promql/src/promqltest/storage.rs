//! The data of a script, as a source. Histograms get the reset hints that Prometheus's storage would give them.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use narthex_model::{CounterResetHint, Labels, Matcher, TimestampMs, is_stale, stale_marker};

use super::series::Point;
use crate::{
    histogram::FloatHistogram,
    source::{SelectedSeries, Selection, SeriesData, SeriesSource, SourceError},
};

/// A series line of a `load`, with its timestamps.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) labels: Labels,
    pub(super) points: Vec<(i64, Point)>,
}

#[derive(Debug, Clone)]
enum Stored {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// Series in memory.
#[derive(Debug, Default)]
pub struct MemorySource {
    series: BTreeMap<Labels, BTreeMap<i64, Stored>>,
}

impl MemorySource {
    /// Adds a loaded series.
    pub(super) fn add(&mut self, loaded: Loaded) {
        let samples = self.series.entry(loaded.labels).or_default();
        for (time, point) in loaded.points {
            match point {
                Point::Omitted => {}
                Point::Float(value) => {
                    // A series of histograms ends with a histogram.
                    let after_histogram =
                        matches!(samples.range(..time).next_back(), Some((_, Stored::Histogram(_))));
                    let stored = if is_stale(value) && after_histogram {
                        let stale = FloatHistogram { sum: stale_marker(), ..FloatHistogram::default() };
                        Stored::Histogram(Arc::new(stale))
                    } else {
                        Stored::Float(value)
                    };
                    samples.insert(time, stored);
                }
                Point::Histogram(described) => {
                    samples.insert(time, Stored::Histogram(Arc::new(described.histogram)));
                }
            }
        }
        set_hints(samples);
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
            let mut data = SeriesData { labels: labels.clone(), ..SeriesData::default() };
            for (time, stored) in
                samples.iter().filter(|(time, _)| request.range.contains(TimestampMs(**time)))
            {
                match stored {
                    Stored::Float(value) => {
                        data.timestamps.push(*time);
                        data.values.push(*value);
                    }
                    Stored::Histogram(histogram) => {
                        data.histograms.push((*time, Arc::new(histogram.to_model())))
                    }
                }
            }
            selected.series.push(data);
        }
        Ok(selected)
    }
}

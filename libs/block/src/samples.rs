//! Samples of one series as the writer takes them and the reader gives them.

use std::sync::Arc;

use narthex_model::{Histogram, TimeRange, TimestampMs, Value, resolve};

/// Samples of one series, borrowed. Timestamps ascend strictly in both parts and no timestamp is in both.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeriesSamples<'a> {
    /// When the floats are, in milliseconds.
    pub timestamps: &'a [i64],
    /// The floats; as many as timestamps.
    pub values: &'a [f64],
    /// Native histograms with their timestamps.
    pub histograms: &'a [(i64, Arc<Histogram>)],
}

impl SeriesSamples<'_> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.timestamps.len() + self.histograms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First and last timestamp; `None` without samples.
    pub fn time_range(&self) -> Option<TimeRange> {
        let histogram = |at: Option<&(i64, Arc<Histogram>)>| at.map(|(at, _)| *at);
        let min = [self.timestamps.first().copied(), histogram(self.histograms.first())];
        let max = [self.timestamps.last().copied(), histogram(self.histograms.last())];
        let min = min.into_iter().flatten().min()?;
        let max = max.into_iter().flatten().max()?;
        Some(TimeRange { min: TimestampMs(min), max: TimestampMs(max) })
    }

    /// Why a block cannot hold these samples.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.timestamps.len() != self.values.len() {
            return Err("as many values as timestamps are needed");
        }
        if !self.timestamps.is_sorted_by(|a, b| a < b) {
            return Err("timestamps of floats do not ascend");
        }
        if !self.histograms.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("timestamps of histograms do not ascend");
        }
        if self.histograms.iter().any(|(at, _)| self.timestamps.binary_search(at).is_ok()) {
            return Err("a timestamp has both a float and a histogram");
        }
        Ok(())
    }

    /// The samples up to the last one whose time is `inside`, and the others.
    pub(crate) fn split(&self, inside: impl Fn(i64) -> bool) -> (Self, Self) {
        let floats = self.timestamps.partition_point(|at| inside(*at));
        let histograms = self.histograms.partition_point(|(at, _)| inside(*at));
        let (timestamps, later_timestamps) = self.timestamps.split_at(floats);
        let (values, later_values) = self.values.split_at(floats);
        let (histograms, later_histograms) = self.histograms.split_at(histograms);
        (
            Self { timestamps, values, histograms },
            Self { timestamps: later_timestamps, values: later_values, histograms: later_histograms },
        )
    }
}

/// Samples of one series, owned. Equality is by bits.
#[derive(Debug, Clone, Default)]
pub struct OwnedSamples {
    /// When the floats are, in milliseconds, ascending.
    pub timestamps: Vec<i64>,
    /// The floats; as many as timestamps.
    pub values: Vec<f64>,
    /// Native histograms with their timestamps, ascending.
    pub histograms: Vec<(i64, Arc<Histogram>)>,
}

impl OwnedSamples {
    /// The same samples, borrowed.
    pub fn as_samples(&self) -> SeriesSamples<'_> {
        SeriesSamples { timestamps: &self.timestamps, values: &self.values, histograms: &self.histograms }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.as_samples().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of one series as one: ascending, and of values that compete for a timestamp the one that [`resolve`] prefers.
    pub fn merged(mut rows: Vec<Self>) -> Self {
        if rows.len() == 1
            && let Some(row) = rows.pop()
        {
            return row;
        }
        let mut all: Vec<(i64, Value)> = Vec::with_capacity(rows.iter().map(Self::len).sum());
        for row in rows {
            let floats = row.timestamps.into_iter().zip(row.values);
            all.extend(floats.map(|(at, value)| (at, Value::Float(value))));
            all.extend(row.histograms.into_iter().map(|(at, histogram)| (at, Value::Histogram(histogram))));
        }
        // The preferred value last, so that it is the one that stays.
        all.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| resolve(left, right)));
        let mut merged = Self::default();
        let mut all = all.into_iter().peekable();
        while let Some((at, value)) = all.next() {
            if all.peek().is_some_and(|(next, _)| at == *next) {
                continue;
            }
            match value {
                Value::Float(value) => {
                    merged.timestamps.push(at);
                    merged.values.push(value);
                }
                Value::Histogram(histogram) => merged.histograms.push((at, histogram)),
            }
        }
        merged
    }

    /// Adds samples that come after all of these.
    pub fn append(&mut self, later: Self) {
        if self.is_empty() {
            *self = later;
            return;
        }
        self.timestamps.extend(later.timestamps);
        self.values.extend(later.values);
        self.histograms.extend(later.histograms);
    }
}

impl PartialEq for OwnedSamples {
    fn eq(&self, other: &Self) -> bool {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        self.timestamps == other.timestamps
            && bits(&self.values) == bits(&other.values)
            && self.histograms == other.histograms
    }
}

impl Eq for OwnedSamples {}

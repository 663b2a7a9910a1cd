//! What operators work on: one column per series, one row per step.
//!
//! A row is empty, a float or a histogram. Floats lie densely beside a byte of presence, so that float-only work never
//! touches the histograms, which exist only where a series has some.

use std::sync::Arc;

use narthex_model::Labels;

use crate::histogram::FloatHistogram;

/// The steps of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    /// First time in milliseconds.
    pub(super) start: i64,
    /// Distance in milliseconds, above zero.
    pub(super) step: i64,
    /// How many.
    pub(super) count: usize,
}

impl Steps {
    /// From `start` by `step` up to `end`; none if `end` is before `start`.
    pub(super) fn new(start: i64, end: i64, step: i64) -> Self {
        let step = step.max(1);
        let span = i128::from(end) - i128::from(start);
        let count =
            if span < 0 { 0 } else { usize::try_from(span / i128::from(step)).unwrap_or(usize::MAX - 1) + 1 };
        Self { start, step, count }
    }

    pub(super) fn single(self) -> Self {
        Self { count: self.count.min(1), ..self }
    }

    pub(super) fn time(self, at: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(at as i64))
    }

    /// Time of the last step (the first, if there are none).
    pub(super) fn end(self) -> i64 {
        self.time(self.count.saturating_sub(1))
    }
}

/// A value of one series at one step.
#[derive(Debug, Clone)]
pub(super) enum Sample {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// A borrowed [`Sample`].
#[derive(Debug, Clone, Copy)]
pub(super) enum SampleRef<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

impl SampleRef<'_> {
    pub(super) fn to_owned(self) -> Sample {
        match self {
            Self::Float(value) => Sample::Float(value),
            Self::Histogram(histogram) => Sample::Histogram(Arc::clone(histogram)),
        }
    }
}

const EMPTY: u8 = 0;
const FLOAT: u8 = 1;
const HISTOGRAM: u8 = 2;

/// Bytes of histograms that nobody else holds; others are counted where they are held first.
pub(super) fn histogram_bytes<'a>(histograms: impl Iterator<Item = &'a Arc<FloatHistogram>>) -> usize {
    /// A weight counts 16 bytes, and a bucket as half of what it occupies.
    const OF_WEIGHT: usize = 32;
    let own = histograms.filter(|histogram| Arc::strong_count(histogram) == 1);
    own.map(|histogram| histogram.weight() * OF_WEIGHT).sum()
}

/// One series over all steps.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) labels: Labels,
    /// The metric name (and type and unit) goes when the query is done.
    pub(super) drop_name: bool,
    kinds: Vec<u8>,
    floats: Vec<f64>,
    histograms: Vec<Option<Arc<FloatHistogram>>>,
}

impl Column {
    /// An empty column of `steps` rows.
    pub(super) fn new(labels: Labels, drop_name: bool, steps: usize) -> Self {
        Self {
            labels,
            drop_name,
            kinds: vec![EMPTY; steps],
            floats: vec![0.0; steps],
            histograms: Vec::new(),
        }
    }

    /// A column with a float in every row.
    pub(super) fn dense(labels: Labels, drop_name: bool, floats: Vec<f64>) -> Self {
        Self { labels, drop_name, kinds: vec![FLOAT; floats.len()], floats, histograms: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.kinds[at] != EMPTY
    }

    pub(super) fn get(&self, at: usize) -> Option<SampleRef<'_>> {
        match self.kinds[at] {
            FLOAT => Some(SampleRef::Float(self.floats[at])),
            HISTOGRAM => self.histograms[at].as_ref().map(SampleRef::Histogram),
            _ => None,
        }
    }

    /// The floats, if there is one in every row.
    pub(super) fn dense_floats(&self) -> Option<&[f64]> {
        self.kinds.iter().all(|kind| *kind == FLOAT).then_some(&self.floats)
    }

    /// Makes it the empty column of another series, which has as many rows.
    pub(super) fn reset(&mut self, labels: Labels, drop_name: bool) {
        self.labels = labels;
        self.drop_name = drop_name;
        self.kinds.fill(EMPTY);
        self.histograms.clear();
    }

    /// The float in a row, if there is one.
    pub(super) fn float(&self, at: usize) -> Option<f64> {
        (self.kinds[at] == FLOAT).then(|| self.floats[at])
    }

    pub(super) fn set_float(&mut self, at: usize, value: f64) {
        self.kinds[at] = FLOAT;
        self.floats[at] = value;
    }

    pub(super) fn set_histogram(&mut self, at: usize, histogram: Arc<FloatHistogram>) {
        if self.histograms.is_empty() {
            self.histograms = vec![None; self.kinds.len()];
        }
        self.kinds[at] = HISTOGRAM;
        self.histograms[at] = Some(histogram);
    }

    pub(super) fn set(&mut self, at: usize, sample: Sample) {
        match sample {
            Sample::Float(value) => self.set_float(at, value),
            Sample::Histogram(histogram) => self.set_histogram(at, histogram),
        }
    }

    pub(super) fn clear(&mut self, at: usize) {
        self.kinds[at] = EMPTY;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kinds.iter().all(|kind| *kind == EMPTY)
    }

    pub(super) fn has_histograms(&self) -> bool {
        !self.histograms.is_empty()
    }

    /// Changes floats in place; histograms go.
    pub(super) fn map_floats(&mut self, change: impl Fn(f64) -> f64) {
        for (kind, value) in self.kinds.iter_mut().zip(&mut self.floats) {
            match *kind {
                FLOAT => *value = change(*value),
                _ => *kind = EMPTY,
            }
        }
        self.histograms = Vec::new();
    }

    /// Rows that hold something, in order.
    pub(super) fn samples(&self) -> impl Iterator<Item = (usize, SampleRef<'_>)> {
        (0..self.kinds.len()).filter_map(|at| self.get(at).map(|sample| (at, sample)))
    }

    /// How many float samples the column weighs.
    pub(super) fn weight(&self) -> usize {
        let floats = self.kinds.iter().filter(|kind| **kind == FLOAT).count();
        let histograms = self.kinds.iter().zip(&self.histograms).filter(|(kind, _)| **kind == HISTOGRAM);
        floats
            + histograms
                .filter_map(|(_, histogram)| histogram.as_ref())
                .map(|histogram| histogram.weight())
                .sum::<usize>()
    }

    /// Bytes of a column of floats of so many rows, labels (which columns share) apart.
    pub(super) const fn bytes_of(steps: usize) -> usize {
        size_of::<Self>() + steps.saturating_mul(size_of::<u8>() + size_of::<f64>())
    }

    /// Bytes that the column occupies.
    pub(super) fn bytes(&self) -> usize {
        Self::bytes_of(self.kinds.len())
            + self.histograms.len() * size_of::<Option<Arc<FloatHistogram>>>()
            + histogram_bytes(self.histograms.iter().flatten())
    }

    /// Moves the rows of another column of the same series in; false if both have a row.
    pub(super) fn absorb(&mut self, other: &Self) -> bool {
        for (at, sample) in other.samples() {
            if self.has(at) {
                return false;
            }
            self.set(at, sample.to_owned());
        }
        true
    }

    /// The column with its only row repeated `steps` times.
    pub(super) fn broadcast(self, steps: usize) -> Self {
        let mut out = Self::new(self.labels.clone(), self.drop_name, steps);
        if let Some(sample) = self.kinds.first().and_then(|_| self.get(0)) {
            for at in 0..steps {
                out.set(at, sample.to_owned());
            }
        }
        out
    }
}

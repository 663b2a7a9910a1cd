//! Samples as a reader gives them: those of many rows in a few columns, numbers as they are stored.
//!
//! A row costs no memory of its own, rows of one series that follow each other can be taken as one, and whoever only passes samples on
//! need not make doubles of decimals, nor take histograms apart.

use std::{ops::Range, sync::Arc};

use narthex_model::{Histogram, HistogramRef, MAX_HISTOGRAM_BYTES, TimeRange, TimestampMs};

use crate::{OwnedSamples, decimal, error::Damage};

/// The rows of a batch, in the order of their series and then of time.
#[derive(Debug, Default)]
pub struct SampleBatch {
    timestamps: Vec<i64>,
    decimals: Vec<i64>,
    doubles: Vec<f64>,
    /// When histograms are, and where their byte forms end.
    histograms: Vec<(i64, usize)>,
    histogram_bytes: Vec<u8>,
    rows: Vec<Row>,
}

/// Where the samples of a row lie.
#[derive(Debug, Clone)]
struct Row {
    series: usize,
    timestamps: Range<usize>,
    values: Values,
    histograms: Range<usize>,
}

/// Where the floats of a row begin.
#[derive(Debug, Clone, Copy)]
enum Values {
    Decimals { start: usize, exponent: u8 },
    Doubles { start: usize },
}

impl Values {
    fn alike(self, other: Self) -> bool {
        match (self, other) {
            (Self::Decimals { exponent, .. }, Self::Decimals { exponent: other, .. }) => exponent == other,
            (Self::Doubles { .. }, Self::Doubles { .. }) => true,
            _ => false,
        }
    }
}

/// Floats as they are stored.
#[derive(Debug, Clone, Copy)]
pub enum StoredFloats<'a> {
    /// Each is `decimal / 10^exponent`; the exponent is below 16, and decimals are exact in a double.
    Decimals {
        /// The integers.
        decimals: &'a [i64],
        /// The number of decimal places.
        exponent: u8,
    },
    /// Doubles.
    Doubles(&'a [f64]),
}

/// Samples of one series as they are stored, borrowed. Timestamps ascend strictly in both parts and no timestamp is in both.
#[derive(Debug, Clone, Copy)]
pub struct StoredSamples<'a> {
    /// When the floats are, in milliseconds.
    pub timestamps: &'a [i64],
    /// The floats; as many as timestamps.
    pub floats: StoredFloats<'a>,
    /// Native histograms.
    pub histograms: StoredHistograms<'a>,
}

/// Native histograms in their byte form ([`Histogram::to_bytes`]), borrowed.
#[derive(Debug, Clone, Copy)]
pub struct StoredHistograms<'a> {
    times_and_ends: &'a [(i64, usize)],
    /// Of what `bytes` is a part of.
    start: usize,
    bytes: &'a [u8],
}

impl<'a> StoredHistograms<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.times_and_ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times_and_ends.is_empty()
    }

    /// When the first and the last one are.
    fn bounds(&self) -> Option<(i64, i64)> {
        Some((self.times_and_ends.first()?.0, self.times_and_ends.last()?.0))
    }

    /// Each with its timestamp.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &'a [u8])> + use<'a> {
        let (mut from, start, bytes) = (self.start, self.start, self.bytes);
        self.times_and_ends.iter().map(move |(at, end)| {
            let form = &bytes[from - start..end - start];
            from = *end;
            (*at, form)
        })
    }
}

/// Samples of one series in one window, or in several that follow each other.
#[derive(Debug, Clone, Copy)]
pub struct SeriesSlice<'a> {
    /// Place of the series in [`super::SampleReader::series`].
    pub series: usize,
    /// Its samples inside of the selected range; may be empty.
    pub samples: StoredSamples<'a>,
}

impl StoredSamples<'_> {
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
        let floats = self.timestamps.first().copied().zip(self.timestamps.last().copied());
        let both = [floats, self.histograms.bounds()];
        let (min, max) = both.into_iter().flatten().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        Some(TimeRange { min: TimestampMs(min), max: TimestampMs(max) })
    }

    /// The samples, taken apart.
    pub fn to_owned(&self) -> OwnedSamples {
        let values = match self.floats {
            StoredFloats::Doubles(doubles) => doubles.to_vec(),
            StoredFloats::Decimals { decimals, exponent } => {
                let power = decimal::power_of(exponent.into()).unwrap_or(f64::NAN);
                decimals.iter().map(|decimal| decimal::from_decimal(*decimal, power)).collect()
            }
        };
        let histogram = |(at, form): (i64, &[u8])| {
            (at, Arc::new(Histogram::from_bytes(form).expect("a byte form, checked for its size")))
        };
        let histograms = self.histograms.iter().map(histogram).collect();
        OwnedSamples { timestamps: self.timestamps.to_vec(), values, histograms }
    }
}

/// One row, of the series 0.
impl From<&OwnedSamples> for SampleBatch {
    fn from(samples: &OwnedSamples) -> Self {
        let mut batch = Self::default();
        batch.begin_row(0);
        batch.add_doubles(&samples.timestamps, samples.values.iter().copied());
        for (at, histogram) in &samples.histograms {
            histogram.parts().write(&mut batch.histogram_bytes);
            batch.end_histogram(*at);
        }
        batch
    }
}

impl SampleBatch {
    /// Empty, with room for what is told.
    pub(super) fn with_capacity(rows: usize, decimals: usize, doubles: usize) -> Self {
        Self {
            timestamps: Vec::with_capacity(decimals + doubles),
            decimals: Vec::with_capacity(decimals),
            doubles: Vec::with_capacity(doubles),
            rows: Vec::with_capacity(rows),
            ..Self::default()
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each row.
    pub fn slices(&self) -> impl ExactSizeIterator<Item = SeriesSlice<'_>> {
        (0..self.len()).map(|row| self.slice(row..row + 1))
    }

    /// The rows from the given one on that can be taken as one: of one series, their floats stored alike, each after the one before.
    pub fn run(&self, first: usize) -> Range<usize> {
        let follows = |pair: &[Row]| {
            let [before, row] = pair else { return false };
            let last = self.samples(before).time_range().map(|time| time.max);
            let next = self.samples(row).time_range().map(|time| time.min);
            row.series == before.series && row.values.alike(before.values) && last < next
        };
        let pairs = self.rows.get(first..).unwrap_or_default().windows(2);
        first..first + 1 + pairs.take_while(|pair| follows(pair)).count()
    }

    /// Rows of a [`Self::run`] as one.
    pub fn slice(&self, rows: Range<usize>) -> SeriesSlice<'_> {
        let (first, last) = (&self.rows[rows.start], &self.rows[rows.end - 1]);
        let joined = Row {
            timestamps: first.timestamps.start..last.timestamps.end,
            histograms: first.histograms.start..last.histograms.end,
            ..first.clone()
        };
        SeriesSlice { series: first.series, samples: self.samples(&joined) }
    }

    fn samples(&self, row: &Row) -> StoredSamples<'_> {
        let timestamps = &self.timestamps[row.timestamps.clone()];
        let count = timestamps.len();
        let floats = match row.values {
            Values::Doubles { start } => StoredFloats::Doubles(&self.doubles[start..start + count]),
            Values::Decimals { start, exponent } => {
                StoredFloats::Decimals { decimals: &self.decimals[start..start + count], exponent }
            }
        };
        let Range { start, end } = row.histograms;
        let end_of = |histogram: usize| histogram.checked_sub(1).map_or(0, |last| self.histograms[last].1);
        let histograms = StoredHistograms {
            times_and_ends: &self.histograms[start..end],
            start: end_of(start),
            bytes: &self.histogram_bytes[end_of(start)..end_of(end)],
        };
        StoredSamples { timestamps, floats, histograms }
    }

    /// Begins a row. What is added from then on belongs to it.
    pub(super) fn begin_row(&mut self, series: usize) {
        let (floats, histograms) = (self.timestamps.len(), self.histograms.len());
        self.rows.push(Row {
            series,
            timestamps: floats..floats,
            values: Values::Doubles { start: self.doubles.len() },
            histograms: histograms..histograms,
        });
    }

    /// Adds floats to the row, once; decimals with an exponent that is known.
    pub(super) fn add_decimals(&mut self, timestamps: &[i64], decimals: &[i64], exponent: u8) {
        let values = Values::Decimals { start: self.decimals.len(), exponent };
        self.decimals.extend_from_slice(decimals);
        self.add_floats(timestamps, values);
    }

    /// Adds floats to the row, once.
    pub(super) fn add_doubles(&mut self, timestamps: &[i64], doubles: impl Iterator<Item = f64>) {
        let values = Values::Doubles { start: self.doubles.len() };
        self.doubles.extend(doubles);
        self.add_floats(timestamps, values);
    }

    fn add_floats(&mut self, timestamps: &[i64], values: Values) {
        self.timestamps.extend_from_slice(timestamps);
        let end = self.timestamps.len();
        if let Some(row) = self.rows.last_mut() {
            (row.timestamps.end, row.values) = (end, values);
        }
    }

    /// Adds a histogram to the row, later than those before it.
    pub(super) fn add_histogram(&mut self, at: i64, histogram: HistogramRef<'_>) -> Result<(), Damage> {
        let start = self.histogram_bytes.len();
        histogram.write(&mut self.histogram_bytes);
        if self.histogram_bytes.len() - start > MAX_HISTOGRAM_BYTES {
            return Err(Damage::new("a histogram is larger than any that is accepted"));
        }
        self.end_histogram(at);
        Ok(())
    }

    fn end_histogram(&mut self, at: i64) {
        self.histograms.push((at, self.histogram_bytes.len()));
        let end = self.histograms.len();
        if let Some(row) = self.rows.last_mut() {
            row.histograms.end = end;
        }
    }
}

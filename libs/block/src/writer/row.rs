//! Puts one row, a series in a window, into the leaf columns.

use bytes::Bytes;
use narthex_model::{Counts, Histogram, Labels, METRIC_NAME, SeriesHash, TimeRange, is_stale};

use super::leaf::Leaf;
use crate::{
    SeriesSamples, decimal,
    meta::LabelBounds,
    schema::{Column, Promoted},
};

/// One row. Its samples are of one window and not empty.
pub(super) struct Row<'a> {
    pub(super) labels: &'a Labels,
    pub(super) hash: SeriesHash,
    pub(super) time: TimeRange,
    pub(super) samples: SeriesSamples<'a>,
}

/// What lives from row to row: label bounds and scratch space.
pub(super) struct RowEncoder {
    pub(super) bounds: Vec<LabelBounds>,
    values: Vec<Option<Bytes>>,
    rest: Vec<(Bytes, Bytes)>,
    decimals: Vec<i64>,
}

impl RowEncoder {
    pub(super) fn new(promoted: usize) -> Self {
        Self {
            bounds: vec![LabelBounds::default(); promoted],
            values: vec![None; promoted],
            rest: Vec::new(),
            decimals: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, row: &Row<'_>, promoted: &[Promoted], leaves: &mut [Leaf]) {
        self.split_labels(row.labels, promoted);
        let samples = &row.samples;
        let exponent = match samples.values {
            [] => None,
            values => decimal::encode_row(values, &mut self.decimals),
        };
        for leaf in leaves {
            match leaf.column {
                Column::Label(at) => match self.values[at].take() {
                    Some(value) => leaf.text(0, 1, value),
                    None => leaf.gap(0, 0),
                },
                Column::MapKey => put_map(leaf, self.rest.iter().map(|(name, _)| name)),
                Column::MapValue => put_map(leaf, self.rest.iter().map(|(_, value)| value)),
                Column::SeriesHash => leaf.int64(0, 0, row.hash.0 as i64),
                Column::MinTime => leaf.int64(0, 0, row.time.min.0),
                Column::MaxTime => leaf.int64(0, 0, row.time.max.0),
                Column::FloatSamples => leaf.int32(0, 0, samples.values.len() as i32),
                Column::HistogramSamples => leaf.int32(0, 0, samples.histograms.len() as i32),
                Column::Exponent => match exponent {
                    Some(exponent) => leaf.int32(0, 1, i32::from(exponent)),
                    None => leaf.gap(0, 0),
                },
                Column::Timestamps if samples.timestamps.is_empty() => leaf.gap(0, 0),
                Column::Timestamps => leaf.int64_list(samples.timestamps),
                Column::Decimals if exponent.is_none() => leaf.gap(0, 0),
                Column::Decimals => put_decimals(leaf, samples.values, &self.decimals),
                Column::Values if exponent.is_some() || samples.values.is_empty() => leaf.gap(0, 0),
                Column::Values => put_doubles(leaf, samples.values),
                _ if samples.histograms.is_empty() => leaf.gap(0, 0),
                _ => {
                    for (at, (timestamp, histogram)) in samples.histograms.iter().enumerate() {
                        put_histogram(leaf, i16::from(at > 0), *timestamp, histogram);
                    }
                }
            }
        }
    }

    /// Sorts a series' labels into promoted columns and the rest. Both sides are sorted by name but for the metric's name, which
    /// is the first column.
    fn split_labels(&mut self, labels: &Labels, promoted: &[Promoted]) {
        self.rest.clear();
        let mut column = 1;
        for (name, value) in labels.iter() {
            let at = if name == METRIC_NAME {
                Some(0)
            } else {
                while promoted.get(column).is_some_and(|label| label.name.as_str() < name) {
                    column += 1;
                }
                promoted.get(column).is_some_and(|label| label.name == name).then_some(column)
            };
            let slice = |text: &str| labels.as_bytes().slice_ref(text.as_bytes());
            match at {
                Some(at) => {
                    self.bounds[at].add(value);
                    self.values[at] = Some(slice(value));
                }
                None => self.rest.push((slice(name), slice(value))),
            }
        }
    }
}

fn put_map<'a>(leaf: &mut Leaf, mut parts: impl Iterator<Item = &'a Bytes>) {
    match parts.next() {
        None => leaf.gap(0, 0),
        Some(first) => {
            leaf.text(0, 1, first.clone());
            parts.for_each(|part| leaf.text(1, 1, part.clone()));
        }
    }
}

/// A stale marker is a null, so that it costs nothing and spoils no row.
fn put_decimals(leaf: &mut Leaf, values: &[f64], decimals: &[i64]) {
    if !values.iter().any(|value| is_stale(*value)) {
        return leaf.int64_list(decimals);
    }
    for (at, (value, decimal)) in values.iter().zip(decimals).enumerate() {
        let rep = i16::from(at > 0);
        if is_stale(*value) { leaf.gap(rep, 2) } else { leaf.int64(rep, 3, *decimal) }
    }
}

fn put_doubles(leaf: &mut Leaf, values: &[f64]) {
    if !values.iter().any(|value| is_stale(*value)) {
        return leaf.double_list(values);
    }
    for (at, value) in values.iter().enumerate() {
        let rep = i16::from(at > 0);
        if is_stale(*value) { leaf.gap(rep, 2) } else { leaf.double(rep, 3, *value) }
    }
}

fn put_histogram(leaf: &mut Leaf, rep: i16, timestamp: i64, histogram: &Histogram) {
    let spans = |negative: bool| if negative { &histogram.negative_spans } else { &histogram.positive_spans };
    match leaf.column {
        Column::HistTime => leaf.int64(rep, 1, timestamp),
        Column::HistSchema => leaf.int32(rep, 1, i32::from(histogram.schema)),
        Column::HistHint => leaf.int32(rep, 1, i32::from(histogram.reset_hint.to_wire())),
        Column::HistZeroThreshold => leaf.double(rep, 1, histogram.zero_threshold),
        Column::HistSum => leaf.double(rep, 1, histogram.sum),
        Column::PositiveOffset | Column::NegativeOffset => {
            let spans = spans(leaf.column == Column::NegativeOffset);
            nested(leaf, rep, spans, |leaf, rep, span| leaf.int32(rep, 2, span.offset));
        }
        Column::PositiveLength | Column::NegativeLength => {
            let spans = spans(leaf.column == Column::NegativeLength);
            nested(leaf, rep, spans, |leaf, rep, span| leaf.int32(rep, 2, span.length as i32));
        }
        Column::CustomBounds => {
            nested(leaf, rep, &histogram.custom_bounds, |leaf, rep, bound| leaf.double(rep, 2, *bound));
        }
        _ => put_counts(leaf, rep, &histogram.counts),
    }
}

fn put_counts(leaf: &mut Leaf, rep: i16, counts: &Counts) {
    match (counts, leaf.column) {
        (Counts::Int { total, .. }, Column::HistCount) => leaf.int64(rep, 2, *total as i64),
        (Counts::Int { zero, .. }, Column::HistZeroCount) => leaf.int64(rep, 2, *zero as i64),
        (Counts::Float { total, .. }, Column::HistFloatCount) => leaf.double(rep, 2, *total),
        (Counts::Float { zero, .. }, Column::HistFloatZeroCount) => leaf.double(rep, 2, *zero),
        (Counts::Int { positive: list, .. }, Column::Positive)
        | (Counts::Int { negative: list, .. }, Column::Negative) => {
            nested(leaf, rep, list, |leaf, rep, count| leaf.int64(rep, 2, *count));
        }
        (Counts::Float { positive: list, .. }, Column::FloatPositive)
        | (Counts::Float { negative: list, .. }, Column::FloatNegative) => {
            nested(leaf, rep, list, |leaf, rep, count| leaf.double(rep, 2, *count));
        }
        // The other kind of histogram: a null count, or an empty list.
        _ => leaf.gap(rep, 1),
    }
}

/// A list inside of a histogram: its first element continues the row at `rep`, the others the histogram.
fn nested<T>(leaf: &mut Leaf, rep: i16, list: &[T], mut put: impl FnMut(&mut Leaf, i16, &T)) {
    if list.is_empty() {
        leaf.gap(rep, 1);
    }
    for (at, item) in list.iter().enumerate() {
        put(leaf, if at == 0 { rep } else { 2 }, item);
    }
}

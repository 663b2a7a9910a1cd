//! The samples of a series out of its chunks, as the engine takes them.

use bytes::Bytes;
use narthex_chunk::{Chunk, ChunkError, Columns, Encoding};
use narthex_model::{EncodedHistogram, Labels, TimeRange, TimestampMs, Value, resolve};
use narthex_promql::SeriesData;

/// A chunk that is not what it says.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChunkFault {
    /// It does not decode.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// A histogram in it does not.
    #[error("{0}")]
    Histogram(String),
    /// It decodes to something else.
    #[error("chunk does not hold what its description says")]
    Description,
}

/// Samples of one series under way.
#[derive(Debug)]
pub struct Samples {
    range: TimeRange,
    series: SeriesData,
    /// As [`tidy`] makes them.
    tidy: bool,
}

impl Samples {
    /// Those of a time range, none yet.
    pub fn new(labels: Labels, range: TimeRange) -> Self {
        Self { range, series: SeriesData { labels, ..SeriesData::default() }, tidy: true }
    }

    /// What was added so far.
    pub fn series(&self) -> &SeriesData {
        &self.series
    }

    /// Makes room for float samples to come, so that there is room for so many in all and no more.
    pub fn reserve(&mut self, floats: usize) {
        let more = floats.saturating_sub(self.series.timestamps.len());
        self.series.timestamps.reserve_exact(more);
        self.series.values.reserve_exact(more);
    }

    /// Adds those of a chunk.
    pub fn add(&mut self, chunk: &Chunk) -> Result<(), ChunkFault> {
        let before = self.series.timestamps.len().saturating_sub(1);
        let histograms_before = self.series.histograms.len().saturating_sub(1);
        append(chunk, self.range, &mut self.series)?;
        // While what was added is at hand. Chunks mostly follow each other, and then nothing is left to do at the end.
        let SeriesData { timestamps, histograms, .. } = &self.series;
        // Within a chunk of columns timestamps ascend.
        let end = if chunk.encoding == Encoding::Columns {
            timestamps.len().min(before + 2)
        } else {
            timestamps.len()
        };
        self.tidy = self.tidy
            && timestamps[before..end].is_sorted_by(|a, b| a < b)
            && histograms[histograms_before..].is_sorted_by(|a, b| a.0 < b.0)
            && (timestamps.is_empty() || histograms.is_empty());
        Ok(())
    }

    /// The series: ascending, each timestamp once.
    pub fn finish(self) -> SeriesData {
        if self.tidy { self.series } else { tidy(self.series) }
    }
}

/// Appends the samples of a chunk that lie in the range. Damage and descriptions that lie are errors.
pub fn append(chunk: &Chunk, range: TimeRange, into: &mut SeriesData) -> Result<(), ChunkFault> {
    if chunk.encoding == Encoding::Columns {
        return append_columns(chunk, range, into);
    }
    let (mut count, mut first, mut last) = (0u64, None, None);
    let mut see = |at: i64| {
        count += 1;
        first.get_or_insert(at);
        last = Some(at);
        // A chunk with more samples than it says takes no more memory than it says.
        count <= u64::from(chunk.samples) && range.contains(TimestampMs(at))
    };
    if chunk.encoding == Encoding::Histograms {
        // All of a chunk share one buffer.
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        chunk.for_each_histogram(|at, form| {
            if see(at) {
                bytes.extend_from_slice(form);
                ends.push((at, bytes.len()));
            }
        })?;
        let (bytes, mut start) = (Bytes::from(bytes), 0);
        for (at, end) in ends {
            let histogram = EncodedHistogram::new(bytes.slice(start..end));
            into.histograms.push((at, histogram.map_err(|error| ChunkFault::Histogram(error.to_string()))?));
            start = end;
        }
    } else {
        chunk.for_each_float(|at, value| {
            if see(at) {
                into.timestamps.push(at);
                into.values.push(value);
            }
        })?;
    }
    let agrees =
        count == u64::from(chunk.samples) && first == Some(chunk.min_ms) && last == Some(chunk.max_ms);
    if agrees { Ok(()) } else { Err(ChunkFault::Description) }
}

/// As [`append`], all samples at once.
fn append_columns(chunk: &Chunk, range: TimeRange, into: &mut SeriesData) -> Result<(), ChunkFault> {
    let columns = Columns::parse(&chunk.data)?;
    if columns.count() as u64 != u64::from(chunk.samples) {
        return Err(ChunkFault::Description);
    }
    let start = into.timestamps.len();
    columns.append(&mut into.timestamps, &mut into.values)?;
    let added = &into.timestamps[start..];
    if (added.first(), added.last()) != (Some(&chunk.min_ms), Some(&chunk.max_ms)) {
        return Err(ChunkFault::Description);
    }
    let before = added.partition_point(|at| *at < range.min.0);
    let within = added.partition_point(|at| *at <= range.max.0);
    into.timestamps.truncate(start + within.max(before));
    into.values.truncate(start + within.max(before));
    if before > 0 {
        into.timestamps.drain(start..start + before);
        into.values.drain(start..start + before);
    }
    Ok(())
}

/// Puts samples as they came from overlapping chunks in order: ascending, each timestamp once, in one of the columns.
pub fn tidy(series: SeriesData) -> SeriesData {
    let floats_ascend = series.timestamps.is_sorted_by(|a, b| a < b);
    let histograms_ascend = series.histograms.is_sorted_by(|a, b| a.0 < b.0);
    let only_one_kind = series.timestamps.is_empty() || series.histograms.is_empty();
    if floats_ascend && histograms_ascend && only_one_kind {
        return series;
    }
    let floats = series.timestamps.iter().zip(&series.values).map(|(at, value)| (*at, Value::Float(*value)));
    let histograms =
        series.histograms.iter().map(|(at, histogram)| (*at, Value::Histogram(histogram.decode().into())));
    let mut samples: Vec<(i64, Value)> = floats.chain(histograms).collect();
    // The greatest value of a timestamp comes first, and deduplication keeps the first.
    samples.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| resolve(&b.1, &a.1)));
    samples.dedup_by_key(|(at, _)| *at);
    let mut tidied = SeriesData { labels: series.labels, ..SeriesData::default() };
    for (at, value) in samples {
        match value {
            Value::Float(value) => {
                tidied.timestamps.push(at);
                tidied.values.push(value);
            }
            Value::Histogram(histogram) => tidied.histograms.push((at, (&*histogram).into())),
        }
    }
    tidied
}

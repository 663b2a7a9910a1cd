//! From a received body to one frame for each partition: pure, synchronous, in reused memory.
//!
//! Nothing of a request leaves here before all of it is decoded, so a malformed request stores nothing. Series that break a rule
//! are counted and left out; the valid rest goes on.

use std::collections::BTreeMap;

use bytes::Bytes;
use narthex_model::{HistogramError, MAX_HISTOGRAM_BYTES, MetricType, PartitionId, SeriesHash};
use narthex_remote_write::{
    Canonicalizer, DecodeError, Decompressor, Entry, LabelLimits, Metadata, Series, WriteRequest,
    display_series,
};
use narthex_ring::Ring;
use narthex_rpc::frame::{Frame, FrameBuilder};
use xxhash_rust::xxh3::xxh3_64;

use crate::refusals::Refusals;

/// What a request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Largest decompressed body in bytes.
    pub max_decoded_bytes: usize,
    /// Largest metadata entry in bytes, name, help and unit together (QUO-13).
    pub max_metadata_bytes: usize,
    /// What labels may be.
    pub labels: LabelLimits,
}

impl Default for RequestLimits {
    fn default() -> Self {
        let max_decoded_bytes = narthex_remote_write::MAX_DECODED_BYTES;
        Self { max_decoded_bytes, max_metadata_bytes: 1024, labels: LabelLimits::default() }
    }
}

/// Why a request does not get as far as a push.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The request cannot be decoded; final.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The ring has no ACTIVE partition: retry later.
    #[error("no partition takes writes")]
    NoPartition,
}

/// The samples of one partition.
#[derive(Debug, Clone)]
pub struct PartitionFrame {
    /// Where they go.
    pub partition: PartitionId,
    /// The frame, see [`Frame`].
    pub frame: Bytes,
    /// Samples in it.
    pub samples: u32,
}

/// A request, ready to be pushed.
#[derive(Debug, Default)]
pub struct Prepared {
    /// One frame for each partition concerned.
    pub frames: Vec<PartitionFrame>,
    /// Samples in the frames.
    pub samples: u64,
    /// Samples that break a rule.
    pub(crate) refused: Refusals,
    /// Exemplars, which are not stored.
    pub exemplars: u64,
    /// Metadata entries received.
    pub metadata: u64,
    /// Metadata entries left out: nameless, too long or no UTF-8 (API-D-12).
    pub metadata_dropped: u64,
    /// Size of the decompressed body in bytes.
    pub decoded_bytes: usize,
}

/// Buffers for one request at a time.
#[derive(Debug)]
pub struct Scratch {
    limits: RequestLimits,
    decompressor: Decompressor,
    shards: Shards,
}

/// What remains of the buffers while the body is borrowed from the decompressor.
#[derive(Debug)]
struct Shards {
    canonicalizer: Canonicalizer,
    max_metadata_bytes: usize,
    builders: BTreeMap<PartitionId, FrameBuilder>,
    /// Valid histograms of the series at hand.
    histograms: Vec<(i64, Vec<u8>)>,
}

impl Scratch {
    /// Empty buffers.
    pub fn new(limits: RequestLimits) -> Self {
        let shards = Shards {
            canonicalizer: Canonicalizer::new(limits.labels),
            max_metadata_bytes: limits.max_metadata_bytes,
            builders: BTreeMap::new(),
            histograms: Vec::new(),
        };
        Self { limits, decompressor: Decompressor::new(), shards }
    }

    /// Decodes, validates and shards a snappy-compressed write request.
    pub fn prepare(&mut self, ring: &Ring, compressed: &[u8]) -> Result<Prepared, PrepareError> {
        let body = self.decompressor.decompress(compressed, self.limits.max_decoded_bytes)?;
        let mut prepared = Prepared { decoded_bytes: body.len(), ..Prepared::default() };
        self.shards.clear();
        let mut request = WriteRequest::new(body);
        let mut series = Series::new(self.limits.labels.max_labels);
        while let Some(entry) = request.next_entry(&mut series)? {
            match entry {
                Entry::Series => self.shards.add_series(ring, &mut series, &mut prepared)?,
                Entry::Metadata(metadata) => self.shards.add_metadata(ring, metadata, &mut prepared)?,
            }
        }
        prepared.frames = self.shards.finish();
        prepared.samples = prepared.frames.iter().map(|frame| u64::from(frame.samples)).sum();
        Ok(prepared)
    }

    /// Shards the series of frames again, for another ring.
    pub fn reshard(&mut self, ring: &Ring, frames: &[Frame]) -> Result<Vec<PartitionFrame>, PrepareError> {
        self.shards.clear();
        for frame in frames {
            for series in frame.series() {
                let builder = self.shards.builder(ring, series.hash)?;
                builder.series(series.hash, series.labels);
                series.floats().for_each(|(timestamp, value)| builder.float(timestamp, value));
                series.histograms().for_each(|(timestamp, encoded)| builder.histogram(timestamp, encoded));
            }
            for entry in frame.metadata() {
                let builder = self.shards.builder(ring, metadata_hash(entry.metric))?;
                builder.metadata(entry.kind, entry.metric, entry.help, entry.unit);
            }
        }
        Ok(self.shards.finish())
    }
}

impl Shards {
    fn clear(&mut self) {
        self.builders.values_mut().for_each(FrameBuilder::clear);
    }

    fn builder(&mut self, ring: &Ring, hash: SeriesHash) -> Result<&mut FrameBuilder, PrepareError> {
        let partition = ring.partition_for(hash).ok_or(PrepareError::NoPartition)?;
        Ok(self.builders.entry(partition).or_default())
    }

    fn add_series(
        &mut self,
        ring: &Ring,
        series: &mut Series<'_>,
        prepared: &mut Prepared,
    ) -> Result<(), PrepareError> {
        prepared.exemplars += series.exemplars as u64;
        if series.sample_count() == 0 {
            return Ok(());
        }
        let canonical = match self.canonicalizer.canonicalize(series) {
            Ok(canonical) => canonical,
            Err(fault) => {
                let samples = series.sample_count() as u64;
                prepared.refused.add(fault.reason(), samples, || fault.describe(&series.labels));
                return Ok(());
            }
        };
        let partition = ring.partition_for(canonical.hash).ok_or(PrepareError::NoPartition)?;
        decode_histograms(series, &mut self.histograms, prepared)?;
        if series.floats.is_empty() && self.histograms.is_empty() {
            return Ok(());
        }
        let builder = self.builders.entry(partition).or_default();
        builder.series(canonical.hash, canonical.bytes);
        for (timestamp, value) in &series.floats {
            builder.float(*timestamp, *value);
        }
        for (timestamp, encoded) in &self.histograms {
            builder.histogram(*timestamp, encoded);
        }
        Ok(())
    }

    fn add_metadata(
        &mut self,
        ring: &Ring,
        metadata: Metadata<'_>,
        prepared: &mut Prepared,
    ) -> Result<(), PrepareError> {
        prepared.metadata += 1;
        match self.valid_metadata(metadata) {
            None => prepared.metadata_dropped += 1,
            Some((kind, metric, help, unit)) => {
                self.builder(ring, metadata_hash(metric))?.metadata(kind, metric, help, unit);
            }
        }
        Ok(())
    }

    fn valid_metadata<'a>(&self, metadata: Metadata<'a>) -> Option<(MetricType, &'a str, &'a str, &'a str)> {
        let Metadata { kind, metric, help, unit } = metadata;
        let bytes = metric.len() + help.len() + unit.len();
        if metric.is_empty() || bytes > self.max_metadata_bytes {
            return None;
        }
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
        Some((kind, text(metric)?, text(help)?, text(unit)?))
    }

    /// The frames of all partitions that got something.
    fn finish(&mut self) -> Vec<PartitionFrame> {
        // Partitions that went out of use must not keep their memory for ever.
        self.builders.retain(|_, builder| !builder.is_empty());
        let frame = |(partition, builder): (&PartitionId, &mut FrameBuilder)| {
            let samples =
                u32::try_from(builder.sample_count()).expect("fewer samples than bytes in a request");
            PartitionFrame { partition: *partition, frame: builder.finish(), samples }
        };
        self.builders.iter_mut().map(frame).collect()
    }
}

/// Leaves the byte forms of a series' valid histograms in `valid`; the others are counted as refused.
fn decode_histograms(
    series: &Series<'_>,
    valid: &mut Vec<(i64, Vec<u8>)>,
    prepared: &mut Prepared,
) -> Result<(), DecodeError> {
    valid.clear();
    for message in &series.histograms {
        let (timestamp, histogram) = message.decode()?;
        let encoded = histogram.to_bytes();
        let checked = match encoded.len() {
            length if length > MAX_HISTOGRAM_BYTES => Err(HistogramError::TooLarge(length)),
            _ => histogram.validate(),
        };
        match checked {
            Ok(()) => valid.push((timestamp, encoded)),
            Err(error) => prepared.refused.add("invalid_histogram", 1, || {
                let labels = display_series(&series.labels);
                format!("invalid histogram: {error}: timestamp {timestamp}, series {labels}")
            }),
        }
    }
    Ok(())
}

/// Metadata of a metric lives with the partition that the name's hash falls on; readers ask all partitions.
fn metadata_hash(metric: &str) -> SeriesHash {
    SeriesHash(xxh3_64(metric.as_bytes()))
}

#[cfg(test)]
#[path = "prepare_test.rs"]
mod tests;

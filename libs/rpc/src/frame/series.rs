//! What a checked frame holds: series with their samples, and metadata entries, all as views of the frame's buffer.

use bytes::Bytes;
use narthex_model::{Labels, MetricMetadata, MetricType, SeriesHash};

use super::{FrameError, parse::read_u32};

/// One series of a frame.
#[derive(Debug, Clone, Copy)]
pub struct FrameSeries<'a> {
    /// Hash of the labels as the sender states it.
    pub hash: SeriesHash,
    /// Canonical label bytes as the sender states them; see [`Self::check_labels`].
    pub labels: &'a [u8],
    /// Number of the first sample of this series in the frame.
    pub first_sample: u32,
    pub(super) float_times: &'a [u8],
    pub(super) float_values: &'a [u8],
    pub(super) histogram_times: &'a [u8],
    pub(super) histogram_ends: &'a [u8],
    pub(super) histogram_start: usize,
    pub(super) histogram_bytes: &'a [u8],
}

impl<'a> FrameSeries<'a> {
    /// Number of floats.
    pub fn float_count(&self) -> usize {
        self.float_times.len() / 8
    }

    /// Number of histograms.
    pub fn histogram_count(&self) -> usize {
        self.histogram_times.len() / 8
    }

    /// Timestamps and values of the floats, as sent. Sample numbers start at [`Self::first_sample`].
    pub fn floats(&self) -> impl ExactSizeIterator<Item = (i64, f64)> + Clone + use<'a> {
        let values = self.float_values.chunks_exact(8).map(|value| f64::from_bits(read_u64(value)));
        self.float_times.chunks_exact(8).map(|time| read_u64(time).cast_signed()).zip(values)
    }

    /// Timestamps and byte forms of the histograms, as sent. Sample numbers follow those of the floats.
    pub fn histograms(&self) -> impl ExactSizeIterator<Item = (i64, &'a [u8])> + Clone + use<'a> {
        let (bytes, mut start) = (self.histogram_bytes, self.histogram_start);
        let times = self.histogram_times.chunks_exact(8).map(|time| read_u64(time).cast_signed());
        times.zip(self.histogram_ends.chunks_exact(4).map(move |end| {
            let end = read_u32(end) as usize;
            let encoded = &bytes[start..end];
            start = end;
            encoded
        }))
    }

    /// The labels, copied, once they are proven canonical and to have the stated hash. For a series that the owner does not
    /// know yet; a known one is recognised by equal bytes.
    pub fn check_labels(&self) -> Result<Labels, FrameError> {
        let labels = Labels::from_canonical(Bytes::copy_from_slice(self.labels))
            .map_err(|error| FrameError::Labels(error.to_string()))?;
        if labels.series_hash() == self.hash {
            Ok(labels)
        } else {
            Err(FrameError::Labels(format!("{labels} does not have hash {:016x}", self.hash.0)))
        }
    }
}

/// One metadata entry of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameMetadata<'a> {
    /// Type of the metric family.
    pub kind: MetricType,
    /// Name of the metric family.
    pub metric: &'a str,
    /// Free text.
    pub help: &'a str,
    /// Unit, often empty.
    pub unit: &'a str,
}

impl FrameMetadata<'_> {
    /// The same entry on its own.
    pub fn to_model(self) -> MetricMetadata {
        let Self { kind, metric, help, unit } = self;
        MetricMetadata { metric: metric.into(), kind, help: help.into(), unit: unit.into() }
    }
}

/// Takes the next entry off the blob; `None` if it is cut off or no UTF-8.
pub(super) fn take_metadata<'a>(rest: &mut &'a [u8]) -> Option<FrameMetadata<'a>> {
    let (kind, after) = rest.split_first()?;
    *rest = after;
    let mut text = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        *rest = after;
        std::str::from_utf8(text).ok()
    };
    let (metric, help, unit) = (text()?, text()?, text()?);
    Some(FrameMetadata { kind: MetricType::from_wire(i64::from(*kind)), metric, help, unit })
}

fn read_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes"))
}

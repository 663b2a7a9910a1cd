//! Reading a frame: every bound and offset is checked once, here. A frame comes from the network and may be anything; checking
//! it allocates nothing (decompressing it does, bounded by what was received).

use bytes::Bytes;

use super::{FrameMetadata, FrameSeries, HEADER, MAGIC, compress, series::take_metadata};

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter or longer than its header says.
    #[error("push frame has {have} bytes, its header describes {need}")]
    Length {
        /// Bytes described.
        need: u64,
        /// Bytes there.
        have: usize,
    },
    /// Another version, or no frame at all.
    #[error("push frame of an unknown version (magic {0:#010x})")]
    Version(u32),
    /// A compressed frame that cannot be decompressed.
    #[error("push frame cannot be decompressed: {0}")]
    Compression(String),
    /// A column of ends that falls, or does not end where its data ends.
    #[error("push frame has an invalid column of {0}")]
    Offsets(&'static str),
    /// A metadata entry that is cut off or no UTF-8.
    #[error("push frame has malformed metadata")]
    Metadata,
    /// Label bytes that are not canonical, or do not have the stated hash.
    #[error("push frame has a series with invalid labels: {0}")]
    Labels(String),
}

/// A checked frame. Cloning shares the buffer.
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Bytes,
    layout: Layout,
}

/// Where the columns lie.
#[derive(Debug, Clone, Copy)]
struct Layout {
    series: usize,
    floats: usize,
    histograms: usize,
    metadata_entries: usize,
    float_times: usize,
    float_values: usize,
    histogram_times: usize,
    label_ends: usize,
    float_ends: usize,
    histogram_ends: usize,
    histogram_byte_ends: usize,
    labels: usize,
    histogram_bytes: usize,
    metadata: usize,
}

impl Frame {
    /// Checks a frame, compressed or not, and takes it over.
    pub fn parse(bytes: Bytes) -> Result<Self, FrameError> {
        match compress::decompressed(&bytes)? {
            Some(plain) => Self::parse_plain(plain),
            None => Self::parse_plain(bytes),
        }
    }

    fn parse_plain(bytes: Bytes) -> Result<Self, FrameError> {
        let layout = Layout::read(&bytes)?;
        let frame = Self { bytes, layout };
        let Layout { series, floats, histograms, labels, histogram_bytes, metadata, .. } = layout;
        for (column, count, end, name) in [
            (layout.label_ends, series, histogram_bytes - labels, "label ends"),
            (layout.float_ends, series, floats, "float ends"),
            (layout.histogram_ends, series, histograms, "histogram ends"),
            (layout.histogram_byte_ends, histograms, metadata - histogram_bytes, "encoded histogram ends"),
        ] {
            if !ascends_to(&frame.bytes[column..column + count * 4], end) {
                return Err(FrameError::Offsets(name));
            }
        }
        let mut rest = &frame.bytes[metadata..];
        for _ in 0..layout.metadata_entries {
            take_metadata(&mut rest).ok_or(FrameError::Metadata)?;
        }
        if rest.is_empty() { Ok(frame) } else { Err(FrameError::Metadata) }
    }

    /// The encoded frame.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Number of series.
    pub fn series_count(&self) -> usize {
        self.layout.series
    }

    /// Number of floats and histograms together; samples are numbered below it.
    pub fn sample_count(&self) -> usize {
        self.layout.floats + self.layout.histograms
    }

    /// Number of histograms among the samples.
    pub fn histogram_count(&self) -> usize {
        self.layout.histograms
    }

    /// Number of metadata entries.
    pub fn metadata_count(&self) -> usize {
        self.layout.metadata_entries
    }

    /// The series in order.
    pub fn series(&self) -> impl ExactSizeIterator<Item = FrameSeries<'_>> + Clone + use<'_> {
        (0..self.layout.series).map(|at| self.at(at))
    }

    /// One series by its place.
    ///
    /// # Panics
    /// If `at` is not below [`Self::series_count`].
    pub fn at(&self, at: usize) -> FrameSeries<'_> {
        assert!(at < self.layout.series, "series {at} of {}", self.layout.series);
        let Layout { label_ends, float_ends, histogram_ends, .. } = self.layout;
        let (label_start, label_end) = self.range(label_ends, at);
        let (float_start, float_end) = self.range(float_ends, at);
        let (histogram_start, histogram_end) = self.range(histogram_ends, at);
        let base = self.layout.histogram_byte_ends;
        let floats = |column: usize| &self.bytes[column + float_start * 8..column + float_end * 8];
        FrameSeries {
            hash: narthex_model::SeriesHash(self.u64_at(HEADER + at * 8)),
            labels: &self.bytes[self.layout.labels + label_start..self.layout.labels + label_end],
            first_sample: (float_start + histogram_start) as u32,
            float_times: floats(self.layout.float_times),
            float_values: floats(self.layout.float_values),
            histogram_times: &self.bytes[self.layout.histogram_times + histogram_start * 8
                ..self.layout.histogram_times + histogram_end * 8],
            histogram_ends: &self.bytes[base + histogram_start * 4..base + histogram_end * 4],
            histogram_start: if histogram_start == 0 {
                0
            } else {
                self.u32_at(base + (histogram_start - 1) * 4)
            },
            histogram_bytes: &self.bytes[self.layout.histogram_bytes..self.layout.metadata],
        }
    }

    /// The metadata entries in order.
    pub fn metadata(&self) -> impl Iterator<Item = FrameMetadata<'_>> + use<'_> {
        let mut rest = &self.bytes[self.layout.metadata..];
        std::iter::from_fn(move || take_metadata(&mut rest))
    }

    /// Start and end of the place `at` in a column of ends.
    fn range(&self, column: usize, at: usize) -> (usize, usize) {
        let start = if at == 0 { 0 } else { self.u32_at(column + (at - 1) * 4) };
        (start, self.u32_at(column + at * 4))
    }

    fn u32_at(&self, at: usize) -> usize {
        read_u32(&self.bytes[at..at + 4]) as usize
    }

    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(*self.bytes[at..].first_chunk().expect("columns were checked"))
    }
}

impl Layout {
    /// Reads the header and lays the columns out; their sum must be the buffer's length.
    fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        let header =
            bytes.get(..HEADER).ok_or(FrameError::Length { need: HEADER as u64, have: bytes.len() })?;
        let field = |at: usize| u64::from(read_u32(&header[at * 4..]));
        if field(0) != u64::from(MAGIC) || field(8) != 0 {
            return Err(FrameError::Version(read_u32(header)));
        }
        let (series, floats, histograms) = (field(1), field(2), field(3));
        let mut end = HEADER as u64 + series * 8;
        // Counts are below 2^32 and sizes below 2^5, so nothing overflows; `end` is checked before any of it is used.
        let mut column = |size: u64| {
            let start = end;
            end += size;
            start as usize
        };
        let layout = Self {
            series: series as usize,
            floats: floats as usize,
            histograms: histograms as usize,
            metadata_entries: field(4) as usize,
            float_times: column(floats * 8),
            float_values: column(floats * 8),
            histogram_times: column(histograms * 8),
            label_ends: column(series * 4),
            float_ends: column(series * 4),
            histogram_ends: column(series * 4),
            histogram_byte_ends: column(histograms * 4),
            labels: column(field(5)),
            histogram_bytes: column(field(6)),
            metadata: column(field(7)),
        };
        if end == bytes.len() as u64 {
            Ok(layout)
        } else {
            Err(FrameError::Length { need: end, have: bytes.len() })
        }
    }
}

/// Whether a column of `u32` never falls and ends at `end`.
fn ascends_to(column: &[u8], end: usize) -> bool {
    let mut last = 0;
    for value in column.chunks_exact(4).map(read_u32) {
        if value < last {
            return false;
        }
        last = value;
    }
    last as usize == end
}

pub(super) fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(*bytes.first_chunk().expect("four bytes"))
}

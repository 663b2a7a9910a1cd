//! Writing a frame. A builder keeps its buffers from frame to frame, so that steady traffic allocates one buffer a frame.

use bytes::{BufMut, Bytes, BytesMut};
use narthex_model::{MetricType, SeriesHash};

use super::{HEADER, MAGIC};

/// Collects the samples of one partition.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    hashes: Vec<u64>,
    label_ends: Vec<u32>,
    float_ends: Vec<u32>,
    histogram_ends: Vec<u32>,
    float_times: Vec<i64>,
    float_values: Vec<u64>,
    histogram_times: Vec<i64>,
    histogram_byte_ends: Vec<u32>,
    labels: Vec<u8>,
    histograms: Vec<u8>,
    metadata: Vec<u8>,
    metadata_entries: u32,
}

impl FrameBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a series; the samples that follow belong to it. `canonical` are its canonical label bytes, `hash` is theirs.
    pub fn series(&mut self, hash: SeriesHash, canonical: &[u8]) {
        self.labels.extend_from_slice(canonical);
        self.hashes.push(hash.0);
        self.label_ends.push(offset(self.labels.len()));
        self.float_ends.push(offset(self.float_times.len()));
        self.histogram_ends.push(offset(self.histogram_times.len()));
    }

    /// Adds a float to the series begun last. Without a series there is nothing to add to, and nothing happens.
    pub fn float(&mut self, timestamp: i64, value: f64) {
        if let Some(end) = self.float_ends.last_mut() {
            self.float_times.push(timestamp);
            self.float_values.push(value.to_bits());
            *end = offset(self.float_times.len());
        }
    }

    /// Adds a histogram, in its byte form, to the series begun last.
    pub fn histogram(&mut self, timestamp: i64, encoded: &[u8]) {
        if let Some(end) = self.histogram_ends.last_mut() {
            self.histograms.extend_from_slice(encoded);
            self.histogram_times.push(timestamp);
            self.histogram_byte_ends.push(offset(self.histograms.len()));
            *end = offset(self.histogram_times.len());
        }
    }

    /// Adds a metadata entry.
    pub fn metadata(&mut self, kind: MetricType, metric: &str, help: &str, unit: &str) {
        self.metadata.put_u8(kind.to_wire() as u8);
        for text in [metric, help, unit] {
            self.metadata.put_u32_le(offset(text.len()));
            self.metadata.put_slice(text.as_bytes());
        }
        self.metadata_entries += 1;
    }

    /// Whether there is neither a series nor metadata.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty() && self.metadata_entries == 0
    }

    /// Floats and histograms added so far; also the number that the next sample gets if it is the last of its series.
    pub fn sample_count(&self) -> usize {
        self.float_times.len() + self.histogram_times.len()
    }

    /// Series begun so far.
    pub fn series_count(&self) -> usize {
        self.hashes.len()
    }

    /// Writes the frame and empties the builder, keeping its memory.
    pub fn finish(&mut self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.encoded_len());
        let header = [
            MAGIC,
            offset(self.hashes.len()),
            offset(self.float_times.len()),
            offset(self.histogram_times.len()),
            self.metadata_entries,
            offset(self.labels.len()),
            offset(self.histograms.len()),
            offset(self.metadata.len()),
            0,
        ];
        put_u32s(&mut out, &header);
        put_u64s(&mut out, self.hashes.iter().copied());
        put_u64s(&mut out, self.float_times.iter().map(|time| time.cast_unsigned()));
        put_u64s(&mut out, self.float_values.iter().copied());
        put_u64s(&mut out, self.histogram_times.iter().map(|time| time.cast_unsigned()));
        for column in [&self.label_ends, &self.float_ends, &self.histogram_ends, &self.histogram_byte_ends] {
            put_u32s(&mut out, column);
        }
        for blob in [&self.labels, &self.histograms, &self.metadata] {
            out.extend_from_slice(blob);
        }
        debug_assert_eq!(out.len(), self.encoded_len());
        self.clear();
        out.freeze()
    }

    /// Forgets what was added, keeping the memory.
    pub fn clear(&mut self) {
        self.hashes.clear();
        for column in [
            &mut self.label_ends,
            &mut self.float_ends,
            &mut self.histogram_ends,
            &mut self.histogram_byte_ends,
        ] {
            column.clear();
        }
        self.float_times.clear();
        self.float_values.clear();
        self.histogram_times.clear();
        for blob in [&mut self.labels, &mut self.histograms, &mut self.metadata] {
            blob.clear();
        }
        self.metadata_entries = 0;
    }

    fn encoded_len(&self) -> usize {
        HEADER
            + self.hashes.len() * (8 + 3 * 4)
            + self.float_times.len() * 16
            + self.histogram_times.len() * (8 + 4)
            + self.labels.len()
            + self.histograms.len()
            + self.metadata.len()
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a request of 32 MiB becomes no frame of 4 GiB")
}

fn put_u32s(out: &mut BytesMut, values: &[u32]) {
    for value in values {
        out.put_u32_le(*value);
    }
}

fn put_u64s(out: &mut BytesMut, values: impl Iterator<Item = u64>) {
    for value in values {
        out.put_u64_le(value);
    }
}

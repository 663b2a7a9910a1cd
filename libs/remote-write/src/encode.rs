//! Encoding for senders: tests, load generators and, later, our own writers. Fields in ascending order, defaults left out, as
//! Prometheus's own encoder does; buffers are reused.

use narthex_model::{BucketSpan, Counts, Histogram, MetricMetadata};

/// Builds a write request.
#[derive(Debug, Default)]
pub struct Encoder {
    body: Vec<u8>,
    series: Vec<u8>,
    message: Vec<u8>,
    nested: Vec<u8>,
}

impl Encoder {
    /// An empty request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series with labels in the order given and floats as (milliseconds, value).
    pub fn floats<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        samples: &[(i64, f64)],
    ) {
        self.series(labels, samples, &[]);
    }

    /// Adds a series with floats and histograms.
    pub fn series<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        floats: &[(i64, f64)],
        histograms: &[(i64, Histogram)],
    ) {
        self.series.clear();
        for (name, value) in labels {
            self.message.clear();
            put_bytes(&mut self.message, 1, name.as_bytes());
            put_bytes(&mut self.message, 2, value.as_bytes());
            put_message(&mut self.series, 1, &self.message);
        }
        for (timestamp, value) in floats {
            self.message.clear();
            put_double(&mut self.message, 1, *value);
            put_varint_field(&mut self.message, 2, timestamp.cast_unsigned());
            put_message(&mut self.series, 2, &self.message);
        }
        for (timestamp, histogram) in histograms {
            self.message.clear();
            put_histogram(&mut self.message, &mut self.nested, *timestamp, histogram);
            put_message(&mut self.series, 4, &self.message);
        }
        put_message(&mut self.body, 1, &self.series);
    }

    /// Adds a metadata entry.
    pub fn metadata(&mut self, metadata: &MetricMetadata) {
        self.message.clear();
        put_varint_field(&mut self.message, 1, metadata.kind.to_wire().cast_unsigned());
        put_bytes(&mut self.message, 2, metadata.metric.as_bytes());
        put_bytes(&mut self.message, 4, metadata.help.as_bytes());
        put_bytes(&mut self.message, 5, metadata.unit.as_bytes());
        put_message(&mut self.body, 3, &self.message);
    }

    /// The protobuf so far.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Compresses the request and empties the encoder, keeping its memory.
    pub fn finish(&mut self) -> Vec<u8> {
        let compressed = compress(&self.body);
        self.body.clear();
        compressed
    }
}

/// A snappy block of any bytes.
fn compress(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new()
        .compress_vec(body)
        .expect("a request is far below the 4 GiB that a block can hold")
}

fn put_histogram(out: &mut Vec<u8>, nested: &mut Vec<u8>, timestamp: i64, histogram: &Histogram) {
    match &histogram.counts {
        Counts::Int { total, .. } => {
            // Members of a oneof are written even if they are zero: their presence tells the kind.
            put_varint(out, 1 << 3);
            put_varint(out, *total);
        }
        Counts::Float { total, .. } => put_present_double(out, 2, *total),
    }
    put_double(out, 3, histogram.sum);
    put_varint_field(out, 4, zigzag(i64::from(histogram.schema)));
    put_double(out, 5, histogram.zero_threshold);
    match &histogram.counts {
        Counts::Int { zero, .. } => {
            put_varint(out, 6 << 3);
            put_varint(out, *zero);
        }
        Counts::Float { zero, .. } => put_present_double(out, 7, *zero),
    }
    put_side(out, nested, &histogram.negative_spans, &histogram.counts, false);
    put_side(out, nested, &histogram.positive_spans, &histogram.counts, true);
    put_varint_field(out, 14, u64::from(histogram.reset_hint.to_wire()));
    put_varint_field(out, 15, timestamp.cast_unsigned());
    put_doubles(out, nested, 16, &histogram.custom_bounds);
}

fn put_side(out: &mut Vec<u8>, nested: &mut Vec<u8>, spans: &[BucketSpan], counts: &Counts, positive: bool) {
    let first = if positive { 11 } else { 8 };
    for span in spans {
        nested.clear();
        put_varint_field(nested, 1, zigzag(i64::from(span.offset)));
        put_varint_field(nested, 2, u64::from(span.length));
        put_message(out, first, nested);
    }
    match counts {
        Counts::Int { positive: above, negative: below, .. } => {
            nested.clear();
            let mut previous = 0i64;
            for count in if positive { above } else { below } {
                put_varint(nested, zigzag(count.wrapping_sub(previous)));
                previous = *count;
            }
            put_bytes(out, first + 1, nested);
        }
        Counts::Float { positive: above, negative: below, .. } => {
            put_doubles(out, nested, first + 2, if positive { above } else { below });
        }
    }
}

fn put_doubles(out: &mut Vec<u8>, nested: &mut Vec<u8>, field: u32, values: &[f64]) {
    nested.clear();
    values.iter().for_each(|value| nested.extend_from_slice(&value.to_le_bytes()));
    put_bytes(out, field, nested);
}

/// A message, also if it is empty.
fn put_message(out: &mut Vec<u8>, field: u32, message: &[u8]) {
    put_varint(out, u64::from(field << 3 | 2));
    put_varint(out, message.len() as u64);
    out.extend_from_slice(message);
}

fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_message(out, field, bytes);
    }
}

fn put_varint_field(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        put_varint(out, u64::from(field << 3));
        put_varint(out, value);
    }
}

/// Left out only if all bits are zero: -0.0 is not the default.
fn put_double(out: &mut Vec<u8>, field: u32, value: f64) {
    if value.to_bits() != 0 {
        put_present_double(out, field, value);
    }
}

fn put_present_double(out: &mut Vec<u8>, field: u32, value: f64) {
    put_varint(out, u64::from(field << 3 | 1));
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

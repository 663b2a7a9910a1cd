//! The walk over a write request: series by series, without copies. Labels and histograms stay slices of the decoded body; the
//! [`Series`] that receives them is reused, so that a request costs a handful of allocations however many series it has.
//!
//! A request is decoded to its end before anything is done with it: an error anywhere refuses all of it.

use crate::{
    DecodeError, HistogramMessage,
    wire::{BYTES, FIXED64, Reader, Tag, VARINT},
};
use narthex_model::MetricType;

/// Most samples in one request. A sample needs only two bytes on the wire but sixteen decoded; this bounds what hostile requests
/// cost, far above what senders batch (500 to 10,000).
pub const MAX_SAMPLES: usize = 1 << 20;

/// A label as sent: any bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Value.
    pub value: &'a [u8],
}

/// One series as sent.
#[derive(Debug)]
pub struct Series<'a> {
    /// Labels in the order sent, at most one more than the limit given to [`Series::new`].
    pub labels: Vec<Label<'a>>,
    /// Number of labels sent.
    pub label_count: usize,
    /// Timestamps in milliseconds and values, in the order sent.
    pub floats: Vec<(i64, f64)>,
    /// Histograms in the order sent.
    pub histograms: Vec<HistogramMessage<'a>>,
    /// Exemplars, which are counted only.
    pub exemplars: usize,
    max_labels: usize,
}

/// One metadata entry as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metadata<'a> {
    /// Type of the metric family.
    pub kind: MetricType,
    /// Its name; any bytes.
    pub metric: &'a [u8],
    /// Free text; any bytes.
    pub help: &'a [u8],
    /// Unit; any bytes.
    pub unit: &'a [u8],
}

/// What comes next in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A series, now in the [`Series`] that was handed in.
    Series,
    /// A metadata entry.
    Metadata(Metadata<'a>),
}

/// A decoded body, read from front to back.
#[derive(Debug)]
pub struct WriteRequest<'a> {
    reader: Reader<'a>,
    samples_left: usize,
}

impl Series<'_> {
    /// An empty series that keeps up to `max_labels` labels and one more, by which too many are recognised.
    pub fn new(max_labels: usize) -> Self {
        let labels = Vec::with_capacity(32);
        Self { labels, label_count: 0, floats: Vec::new(), histograms: Vec::new(), exemplars: 0, max_labels }
    }

    /// Floats and histograms together.
    pub fn sample_count(&self) -> usize {
        self.floats.len() + self.histograms.len()
    }

    fn clear(&mut self) {
        self.labels.clear();
        self.label_count = 0;
        self.floats.clear();
        self.histograms.clear();
        self.exemplars = 0;
    }
}

impl<'a> WriteRequest<'a> {
    /// Begins to read a decompressed body.
    pub fn new(body: &'a [u8]) -> Self {
        Self { reader: Reader::new(body), samples_left: MAX_SAMPLES }
    }

    /// Reads the next entry, a series into `series`; `None` at the end.
    pub fn next_entry(&mut self, series: &mut Series<'a>) -> Result<Option<Entry<'a>>, DecodeError> {
        while !self.reader.is_empty() {
            let tag = self.reader.tag()?;
            match tag.field {
                1 => {
                    self.reader.expect("WriteRequest", tag, BYTES)?;
                    let message = self.reader.bytes()?;
                    series.clear();
                    self.read_series(self.reader.nested(message), series)?;
                    return Ok(Some(Entry::Series));
                }
                3 => {
                    self.reader.expect("WriteRequest", tag, BYTES)?;
                    let message = self.reader.bytes()?;
                    return Ok(Some(Entry::Metadata(read_metadata(self.reader.nested(message))?)));
                }
                _ => self.reader.skip(tag.wire)?,
            }
        }
        Ok(None)
    }

    fn read_series(&mut self, mut reader: Reader<'a>, series: &mut Series<'a>) -> Result<(), DecodeError> {
        while !reader.is_empty() {
            let tag = reader.tag()?;
            if !(1..=4).contains(&tag.field) {
                reader.skip(tag.wire)?;
                continue;
            }
            reader.expect("TimeSeries", tag, BYTES)?;
            let message = reader.bytes()?;
            match tag.field {
                1 => {
                    let label = match short_label(message) {
                        Some(label) => label,
                        None => read_label(reader.nested(message))?,
                    };
                    series.label_count += 1;
                    if series.labels.len() <= series.max_labels {
                        series.labels.push(label);
                    }
                }
                2 => {
                    self.count_sample()?;
                    series.floats.push(read_sample(reader.nested(message))?);
                }
                3 => series.exemplars += 1,
                _ => {
                    self.count_sample()?;
                    series.histograms.push(HistogramMessage::new(reader.nested(message)));
                }
            }
        }
        Ok(())
    }

    fn count_sample(&mut self) -> Result<(), DecodeError> {
        self.samples_left =
            self.samples_left.checked_sub(1).ok_or(DecodeError::TooManySamples { limit: MAX_SAMPLES })?;
        Ok(())
    }
}

/// The encoding that every sender writes: name, then value, both shorter than 128 bytes, nothing else.
#[inline]
fn short_label(message: &[u8]) -> Option<Label<'_>> {
    let [0x0A, name_length, rest @ ..] = message else { return None };
    let (name, rest) = rest.split_at_checked(usize::from(*name_length))?;
    let [0x12, value_length, value @ ..] = rest else { return None };
    let short = (name_length | value_length) < 0x80 && value.len() == usize::from(*value_length);
    short.then_some(Label { name, value })
}

fn read_label<'a>(mut reader: Reader<'a>) -> Result<Label<'a>, DecodeError> {
    let mut label = Label { name: &[], value: &[] };
    while !reader.is_empty() {
        let tag = reader.tag()?;
        match tag.field {
            1 => label.name = text(&mut reader, "Label", tag)?,
            2 => label.value = text(&mut reader, "Label", tag)?,
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok(label)
}

fn read_sample(mut reader: Reader<'_>) -> Result<(i64, f64), DecodeError> {
    let (mut timestamp, mut value) = (0, 0);
    while !reader.is_empty() {
        let tag = reader.tag()?;
        match tag.field {
            1 => {
                reader.expect("Sample", tag, FIXED64)?;
                value = reader.fixed64()?;
            }
            2 => {
                reader.expect("Sample", tag, VARINT)?;
                timestamp = reader.varint()?.cast_signed();
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok((timestamp, f64::from_bits(value)))
}

fn read_metadata<'a>(mut reader: Reader<'a>) -> Result<Metadata<'a>, DecodeError> {
    let mut metadata = Metadata::default();
    while !reader.is_empty() {
        let tag = reader.tag()?;
        match tag.field {
            1 => {
                reader.expect("MetricMetadata", tag, VARINT)?;
                metadata.kind = MetricType::from_wire(reader.varint()?.cast_signed());
            }
            2 => metadata.metric = text(&mut reader, "MetricMetadata", tag)?,
            4 => metadata.help = text(&mut reader, "MetricMetadata", tag)?,
            5 => metadata.unit = text(&mut reader, "MetricMetadata", tag)?,
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok(metadata)
}

fn text<'a>(reader: &mut Reader<'a>, message: &'static str, tag: Tag) -> Result<&'a [u8], DecodeError> {
    reader.expect(message, tag, BYTES)?;
    reader.bytes()
}

#[cfg(test)]
#[path = "request_test.rs"]
mod tests;

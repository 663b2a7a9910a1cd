//! Native histograms of remote write: spans with delta-encoded integer buckets or absolute float buckets, and custom bounds.
//!
//! Decoding checks the wire format only; whether spans, buckets and totals agree is [`Histogram::validate`]'s business, because
//! that refuses one sample and not the request. Deltas are summed in wrapping arithmetic as Prometheus does; a sum below zero is
//! then refused by validation.

use narthex_model::{BucketSpan, CounterResetHint, Counts, Histogram};

use crate::{
    DecodeError, WireError,
    wire::{BYTES, FIXED64, Reader, Tag, VARINT, zigzag},
};

const MESSAGE: &str = "Histogram";

/// A histogram still encoded.
#[derive(Debug, Clone, Copy)]
pub struct HistogramMessage<'a>(Reader<'a>);

/// Fields as they stand on the wire.
#[derive(Debug, Default)]
struct Fields {
    histogram: Histogram,
    timestamp: i64,
    float: bool,
    count_int: u64,
    count_float: f64,
    zero_int: u64,
    zero_float: f64,
    positive_ints: Vec<i64>,
    negative_ints: Vec<i64>,
    positive_floats: Vec<f64>,
    negative_floats: Vec<f64>,
}

impl<'a> HistogramMessage<'a> {
    pub(crate) fn new(reader: Reader<'a>) -> Self {
        Self(reader)
    }

    /// Decodes timestamp (milliseconds) and histogram.
    pub fn decode(&self) -> Result<(i64, Histogram), DecodeError> {
        let mut reader = self.0;
        let mut fields = Fields::default();
        while !reader.is_empty() {
            let tag = reader.tag()?;
            fields.read(&mut reader, tag)?;
        }
        Ok(fields.finish())
    }
}

impl Fields {
    fn read(&mut self, reader: &mut Reader<'_>, tag: Tag) -> Result<(), DecodeError> {
        match tag.field {
            1 => {
                self.count_int = varint(reader, tag)?;
                self.float = false;
            }
            2 => {
                self.count_float = float(reader, tag)?;
                self.float = true;
            }
            3 => self.histogram.sum = float(reader, tag)?,
            4 => {
                let schema = zigzag(varint(reader, tag)?);
                self.histogram.schema = i8::try_from(schema).map_err(|_| out_of_range(reader, tag))?;
            }
            5 => self.histogram.zero_threshold = float(reader, tag)?,
            6 => self.zero_int = varint(reader, tag)?,
            7 => self.zero_float = float(reader, tag)?,
            8 => self.histogram.negative_spans.push(span(reader, tag)?),
            9 => deltas(reader, tag, &mut self.negative_ints)?,
            10 => floats(reader, tag, &mut self.negative_floats)?,
            11 => self.histogram.positive_spans.push(span(reader, tag)?),
            12 => deltas(reader, tag, &mut self.positive_ints)?,
            13 => floats(reader, tag, &mut self.positive_floats)?,
            14 => {
                let hint = varint(reader, tag)?;
                self.histogram.reset_hint =
                    CounterResetHint::from_wire(u8::try_from(hint).unwrap_or_default());
            }
            15 => self.timestamp = varint(reader, tag)?.cast_signed(),
            16 => floats(reader, tag, &mut self.histogram.custom_bounds)?,
            _ => reader.skip(tag.wire)?,
        }
        Ok(())
    }

    /// The kind of the total decides between integer and float counts, as in Prometheus; the other kind's fields are ignored.
    fn finish(self) -> (i64, Histogram) {
        let mut histogram = self.histogram;
        histogram.counts = if self.float {
            Counts::Float {
                zero: self.zero_float,
                total: self.count_float,
                positive: self.positive_floats,
                negative: self.negative_floats,
            }
        } else {
            Counts::Int {
                zero: self.zero_int,
                total: self.count_int,
                positive: accumulate(self.positive_ints),
                negative: accumulate(self.negative_ints),
            }
        };
        (self.timestamp, histogram)
    }
}

/// Absolute counts from deltas, in place.
fn accumulate(mut deltas: Vec<i64>) -> Vec<i64> {
    let mut sum = 0i64;
    for value in &mut deltas {
        sum = sum.wrapping_add(*value);
        *value = sum;
    }
    deltas
}

fn varint(reader: &mut Reader<'_>, tag: Tag) -> Result<u64, DecodeError> {
    reader.expect(MESSAGE, tag, VARINT)?;
    reader.varint()
}

fn float(reader: &mut Reader<'_>, tag: Tag) -> Result<f64, DecodeError> {
    reader.expect(MESSAGE, tag, FIXED64)?;
    reader.fixed64().map(f64::from_bits)
}

fn span(reader: &mut Reader<'_>, tag: Tag) -> Result<BucketSpan, DecodeError> {
    reader.expect(MESSAGE, tag, BYTES)?;
    let message = reader.bytes()?;
    let mut inner = reader.nested(message);
    let mut span = BucketSpan { offset: 0, length: 0 };
    while !inner.is_empty() {
        let tag = inner.tag()?;
        match tag.field {
            1 => {
                let offset = zigzag(varint(&mut inner, tag)?);
                span.offset = i32::try_from(offset).map_err(|_| out_of_range(&inner, tag))?;
            }
            2 => {
                let length = varint(&mut inner, tag)?;
                span.length = u32::try_from(length).map_err(|_| out_of_range(&inner, tag))?;
            }
            _ => inner.skip(tag.wire)?,
        }
    }
    Ok(span)
}

/// A repeated sint64, packed or not.
fn deltas(reader: &mut Reader<'_>, tag: Tag, into: &mut Vec<i64>) -> Result<(), DecodeError> {
    if tag.wire == VARINT {
        into.push(zigzag(reader.varint()?));
        return Ok(());
    }
    reader.expect(MESSAGE, tag, BYTES)?;
    let packed = reader.bytes()?;
    let mut inner = reader.nested(packed);
    while !inner.is_empty() {
        into.push(zigzag(inner.varint()?));
    }
    Ok(())
}

/// A repeated double, packed or not.
fn floats(reader: &mut Reader<'_>, tag: Tag, into: &mut Vec<f64>) -> Result<(), DecodeError> {
    if tag.wire == FIXED64 {
        into.push(f64::from_bits(reader.fixed64()?));
        return Ok(());
    }
    reader.expect(MESSAGE, tag, BYTES)?;
    let packed = reader.bytes()?;
    if !packed.len().is_multiple_of(8) {
        return Err(reader.error(WireError::PackedLength(packed.len())));
    }
    let mut inner = reader.nested(packed);
    while !inner.is_empty() {
        into.push(f64::from_bits(inner.fixed64()?));
    }
    Ok(())
}

fn out_of_range(reader: &Reader<'_>, tag: Tag) -> DecodeError {
    reader.error(WireError::OutOfRange { message: MESSAGE, field: tag.field })
}

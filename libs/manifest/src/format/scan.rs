//! Bounds on what decoding allocates, found by walking the bytes first.
//!
//! An empty message takes two bytes in a file and hundreds in memory. The walk counts messages before any is decoded, so that a
//! file within [`super::MAX_FILE_BYTES`] cannot cost more than a small multiple of its size.

use bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::FormatError;
use crate::MAX_COLUMNS;

/// What a field may hold: `least` bytes an element, `most` elements, and fields of its own.
struct Field {
    tag: u32,
    least: usize,
    most: usize,
    fields: &'static [Field],
}

const fn field(tag: u32, least: usize, most: usize, fields: &'static [Field]) -> Field {
    Field { tag, least, most, fields }
}

/// Elements of a file at most, in any one list.
const MANY: usize = 1 << 20;

// Elements are never so small when they mean something, so the least sizes refuse nothing that is written.
const ENTRY: &[Field] = &[field(7, 2, MANY, &[]), field(12, 0, MAX_COLUMNS, &[])];
const ROOT: &[Field] = &[
    field(6, 2, MANY, &[]),
    field(10, 1, MANY, &[]),
    field(11, 18, MANY, ENTRY),
    field(12, 18, MANY, &[]),
    field(13, 18, MANY, &[]),
];
const SEGMENT: &[Field] = &[field(3, 1, MANY, &[]), field(4, 18, MANY, ENTRY)];

/// Whether a root may be decoded.
pub(super) fn scan_root(body: &[u8]) -> Result<(), FormatError> {
    scan(body, ROOT)
}

/// Whether a segment may be decoded.
pub(super) fn scan_segment(body: &[u8]) -> Result<(), FormatError> {
    scan(body, SEGMENT)
}

fn scan(mut body: &[u8], fields: &[Field]) -> Result<(), FormatError> {
    let damaged = |_| FormatError::Damaged("it is no protobuf message");
    let mut counts = [0usize; 8];
    while body.has_remaining() {
        let (tag, wire) = decode_key(&mut body).map_err(damaged)?;
        let known = fields.iter().position(|field| field.tag == tag);
        let (Some(at), WireType::LengthDelimited) = (known, wire) else {
            skip_field(wire, tag, &mut body, DecodeContext::default()).map_err(damaged)?;
            continue;
        };
        let length = usize::try_from(decode_varint(&mut body).map_err(damaged)?).unwrap_or(usize::MAX);
        let (element, rest) =
            body.split_at_checked(length).ok_or(FormatError::Damaged("a message is cut short"))?;
        counts[at] += 1;
        let field = &fields[at];
        if length < field.least || counts[at] > field.most {
            return Err(FormatError::Damaged("it holds more elements than any that is written"));
        }
        if !field.fields.is_empty() {
            scan(element, field.fields)?;
        }
        body = rest;
    }
    Ok(())
}

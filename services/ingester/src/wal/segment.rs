//! Segments: a header, then framed records at multiples of eight bytes, then zeros up to what is preallocated.
//!
//! A frame is `magic (u32), payload length (u32), synced position (u64), crc32c (u32), 0 (u32)`. The checksum covers the record's
//! own position, the synced position and the payload, so bytes of another place never pass for a record. The synced position says
//! how far the log was known to be on disk when the record was written; it is what tells damage from a torn end.

use super::LogPosition;

/// Bytes of a segment's header.
pub(crate) const HEADER: usize = 24;
/// Bytes of a record's frame before its payload.
pub(crate) const FRAME: usize = 24;

const SEGMENT_MAGIC: [u8; 8] = *b"NTXWAL\x00\x01";
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"nrec");

/// The header of a segment.
pub(crate) fn header(segment: u32) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..8].copy_from_slice(&SEGMENT_MAGIC);
    out[8..12].copy_from_slice(&segment.to_le_bytes());
    let checksum = crc32c::crc32c(&out[..20]);
    out[20..].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// Appends a record to a batch: `write` appends the payload. The record lies at `position`, which is a multiple of eight.
pub(crate) fn frame(
    batch: &mut Vec<u8>,
    position: LogPosition,
    synced: LogPosition,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let start = batch.len();
    batch.resize(start + FRAME, 0);
    write(batch);
    let length = (batch.len() - start - FRAME) as u32;
    let checksum = checksum(position, synced, &batch[start + FRAME..]);
    batch[start..start + 4].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
    batch[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    batch[start + 8..start + 16].copy_from_slice(&synced.0.to_le_bytes());
    batch[start + 16..start + 20].copy_from_slice(&checksum.to_le_bytes());
    batch.resize(batch.len().next_multiple_of(8), 0);
}

fn checksum(position: LogPosition, synced: LogPosition, payload: &[u8]) -> u32 {
    let head = crc32c::crc32c_append(crc32c::crc32c(&position.0.to_le_bytes()), &synced.0.to_le_bytes());
    crc32c::crc32c_append(head, payload)
}

/// A record as it lies in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) position: LogPosition,
    /// Offset behind the record.
    pub(crate) end: usize,
    pub(crate) synced: LogPosition,
    pub(crate) payload: &'a [u8],
}

/// Bytes that are neither record nor unused space, from an offset to the next record or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) start: usize,
}

/// Reads a segment. Every record is checked; after damage the next record is searched. Unused space at the end is no gap, but
/// unused space before a record is.
pub(crate) fn records(bytes: &[u8], segment: u32) -> impl Iterator<Item = Result<Record<'_>, Gap>> {
    let intact = bytes.len() >= HEADER && bytes[..HEADER] == header(segment);
    let mut broken_header = !intact && bytes.iter().any(|byte| *byte != 0);
    let mut at = HEADER;
    std::iter::from_fn(move || {
        if std::mem::take(&mut broken_header) {
            return Some(Err(Gap { start: 0 }));
        }
        if let Some(record) = record_at(bytes, segment, at) {
            at = record.end;
            return Some(Ok(record));
        }
        let start = at;
        let next = search(bytes, segment, at);
        at = next.unwrap_or(bytes.len());
        let torn =
            bytes.get(start..at).is_some_and(|rest| next.is_some() || rest.iter().any(|byte| *byte != 0));
        (start < at && torn).then_some(Err(Gap { start }))
    })
}

fn search(bytes: &[u8], segment: u32, from: usize) -> Option<usize> {
    let from = from.checked_add(8)?;
    let magic = RECORD_MAGIC.to_le_bytes();
    (from..bytes.len())
        .step_by(8)
        .find(|at| bytes[*at..].starts_with(&magic) && record_at(bytes, segment, *at).is_some())
}

fn record_at(bytes: &[u8], segment: u32, at: usize) -> Option<Record<'_>> {
    let frame = bytes.get(at..)?.first_chunk::<FRAME>()?;
    let number = |at: usize| u32::from_le_bytes(*frame[at..].first_chunk().expect("within the frame"));
    if number(0) != RECORD_MAGIC {
        return None;
    }
    let (start, length) = (at + FRAME, number(4) as usize);
    let payload = bytes.get(start..start.checked_add(length)?)?;
    let position = LogPosition::new(segment, u32::try_from(at).ok()?);
    let synced = LogPosition(u64::from_le_bytes(*frame[8..].first_chunk()?));
    let end = (start + length).next_multiple_of(8);
    (checksum(position, synced, payload) == number(16)).then_some(Record { position, end, synced, payload })
}

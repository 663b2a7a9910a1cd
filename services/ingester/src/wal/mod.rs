//! The format of the write-ahead log: positions, segments, records, and how damage is judged.
//!
//! One log serves all workspaces of an ingester. It is a row of numbered segments of framed records; each record holds the
//! changes of one push, or steps of a workspace's cuts. This module is pure: bytes in, bytes out. Writing and syncing is `storage::writer`, applying is
//! `storage::replay`. The danger here is to take damage for the end of the log; see [`Survey`].

mod record;
mod segment;
mod steps;
mod survey;

pub(crate) use record::{Change, RecordBuilder, RecordError, read_record, workspace_of};
pub(crate) use segment::{FRAME, HEADER, frame, header, records};
pub(crate) use steps::StepsBuilder;
pub(crate) use survey::Survey;

/// A place in the log: the segment's number in the upper half, the offset in it in the lower. Positions only grow; a segment
/// number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct LogPosition(pub(crate) u64);

impl LogPosition {
    pub(crate) fn new(segment: u32, offset: u32) -> Self {
        Self(u64::from(segment) << 32 | u64::from(offset))
    }

    pub(crate) fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) fn offset(self) -> u32 {
        self.0 as u32
    }
}

/// The file name of a segment.
pub(crate) fn segment_name(segment: u32) -> String {
    format!("{segment:010}.wal")
}

/// The segment number in a file name.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    name.strip_suffix(".wal").filter(|digits| digits.len() == 10)?.parse().ok()
}

/// Reads a segment's bytes in any state, record by record: the entry for fuzzing. Returns the number of readable changes.
pub fn read_any(bytes: &[u8]) -> usize {
    let mut changes = 0;
    for record in records(bytes, 1).flatten() {
        let _ = read_record(record.payload, |_| changes += 1);
    }
    let _ = read_record(bytes, |_| changes += 1);
    changes
}

#[cfg(test)]
mod tests;

//! Judging damage before anything is applied.
//!
//! A crash leaves the end of the log in any state: blocks written since the last sync may be there or not, in any order, so a
//! readable record may follow a torn one. Nothing of that was promised. Damage before a synced position was: there records
//! are missing that were acknowledged. Each record carries the position that was synced when it was written, and whatever
//! is damaged before the greatest synced position that any readable record names is lost data; the rest is a torn end,
//! and the log is cut at its beginning.

use super::{
    LogPosition,
    segment::{header, records},
};

/// A damaged or missing piece of the log that had been synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) at: LogPosition,
}

/// What a look at all segments says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Survey {
    /// Synced pieces that cannot be read.
    pub(crate) damages: Vec<Damage>,
    /// Where an unsynced, torn end begins; all from there on is void.
    pub(crate) torn_at: Option<LogPosition>,
    gaps: Vec<LogPosition>,
    synced: LogPosition,
    next_segment: u32,
}

impl Survey {
    /// Begins at the first segment that the checkpoint needs.
    pub(crate) fn new(first_segment: u32) -> Self {
        Self { next_segment: first_segment, ..Self::default() }
    }

    /// Looks at the next segment by ascending number.
    pub(crate) fn segment(&mut self, segment: u32, bytes: &[u8]) {
        for missing in self.next_segment..segment {
            // A segment begins only after the one before it was synced, so a missing one cannot be a torn end.
            self.damages.push(Damage { at: LogPosition::new(missing, 0) });
        }
        self.next_segment = segment + 1;
        let mut begun = bytes.starts_with(&header(segment));
        for record in records(bytes, segment) {
            match record {
                Ok(record) => {
                    begun = true;
                    self.synced = self.synced.max(record.synced);
                }
                Err(gap) => self.gaps.push(LogPosition::new(segment, gap.start as u32)),
            }
        }
        if begun {
            self.synced = self.synced.max(LogPosition::new(segment, 0));
        }
    }

    /// Notes a segment that should be there and is not.
    pub(crate) fn segment_is_missing(&mut self, segment: u32) {
        self.damages.push(Damage { at: LogPosition::new(segment, 0) });
    }

    /// Ends the look.
    pub(crate) fn finish(mut self) -> Self {
        for gap in std::mem::take(&mut self.gaps) {
            if gap < self.synced {
                self.damages.push(Damage { at: gap });
            } else {
                self.torn_at.get_or_insert(gap);
            }
        }
        self.damages.sort_unstable_by_key(|damage| damage.at);
        self
    }
}

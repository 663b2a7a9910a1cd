//! Applying an edit: the next revision from one manifest and nothing else.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use narthex_model::{BlockId, TimestampMs, Window, WindowLength};

use crate::{
    BucketTime, CutSet, Edit, Entry, Manifest, Nonce, Object, Refused, Removal, Segment, format, spill,
};

/// When entries move from the root to segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries that the root keeps at most.
    pub root_entries: usize,
    /// Bytes of entries that the root keeps at most, by estimate.
    pub root_bytes: usize,
    /// Entries of a segment at most.
    pub segment_entries: usize,
    /// Bytes of a segment at most, by estimate.
    pub segment_bytes: usize,
}

impl Limits {
    /// A root of 256 entries or 256 KiB; segments of 2,048 entries or 2 MiB: 5,000 blocks are four or five objects.
    pub const DEFAULT: Self =
        Self { root_entries: 256, root_bytes: 256 << 10, segment_entries: 2_048, segment_bytes: 2 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What one attempt brings along beside the edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Written into the root.
    pub writer: Nonce,
    /// The writer's window length.
    pub window_length: WindowLength,
    /// When to use segments.
    pub limits: Limits,
    /// When the oldest of the added blocks was put; `None` if none is added.
    pub put: Option<BucketTime>,
    /// Segments that this writer has named before: the next ones get other names.
    pub segments_named: u32,
}

/// The next revision, to be written only after its new segments.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The revision.
    pub manifest: Arc<Manifest>,
    /// The root's file.
    pub file: Bytes,
    /// Segments that it names for the first time.
    pub segments: Vec<NewSegment>,
}

/// A segment that must be in the bucket before a root names it.
#[derive(Debug, Clone)]
pub struct NewSegment {
    /// Its contents.
    pub segment: Arc<Segment>,
    /// Its file.
    pub file: Bytes,
}

impl Manifest {
    /// The revision after this one with an edit applied, or why it cannot be. Conditions are evaluated on this manifest: call it
    /// again for every attempt (rule 9, B-4).
    pub fn apply(&self, edit: &Edit, attempt: &Attempt) -> Result<Applied, Refused> {
        edit.check(self, attempt.window_length)?;
        debug_assert!(edit.added().is_empty() || attempt.put.is_some(), "rule 10: blocks nobody has seen");
        if let Some(put) = attempt.put
            && !edit.added().is_empty()
            && put <= self.collected_before
        {
            return Err(Refused::Collected { put, before: self.collected_before });
        }
        let mut next = self.child(attempt.writer);
        match edit {
            Edit::Commit(entry) => next.commit(entry),
            Edit::Compact { inputs, outputs } => next.compact(inputs, outputs),
            Edit::Remove(blocks) => {
                next.remove(blocks);
                next.lost = next.revision;
            }
            Edit::RaiseFloor(floor) => next.raise_floor(*floor),
            Edit::Collect { before, gone } => {
                next.collected_before = next.collected_before.max(*before);
                next.removals.retain(|removal| !gone.contains(&removal.object));
            }
            Edit::Delete => next.delete(),
        }
        let segments = spill::spill(&mut next, attempt);
        let file = format::encode_root(&next);
        let bytes = segments.iter().map(|segment| segment.file.len()).fold(file.len(), usize::max);
        if bytes > format::MAX_FILE_BYTES {
            return Err(Refused::TooLarge { bytes, limit: format::MAX_FILE_BYTES });
        }
        if cfg!(debug_assertions) {
            // It looks at everything, which would make every commit to a large manifest slow in tests.
            if next.len() <= 512 {
                next.check();
            }
            assert!(next.revision.0 == self.revision.0 + 1 && next.parent == self.writer, "B-4");
            assert!(edit.holds(&next), "an edit holds where it was applied");
        }
        Ok(Applied { manifest: Arc::new(next), file, segments })
    }

    fn commit(&mut self, entry: &Entry) {
        debug_assert_eq!(self.committed.first_common(&entry.cuts), None, "F-1");
        self.committed.extend(&entry.cuts);
        self.add(entry.clone());
    }

    fn compact(&mut self, inputs: &BTreeSet<BlockId>, outputs: &[Entry]) {
        let inputs = self.remove(inputs);
        let level = inputs.iter().map(|entry| entry.level).max().unwrap_or(0).saturating_add(1);
        let mut cuts = CutSet::default();
        for entry in &inputs {
            cuts.extend(&entry.cuts);
        }
        for output in outputs {
            self.add(Entry { level, cuts: cuts.clone(), ..output.clone() });
        }
    }

    fn add(&mut self, mut entry: Entry) {
        entry.bound();
        self.recent.push(Arc::new(entry));
    }

    /// Takes blocks out, notes that they were there, and returns what was said about them.
    fn remove(&mut self, blocks: &BTreeSet<BlockId>) -> Vec<Arc<Entry>> {
        let mut removed = Vec::with_capacity(blocks.len());
        self.recent.retain(|entry| {
            let stays = !blocks.contains(&entry.id);
            if !stays {
                removed.push(Arc::clone(entry));
            }
            stays
        });
        for id in blocks {
            for segment in &mut self.segments {
                if let Some(entry) = segment.get(*id).cloned() {
                    segment.drop_entry(*id);
                    removed.push(entry);
                }
            }
        }
        for entry in &removed {
            self.note_removal(Object::Block(entry.id));
        }
        removed
    }

    /// Remembers that the revision before named an object and this one does not (B-3).
    pub(crate) fn note_removal(&mut self, object: Object) {
        self.removals.push(Removal { object, revision: self.revision });
    }

    fn raise_floor(&mut self, floor: Window) {
        let floor = self.floor.map_or(floor, |own| own.max(floor));
        let start = self.window_length.start(floor);
        let past = |time: TimestampMs| time < start;
        let blocks = self.entries().filter(|entry| past(entry.time.max)).map(|entry| entry.id).collect();
        self.remove(&blocks);
        self.committed.drop_before(floor);
        self.floor = Some(floor);
    }

    fn delete(&mut self) {
        let bare = Self::empty(self.workspace, self.window_length);
        let Self { revision, parent, writer, .. } = *self;
        *self = Self { revision, parent, writer, deleted: true, lost: revision, ..bare };
    }
}

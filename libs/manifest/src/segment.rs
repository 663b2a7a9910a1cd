//! Segments: entries of closed periods that moved out of the root, so that a commit rewrites little whatever a workspace holds.
//!
//! A segment is immutable and named by one writer's random number: no two writers ever name the same, so that a segment which
//! nobody names can be collected like any orphan. What leaves the manifest is noted beside the reference.

use std::{collections::BTreeSet, sync::Arc};

use narthex_bucket::layout::SegmentId;
use narthex_model::BlockId;

use crate::Entry;

/// The contents of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    id: SegmentId,
    /// Ascending by id.
    entries: Vec<Arc<Entry>>,
}

impl Segment {
    /// A segment of these entries; none may come twice.
    pub(crate) fn new(id: SegmentId, mut entries: Vec<Arc<Entry>>) -> Self {
        entries.sort_unstable_by_key(|entry| entry.id);
        debug_assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id), "an entry twice in a segment");
        Self { id, entries }
    }

    /// Its name.
    pub const fn id(&self) -> SegmentId {
        self.id
    }

    /// Its entries, ascending by block id.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    fn get(&self, id: BlockId) -> Option<&Arc<Entry>> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        self.entries.get(at)
    }
}

/// A segment as a manifest names it: all entries but those that were dropped since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRef {
    pub(crate) segment: Arc<Segment>,
    /// CRC32C of the segment's body in the bucket.
    pub(crate) crc32c: u32,
    /// Blocks that are not in the manifest any more; all of them are in the segment.
    pub(crate) dropped: Arc<BTreeSet<BlockId>>,
}

impl SegmentRef {
    /// The whole segment.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Entries that the manifest names.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.segment.entries.iter().filter(|entry| !self.dropped.contains(&entry.id))
    }

    pub(crate) fn live_len(&self) -> usize {
        self.segment.entries.len() - self.dropped.len()
    }

    pub(crate) fn get(&self, id: BlockId) -> Option<&Arc<Entry>> {
        self.segment.get(id).filter(|_| !self.dropped.contains(&id))
    }

    /// Drops an entry; false if the manifest did not name it here.
    pub(crate) fn drop_entry(&mut self, id: BlockId) -> bool {
        self.segment.get(id).is_some() && Arc::make_mut(&mut self.dropped).insert(id)
    }
}

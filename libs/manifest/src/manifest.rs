//! A manifest: which blocks a workspace has and which cuts were committed, at one revision. Immutable once made.
//!
//! B-1: a block is readable if and only if the newest manifest names it. Rule 4: the history of cuts outlives the blocks; cuts
//! before the retention floor and all cuts of a deleted workspace count as committed, for nobody may flush them any more.

use std::sync::Arc;

use narthex_bucket::layout::SegmentId;
use narthex_model::{BlockId, Cut, ManifestRevision, TimeRange, Window, WindowLength, WorkspaceId};

use crate::{BucketTime, CutSet, Entry, SegmentRef};

/// A writer's random number, which tells its roots and segments from everybody else's (rule 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nonce(pub u128);

/// An object that a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A block.
    Block(BlockId),
    /// A segment.
    Segment(SegmentId),
}

/// An object that an earlier revision named, which may still lie in the bucket: readers of older revisions may need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// What.
    pub object: Object,
    /// The first revision without it.
    pub revision: ManifestRevision,
}

/// One revision of a workspace's manifest, with the contents of its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub(crate) workspace: WorkspaceId,
    pub(crate) revision: ManifestRevision,
    pub(crate) parent: Nonce,
    pub(crate) writer: Nonce,
    pub(crate) window_length: WindowLength,
    pub(crate) committed: CutSet,
    pub(crate) floor: Option<Window>,
    pub(crate) collected_before: BucketTime,
    pub(crate) deleted: bool,
    pub(crate) recent: Vec<Arc<Entry>>,
    pub(crate) segments: Vec<SegmentRef>,
    pub(crate) removals: Vec<Removal>,
    pub(crate) lost: ManifestRevision,
}

impl Manifest {
    /// What stands before the first root: revision 0, and nothing in it.
    pub fn empty(workspace: WorkspaceId, window_length: WindowLength) -> Self {
        Self {
            workspace,
            revision: ManifestRevision(0),
            parent: Nonce::default(),
            writer: Nonce::default(),
            window_length,
            committed: CutSet::default(),
            floor: None,
            collected_before: BucketTime::MIN,
            deleted: false,
            recent: Vec::new(),
            segments: Vec::new(),
            removals: Vec::new(),
            lost: ManifestRevision(0),
        }
    }

    /// Whose blocks these are.
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Which revision this is; 0 is [`Self::empty`].
    pub const fn revision(&self) -> ManifestRevision {
        self.revision
    }

    /// Who wrote this revision.
    pub const fn writer(&self) -> Nonce {
        self.writer
    }

    /// Who wrote the revision before.
    pub const fn parent(&self) -> Nonce {
        self.parent
    }

    /// How long the windows are that cuts are numbered by.
    pub const fn window_length(&self) -> WindowLength {
        self.window_length
    }

    /// Whether the workspace was deleted. Final.
    pub const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// The first window that is still retained, if there is a bound.
    pub const fn floor(&self) -> Option<Window> {
        self.floor
    }

    /// Objects put then or before, and not named here, may be gone.
    pub const fn collected_before(&self) -> BucketTime {
        self.collected_before
    }

    /// Cuts that were committed and are not before the floor.
    pub const fn committed(&self) -> &CutSet {
        &self.committed
    }

    /// Objects of earlier revisions that may still lie in the bucket.
    pub fn removals(&self) -> &[Removal] {
        &self.removals
    }

    /// The newest revision that took blocks out without replacement, other than by retention; 0 if none did. As long as it stays
    /// the same, what was once complete reads the same, from the floor on.
    pub const fn lost(&self) -> ManifestRevision {
        self.lost
    }

    /// Segments that the root names.
    pub fn segments(&self) -> &[SegmentRef] {
        &self.segments
    }

    /// Whether a cut was committed, or can never be (rule 4). Only on a manifest that is proven newest is this a reason to
    /// forget the cut (rule 5).
    pub fn is_committed(&self, cut: &Cut) -> bool {
        self.deleted || self.floor.is_some_and(|floor| cut.window < floor) || self.committed.contains(cut)
    }

    /// All blocks, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.recent.iter().chain(self.segments.iter().flat_map(SegmentRef::live))
    }

    /// Blocks that can hold samples of a time, in no particular order.
    pub fn blocks(&self, range: TimeRange) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries().filter(move |entry| entry.overlaps(range))
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.recent.len() + self.segments.iter().map(SegmentRef::live_len).sum::<usize>()
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is said about a block, if it is named here.
    pub fn get(&self, id: BlockId) -> Option<&Arc<Entry>> {
        let recent = self.recent.iter().find(|entry| entry.id == id);
        recent.or_else(|| self.segments.iter().find_map(|segment| segment.get(id)))
    }

    /// Whether a block is named here.
    pub fn names(&self, id: BlockId) -> bool {
        self.get(id).is_some()
    }

    /// Whether a segment is named here.
    pub fn names_segment(&self, id: SegmentId) -> bool {
        self.segments.iter().any(|segment| segment.segment.id() == id)
    }

    /// Whether a revision before this one named an object that this one does not.
    pub(crate) fn has_removed(&self, object: Object) -> bool {
        self.removals.iter().any(|removal| removal.object == object)
    }

    /// The next revision, before anything in it was changed.
    pub(crate) fn child(&self, writer: Nonce) -> Self {
        let revision = ManifestRevision(self.revision.0 + 1);
        Self { revision, parent: self.writer, writer, ..self.clone() }
    }

    /// Panics if an invariant is broken. For debug assertions and tests: it looks at everything.
    #[doc(hidden)]
    pub fn check(&self) {
        let mut ids: Vec<BlockId> = self.entries().map(|entry| entry.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "a block is named twice");
        let mut first_level = CutSet::default();
        for entry in self.entries() {
            for (partition, epoch, range) in entry.cuts.ranges() {
                for window in [range.first, range.last] {
                    let cut = Cut { partition, epoch, window };
                    assert!(self.is_committed(&cut), "rule 4: {cut} is in a block and not committed");
                }
            }
            if entry.level == 0 {
                assert_eq!(first_level.first_common(&entry.cuts), None, "F-1: a cut in two blocks");
                first_level.extend(&entry.cuts);
            }
        }
        for removal in &self.removals {
            assert!(removal.revision <= self.revision, "removed in the future");
            let named = match removal.object {
                Object::Block(id) => self.names(id),
                Object::Segment(id) => self.names_segment(id),
            };
            assert!(!named, "B-3: {:?} is named and removed", removal.object);
        }
    }
}

#[cfg(test)]
mod tests;

//! A bucket in memory that behaves as badly as a real one may, and an oracle that watches it: for property tests.
//!
//! The bucket keeps every rule that real ones keep (a put-if-absent has one winner, lists are current) and no other: replies get
//! lost, writes arrive late, and time leaps while everybody sleeps. The oracle remembers the line of newest manifests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use narthex_model::{
    BlockId, Cut, Epoch, ManifestRevision, PartitionId, SeriesHash, TimeRange, Window, WindowLength,
    WorkspaceId,
};

use crate::{
    BucketTime, Column, CutSet, Entry, Listing, Manifest, Margins, Object, Segment, SegmentId, Writer, format,
};

/// What is in a block of the model: halves of cuts, so that compaction can split by series.
pub(crate) type Content = BTreeSet<(Cut, bool)>;

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::from_random(7)
}

pub(crate) fn empty() -> Manifest {
    Manifest::empty(workspace(), WindowLength::DEFAULT)
}

pub(crate) fn cut(partition: u32, window: i64) -> Cut {
    Cut { partition: PartitionId(partition), epoch: Epoch(1), window: Window(window) }
}

pub(crate) fn block(number: u128) -> BlockId {
    BlockId::from_u128(number)
}

/// An entry with these cuts.
pub(crate) fn entry(id: u128, cuts: impl IntoIterator<Item = Cut>) -> Entry {
    let cuts: CutSet = cuts.into_iter().collect();
    let windows: Vec<Window> = cuts.ranges().flat_map(|(_, _, range)| [range.first, range.last]).collect();
    let length = WindowLength::DEFAULT;
    let first = windows.iter().min().copied().unwrap_or(Window(0));
    let last = windows.iter().max().copied().unwrap_or(Window(0));
    Entry {
        id: block(id),
        level: 0,
        time: TimeRange { min: length.start(first), max: length.range(last).max },
        min_hash: SeriesHash(1),
        max_hash: SeriesHash(u64::MAX),
        cuts,
        series: 10,
        samples: 1_000,
        bytes: 4_000,
        footer_bytes: 300,
        columns: Column::new("__name__", "go_goroutines", "up").into_iter().collect(),
    }
}

/// A root whose writing takes long: it is written when the bucket comes around to it, or never.
#[derive(Debug, Clone)]
pub(crate) struct Late(pub(crate) Arc<Manifest>);

/// The bucket and the oracle.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: BucketTime,
    pub(crate) margins: Margins,
    pub(crate) roots: BTreeMap<ManifestRevision, (Arc<Manifest>, BucketTime)>,
    segments: BTreeMap<SegmentId, (Arc<Segment>, BucketTime)>,
    pub(crate) blocks: BTreeMap<BlockId, (Content, BucketTime)>,
    pub(crate) late: Vec<Late>,
    /// Every manifest that was ever the newest.
    pub(crate) line: Vec<Arc<Manifest>>,
    /// The block that each cut came with.
    origin: BTreeMap<Cut, BlockId>,
    /// What an operator took out: no longer expected.
    pub(crate) given_up: Content,
    /// When the newest manifest ceased to name an object.
    unnamed_at: BTreeMap<Object, BucketTime>,
    /// When an object was put for the first time: writers repeat the writing of segments.
    first_put: BTreeMap<Object, BucketTime>,
    blocks_made: u128,
    /// Roots that were written beside the line.
    pub(crate) forks: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: BucketTime(0),
            margins: Margins::DEFAULT,
            roots: BTreeMap::new(),
            segments: BTreeMap::new(),
            blocks: BTreeMap::new(),
            late: Vec::new(),
            line: vec![Arc::new(empty())],
            origin: BTreeMap::new(),
            given_up: Content::new(),
            unnamed_at: BTreeMap::new(),
            first_put: BTreeMap::new(),
            blocks_made: 0,
            forks: 0,
        }
    }

    pub(crate) fn newest(&self) -> &Arc<Manifest> {
        self.line.last().expect("never empty")
    }

    pub(crate) fn sleep(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    pub(crate) fn put_block(&mut self, content: Content) -> BlockId {
        self.blocks_made += 1;
        let id = block(self.blocks_made);
        self.blocks.insert(id, (content, self.now));
        self.first_put.insert(Object::Block(id), self.now);
        id
    }

    pub(crate) fn put_segment(&mut self, segment: &Arc<Segment>) {
        self.segments.insert(segment.id(), (Arc::clone(segment), self.now));
        self.first_put.entry(Object::Segment(segment.id())).or_insert(self.now);
    }

    pub(crate) fn list_newest(&self) -> Option<ManifestRevision> {
        self.roots.last_key_value().map(|(revision, _)| *revision)
    }

    /// Put-if-absent: whether it was written.
    pub(crate) fn put_root(&mut self, manifest: &Arc<Manifest>) -> bool {
        if self.roots.contains_key(&manifest.revision()) {
            return false;
        }
        let newer = self.list_newest().is_none_or(|newest| manifest.revision() > newest);
        self.roots.insert(manifest.revision(), (Arc::clone(manifest), self.now));
        if newer {
            self.advance(manifest);
        } else {
            self.forks += 1;
        }
        true
    }

    /// A root as it is read: through its bytes.
    pub(crate) fn load(&self, revision: ManifestRevision) -> Option<Arc<Manifest>> {
        let (manifest, _) = self.roots.get(&revision)?;
        let file = format::encode_root(manifest);
        let root = format::decode_root(file, workspace(), revision).expect("what was written");
        let segments =
            root.segments().filter_map(|(id, _)| Some((id, Arc::clone(&self.segments.get(&id)?.0))));
        let segments = segments.collect();
        // Only old revisions may miss a segment; whoever reads them looks again.
        match format::resolve(root, &segments) {
            Ok(read) => {
                assert_eq!(&read, &**manifest, "what is read is what was written");
                Some(Arc::new(read))
            }
            Err(_) => None,
        }
    }

    pub(crate) fn listing(&self) -> Listing {
        Listing {
            roots: self.roots.iter().map(|(revision, (_, put))| (*revision, *put)).collect(),
            segments: self.segments.iter().map(|(id, (_, put))| (*id, *put)).collect(),
            blocks: self.blocks.iter().map(|(id, (_, put))| (*id, *put)).collect(),
        }
    }

    /// A new newest manifest: it must continue the line, and commit nothing twice.
    fn advance(&mut self, next: &Arc<Manifest>) {
        let before = Arc::clone(self.newest());
        assert_eq!(next.revision().0, before.revision().0 + 1, "B-4: a revision was skipped");
        assert_eq!(next.parent(), before.writer(), "B-4: applied to another manifest");
        next.check();
        for entry in next.entries().filter(|entry| entry.level == 0 && !before.names(entry.id)) {
            for (partition, epoch, range) in entry.cuts.ranges() {
                for window in range.first.0..=range.last.0 {
                    let cut = Cut { partition, epoch, window: Window(window) };
                    let other = self.origin.insert(cut, entry.id);
                    assert_eq!(other, None, "F-1: {cut} was committed twice");
                }
            }
        }
        let names = |manifest: &Manifest| -> BTreeSet<Object> {
            let segments = manifest.segments().iter().map(|segment| Object::Segment(segment.segment().id()));
            manifest.entries().map(|entry| Object::Block(entry.id)).chain(segments).collect()
        };
        for object in names(&before).difference(&names(next)) {
            self.unnamed_at.insert(*object, self.now);
        }
        self.line.push(Arc::clone(next));
    }

    pub(crate) fn delete_root(&mut self, revision: ManifestRevision) {
        assert!(revision < self.newest().revision(), "the newest root was deleted");
        self.roots.remove(&revision);
    }

    pub(crate) fn delete(&mut self, object: Object) {
        let there = match object {
            Object::Block(id) => self.blocks.remove(&id).is_some(),
            Object::Segment(id) => self.segments.remove(&id).is_some(),
        };
        let since = self.unnamed_at.get(&object).or(self.first_put.get(&object)).copied();
        if let Some(since) = since.filter(|_| there) {
            assert!(
                since.until(self.now) >= self.margins.orphan_age(),
                "B-3: {object:?} was deleted too soon"
            );
        }
    }

    /// What must be true at every moment.
    pub(crate) fn check(&self) {
        let newest = self.newest();
        for entry in newest.entries() {
            assert!(self.blocks.contains_key(&entry.id), "B-1: block {} is named and gone", entry.id);
        }
        for segment in newest.segments() {
            assert!(self.segments.contains_key(&segment.segment().id()), "B-1: a segment is named and gone");
        }
        if newest.is_deleted() {
            return;
        }
        let mut readable = Content::new();
        for entry in newest.entries() {
            for half in &self.blocks[&entry.id].0 {
                assert!(readable.insert(*half), "R-1: {half:?} is in two blocks");
            }
        }
        for cut in self.origin.keys() {
            assert!(newest.is_committed(cut), "rule 4: {cut} was forgotten");
            for half in [(*cut, false), (*cut, true)] {
                let expected = newest.floor().is_none_or(|floor| cut.window >= floor);
                let expected = expected && !self.given_up.contains(&half);
                assert!(!expected || readable.contains(&half), "R-1: {half:?} of a committed cut is lost");
            }
        }
    }
}

/// A writer with a nonce of its own.
pub(crate) fn writer(nonce: u128) -> Writer {
    Writer {
        nonce: crate::Nonce(nonce),
        window_length: WindowLength::DEFAULT,
        limits: small(),
        margins: Margins::DEFAULT,
    }
}

/// Limits under which few entries make segments.
pub(crate) fn small() -> crate::Limits {
    crate::Limits { root_entries: 6, root_bytes: 4_000, segment_entries: 8, segment_bytes: 4_000 }
}

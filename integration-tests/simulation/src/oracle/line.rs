//! The oracle's view of the bucket: the line of newest manifests, and what of the acknowledged samples is in its blocks.
//!
//! | check | when |
//! |---|---|
//! | F-1, F-2, B-2, B-4 | whenever a root becomes the newest |
//! | F-3 | whenever an owner forgets a cut |
//! | F-4 | whenever an owner stores a push, and whenever it tells a sealed cut again |
//! | B-3 | whenever an object is deleted |

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use narthex_manifest::{BucketTime, Entry, Manifest, Object};
use narthex_model::{BlockId, Cut, Epoch, TimestampMs, Window};

use super::{Key, Oracle};
use crate::{
    bucket::{margins, no_manifest},
    message::Data,
    store::{WINDOW, keys},
};

/// A cut as its owner sealed it.
#[derive(Debug)]
struct Seal {
    keys: BTreeSet<Key>,
    forgotten: bool,
}

/// What is known of the bucket and of seals.
#[derive(Debug)]
pub(super) struct Line {
    newest: Arc<Manifest>,
    first_put: BTreeMap<Object, BucketTime>,
    unnamed_at: BTreeMap<Object, BucketTime>,
    /// What was written into blocks, whatever the manifest says of it.
    written: BTreeMap<BlockId, Cut>,
    /// The block that each cut came with.
    origin: BTreeMap<Cut, BlockId>,
    /// Samples in blocks that the newest manifest names, by partition of their first block.
    readable: BTreeSet<Key>,
    seals: BTreeMap<(usize, Epoch, Window), Seal>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            newest: Arc::new(no_manifest()),
            first_put: BTreeMap::new(),
            unnamed_at: BTreeMap::new(),
            written: BTreeMap::new(),
            origin: BTreeMap::new(),
            readable: BTreeSet::new(),
            seals: BTreeMap::new(),
        }
    }
}

fn window(at: i64) -> Window {
    WINDOW.window(TimestampMs(at))
}

fn names(manifest: &Manifest) -> BTreeSet<Object> {
    let segments = manifest.segments().iter().map(|segment| Object::Segment(segment.segment().id()));
    manifest.entries().map(|entry| Object::Block(entry.id)).chain(segments).collect()
}

impl Oracle {
    /// The newest manifest.
    pub(crate) fn newest(&self) -> Arc<Manifest> {
        Arc::clone(&self.line.newest)
    }

    /// Whether a sample is in a block.
    pub(super) fn is_readable(&self, key: &Key) -> bool {
        self.line.readable.contains(key)
    }

    /// An acknowledged sample of a window that should be in blocks by now, and is not.
    pub(crate) fn unflushed(&self, before: i64) -> Option<Key> {
        let mut old = self.acknowledged.keys().filter(|key| WINDOW.end(window(key.1)).0 < before);
        old.find(|key| !self.is_readable(key)).copied()
    }

    /// A flusher writes a block of a cut.
    pub(crate) fn writes(&mut self, block: BlockId, cut: Cut) {
        self.line.written.insert(block, cut);
    }

    /// An object was put.
    pub(crate) fn put(&mut self, object: Object, at: BucketTime) {
        self.line.first_put.entry(object).or_insert(at);
    }

    /// An object was deleted.
    pub(crate) fn deleted(&mut self, now: u64, at: BucketTime, object: Object) {
        let since = self.line.unnamed_at.get(&object).or(self.line.first_put.get(&object)).copied();
        if since.is_some_and(|since| since.until(at) < margins().orphan_age()) {
            self.violate("B-3", now, format!("{object:?} was deleted {:?} after {since:?}", at));
        }
    }

    /// A root became the newest.
    pub(crate) fn advance(
        &mut self,
        now: u64,
        at: BucketTime,
        next: &Arc<Manifest>,
        block: impl Fn(BlockId) -> Option<Rc<Data>>,
    ) {
        let before = Arc::clone(&self.line.newest);
        if next.revision().0 != before.revision().0 + 1 || next.parent() != before.writer() {
            let (next, before) = (next.revision(), before.revision());
            self.violate("B-4", now, format!("root {next} does not continue {before}"));
        }
        let (old, new) = (names(&before), names(next));
        self.line.unnamed_at.extend(old.difference(&new).map(|object| (*object, at)));
        self.line.newest = Arc::clone(next);
        let (mut added, mut compacted) = (BTreeSet::new(), false);
        for entry in next.entries().filter(|entry| !before.names(entry.id)) {
            let Some(data) = block(entry.id) else { continue };
            let data = keys(&data);
            if entry.level == 0 {
                self.line.readable.extend(data.iter().copied());
                self.cut_committed(now, entry);
            } else {
                compacted = true;
                added.extend(data);
            }
        }
        if compacted {
            let left = before.entries().filter(|entry| !next.names(entry.id));
            let left: BTreeSet<_> =
                left.filter_map(|entry| block(entry.id)).flat_map(|data| keys(&data)).collect();
            if left != added {
                self.violate("B-2", now, format!("revision {} has other samples", next.revision()));
            }
        }
        self.commits += u64::from(next.len() > before.len());
    }

    /// F-1 and F-2 of the cut of a block.
    fn cut_committed(&mut self, now: u64, entry: &Entry) {
        let Some(cut) = self.line.written.get(&entry.id).copied() else { return };
        if let Some(other) = self.line.origin.insert(cut, entry.id) {
            self.violate("F-1", now, format!("{cut} was committed with {other} and with {}", entry.id));
        }
        let lacking = self.acknowledged.iter().find(|(key, entry)| {
            let inside = entry.partition == cut.partition.0 && window(key.1) == cut.window;
            inside && entry.epoch <= cut.epoch && !self.line.readable.contains(*key)
        });
        if let Some((key, entry)) = lacking {
            let text = format!("{cut} lacks {key:?}, acknowledged at {} in epoch {}", entry.at, entry.epoch);
            self.violate("F-2", now, text);
        }
    }

    /// F-2 of a sample that is acknowledged after its cut was committed.
    pub(super) fn acknowledged_late(&mut self, now: u64, key: &Key, partition: u32, epoch: Epoch) {
        let committed =
            |cut: &&Cut| cut.partition.0 == partition && cut.window == window(key.1) && epoch <= cut.epoch;
        if let Some(cut) = self.line.origin.keys().find(committed)
            && !self.is_readable(key)
        {
            let text =
                format!("{key:?} was acknowledged in epoch {epoch} after {cut} was committed without it");
            self.violate("F-2", now, text);
        }
    }

    /// An owner tells what it sealed. It may be less than before, as the cuts of earlier epochs are forgotten.
    pub(crate) fn sealed(&mut self, now: u64, ingester: usize, cut: Cut, keys: BTreeSet<Key>) {
        let place = (ingester, cut.epoch, cut.window);
        match self.line.seals.get(&place) {
            Some(seal) if !seal.forgotten && keys.iter().any(|key| !seal.keys.contains(key)) => {
                self.violate("F-4", now, format!("{cut} grew at ingester {ingester} after it was sealed"));
            }
            Some(_) => {}
            None => drop(self.line.seals.insert(place, Seal { keys, forgotten: false })),
        }
    }

    /// An owner's seals are void, or its disk is another.
    pub(crate) fn unsealed(&mut self, ingester: usize) {
        self.line.seals.retain(|(id, _, _), _| *id != ingester);
    }

    /// F-4: a sample that was stored, or found to be stored, in an epoch is in what was sealed in it, or in a block.
    pub(super) fn check_seal(&mut self, now: u64, key: &Key, epoch: Epoch, ingester: usize) {
        let seal = self.line.seals.get(&(ingester, epoch, window(key.1)));
        if seal.is_some_and(|seal| !seal.keys.contains(key)) && !self.is_readable(key) {
            let text =
                format!("ingester {ingester} took {key:?} in epoch {epoch}, where the window is sealed");
            self.violate("F-4", now, text);
        }
    }

    /// An owner begins to forget a cut.
    pub(crate) fn forgets(&mut self, now: u64, ingester: usize, cut: Cut) {
        if !self.line.origin.contains_key(&cut) {
            self.violate("F-3", now, format!("ingester {ingester} forgets {cut}, which is not committed"));
        }
        if let Some(seal) = self.line.seals.get_mut(&(ingester, cut.epoch, cut.window)) {
            seal.forgotten = true;
        }
        self.forgotten += 1;
    }
}

//! The bucket as one linearizable machine with dates of its own: it keeps what real ones keep (a put-if-absent has one winner,
//! lists are current) and nothing else.
//!
//! Requests fail before or after they were carried out, arrive when nobody waits for them any more, or are repeated by the
//! client's library, which then meets its own first try.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use narthex_manifest::{BucketTime, Listing, Manifest, Margins, Object, SegmentId};
use narthex_model::{BlockId, ManifestRevision, WorkspaceId};

use crate::{
    message::{Ask, Data, Garbage, Message, RequestId, Told},
    network::Node,
    store::WINDOW,
    world::{Event, World},
};

/// The state.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Roots with their dates.
    pub(crate) roots: BTreeMap<ManifestRevision, (Arc<Manifest>, BucketTime)>,
    segments: BTreeMap<SegmentId, BucketTime>,
    /// Blocks with their dates.
    pub(crate) blocks: BTreeMap<BlockId, (Rc<Data>, BucketTime)>,
    /// How far its clock is ahead of the true time.
    pub(crate) ahead_ms: i64,
    /// Chance of a fault, out of 1,000.
    pub(crate) trouble: u64,
    /// Until then it answers writes with 503.
    pub(crate) read_only_until: u64,
}

/// Whose samples these are.
pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::from_random(7)
}

/// What stands before the first root.
pub(crate) fn no_manifest() -> Manifest {
    Manifest::empty(workspace(), WINDOW)
}

/// Days are seconds here: a commit begins within 0.7 s of the block's PUT, garbage is collected after 3 s.
pub(crate) fn margins() -> Margins {
    let ms = std::time::Duration::from_millis;
    Margins::new(ms(700), ms(2_800), ms(3_000)).expect("margins with room")
}

/// Longest delay of a request that nobody waits for any more.
const LATE_MS: u64 = 7_000;

impl Bucket {
    /// An empty bucket.
    pub(crate) fn new() -> Self {
        Self {
            roots: BTreeMap::new(),
            segments: BTreeMap::new(),
            blocks: BTreeMap::new(),
            ahead_ms: 0,
            trouble: 20,
            read_only_until: 0,
        }
    }

    fn newest(&self) -> Option<ManifestRevision> {
        self.roots.last_key_value().map(|(revision, _)| *revision)
    }

    /// A root, if it and its segments are there.
    fn root(&self, revision: ManifestRevision) -> Option<(Arc<Manifest>, BucketTime)> {
        let (manifest, date) = self.roots.get(&revision)?;
        let there = |id: SegmentId| self.segments.contains_key(&id);
        manifest
            .segments()
            .iter()
            .all(|segment| there(segment.segment().id()))
            .then(|| (manifest.clone(), *date))
    }

    fn listing(&self) -> Listing {
        Listing {
            roots: self.roots.iter().map(|(revision, (_, put))| (*revision, *put)).collect(),
            segments: self.segments.iter().map(|(id, put)| (*id, *put)).collect(),
            blocks: self.blocks.iter().map(|(id, (_, put))| (*id, *put)).collect(),
        }
    }
}

impl World {
    /// The present by the bucket's dates.
    pub(crate) fn bucket_time(&self) -> BucketTime {
        BucketTime(self.now as i64 + self.bucket.ahead_ms)
    }

    /// A request arrives.
    pub(crate) fn bucket_request(&mut self, from: Node, request: RequestId, ask: &Rc<Ask>) {
        let fault = if self.chance(self.bucket.trouble) { self.below(5) } else { 9 };
        let refused = !ask.is_read() && self.now < self.bucket.read_only_until;
        let (told, date) = match fault {
            _ if refused => (Told::Failed, None),
            0 => (Told::Failed, None),
            1 => {
                self.carry_out(ask);
                (Told::Failed, None)
            }
            2 if !ask.is_read() => {
                let message = Message::Ask(request, Rc::clone(ask));
                let late = self.below(LATE_MS);
                self.at(late, Event::Deliver { from, to: Node::Bucket, message });
                return;
            }
            3 if matches!(**ask, Ask::PutRoot { .. }) => {
                self.carry_out(ask);
                self.carry_out(ask)
            }
            4 => return,
            _ => self.carry_out(ask),
        };
        let message = Message::Told(request, told, date.map(|date| date.0));
        self.send(Node::Bucket, from, message);
    }

    fn carry_out(&mut self, ask: &Ask) -> (Told, Option<BucketTime>) {
        let now = self.bucket_time();
        let bucket = &mut self.bucket;
        match ask {
            Ask::Newest => {
                let newest = bucket.newest();
                let date = newest.and_then(|revision| bucket.roots.get(&revision)).map(|(_, date)| *date);
                (Told::Newest(newest), date)
            }
            Ask::Root(revision) => match bucket.root(*revision) {
                Some((manifest, date)) => (Told::Root(manifest), Some(date)),
                None => (Told::Absent, None),
            },
            Ask::Head(id) => match bucket.blocks.get(id) {
                Some((_, date)) => (Told::Headed, Some(*date)),
                None => (Told::Absent, None),
            },
            Ask::Block(id) => match bucket.blocks.get(id) {
                Some((data, date)) => (Told::Block(Rc::clone(data)), Some(*date)),
                None => (Told::Absent, None),
            },
            // Whoever lists everything writes an object to learn the present.
            Ask::List => (Told::Listing(Rc::new(bucket.listing())), Some(now)),
            Ask::PutBlock(id, data) => {
                bucket.blocks.insert(*id, (Rc::clone(data), now));
                self.oracle.put(Object::Block(*id), now);
                (Told::Written, None)
            }
            Ask::PutSegment(id) => {
                bucket.segments.insert(*id, now);
                self.oracle.put(Object::Segment(*id), now);
                (Told::Written, None)
            }
            Ask::PutRoot { manifest, if_absent } => self.put_root(manifest, *if_absent),
            Ask::Delete(garbage) => {
                self.delete(*garbage);
                (Told::Written, None)
            }
        }
    }

    fn put_root(&mut self, manifest: &Arc<Manifest>, if_absent: bool) -> (Told, Option<BucketTime>) {
        let (now, date) = (self.now, self.bucket_time());
        let before = self.bucket.roots.get(&manifest.revision()).map(|(before, _)| Arc::clone(before));
        if let Some(before) = before {
            if if_absent {
                return (Told::Exists, None);
            }
            if before.writer() != manifest.writer() {
                self.oracle.violate("B-4", now, format!("root {} was written over", manifest.revision()));
            }
        }
        let newer = self.bucket.newest().is_none_or(|newest| manifest.revision() > newest);
        self.bucket.roots.insert(manifest.revision(), (Arc::clone(manifest), date));
        if newer {
            let blocks = &self.bucket.blocks;
            self.oracle.advance(now, date, manifest, |id| blocks.get(&id).map(|(data, _)| Rc::clone(data)));
            self.check_named();
        }
        (Told::Written, None)
    }

    fn delete(&mut self, garbage: Garbage) {
        let (now, date) = (self.now, self.bucket_time());
        match garbage {
            Garbage::Root(revision) => {
                if Some(revision) == self.bucket.newest() {
                    self.oracle.violate("B-3", now, format!("the newest root {revision} was deleted"));
                }
                self.bucket.roots.remove(&revision);
            }
            Garbage::Object(object) => {
                let there = match object {
                    Object::Block(id) => self.bucket.blocks.remove(&id).is_some(),
                    Object::Segment(id) => self.bucket.segments.remove(&id).is_some(),
                };
                if there {
                    self.oracle.deleted(now, date, object);
                }
                self.check_named();
            }
        }
    }

    /// B-1: what the newest manifest names is there.
    fn check_named(&mut self) {
        let now = self.now;
        let newest = self.oracle.newest();
        let gone = newest.entries().find(|entry| !self.bucket.blocks.contains_key(&entry.id));
        let gone = gone
            .map(|entry| format!("block {} is named by revision {} and gone", entry.id, newest.revision()));
        let segment = newest.segments().iter().map(|segment| segment.segment().id());
        let lost = segment.into_iter().find(|id| !self.bucket.segments.contains_key(id));
        let gone = gone.or(lost.map(|id| format!("segment {id:?} is named and gone")));
        if let Some(text) = gone {
            self.oracle.violate("B-1", now, text);
        }
    }
}

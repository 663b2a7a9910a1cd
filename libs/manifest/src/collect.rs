//! What may be deleted: a plan from a listing, the newest manifest and the bucket's present. Only this deletes blocks (rule 8).
//!
//! B-3: an object is deleted only after no manifest has named it for the grace period. Three kinds of garbage:
//!
//! * Removed: an earlier revision named it. The manifest remembers which revision was the first without it, and the date of that
//!   root in the bucket tells since when. Once the object is gone its note is dropped ([`Plan::gone`]).
//! * Orphans: no revision ever named it. Whoever put it may still be about to commit, so first the manifest gives up everything
//!   that was put until a date, a day ago ([`Plan::give_up`]). After that no commit accepts such an object, however long its
//!   writer was paused, and what is not named then never will be.
//! * Old roots: superseded for [`Margins::root_age`]. The newest root is never one.
//!
//! Of a deleted workspace everything goes but the tombstone, which stays for good: without it, a writer that slept could begin
//! the manifest anew. Its prefix is swept again and again, for a block can arrive late.

use std::collections::{BTreeMap, BTreeSet};

use narthex_bucket::layout::SegmentId;
use narthex_model::{BlockId, ManifestRevision};

use crate::{BucketTime, Edit, Manifest, Margins, Object};

/// What lies under a workspace's prefix, with the bucket's dates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Roots.
    pub roots: BTreeMap<ManifestRevision, BucketTime>,
    /// Segments.
    pub segments: BTreeMap<SegmentId, BucketTime>,
    /// Blocks.
    pub blocks: BTreeMap<BlockId, BucketTime>,
}

/// What to do about garbage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// There are orphans this old, which the manifest must give up before they can be deleted.
    pub give_up: Option<BucketTime>,
    /// Removed objects that are gone, whose notes can be dropped.
    pub gone: BTreeSet<Object>,
    /// Roots to delete, oldest first.
    pub roots: Vec<ManifestRevision>,
    /// Segments to delete.
    pub segments: Vec<SegmentId>,
    /// Blocks to delete.
    pub blocks: Vec<BlockId>,
}

/// Removal notes that are worth a revision of their own.
const GONE_FOR_EDIT: usize = 64;

impl Plan {
    /// The edit that must be committed before orphans can be deleted by the next plan, if one is worth it.
    pub fn edit(&self, newest: &Manifest) -> Option<Edit> {
        if newest.is_deleted() || self.give_up.is_none() && self.gone.len() < GONE_FOR_EDIT {
            return None;
        }
        let before = self.give_up.unwrap_or_else(|| newest.collected_before());
        Some(Edit::Collect { before, gone: self.gone.clone() })
    }

    /// Whether nothing is to be deleted.
    pub fn deletes_nothing(&self) -> bool {
        self.roots.is_empty() && self.segments.is_empty() && self.blocks.is_empty()
    }
}

/// Plans what to delete. `newest` must have been read as the newest manifest by a LIST, `listing` made at any time before or
/// after, and `now` must not be later than the bucket's present.
pub fn plan(listing: &Listing, newest: &Manifest, now: BucketTime, margins: Margins) -> Plan {
    let grave = Graveyard::new(listing, newest, now, margins);
    let mut plan = Plan { roots: old_roots(listing, newest, now, margins), ..Plan::default() };
    let horizon = now.before(margins.orphan_age());
    let objects = listing.segments.iter().map(|(id, put)| (Object::Segment(*id), *put));
    let objects = objects.chain(listing.blocks.iter().map(|(id, put)| (Object::Block(*id), *put)));
    for (object, put) in objects {
        match grave.fate(object, put) {
            Fate::Keep => {}
            Fate::GiveUp => plan.give_up = Some(horizon),
            Fate::Delete => match object {
                Object::Block(id) => plan.blocks.push(id),
                Object::Segment(id) => plan.segments.push(id),
            },
        }
    }
    plan.gone = grave.gone(listing);
    debug_assert!(plan.blocks.iter().all(|id| !newest.names(*id)), "B-1, B-3: a named block");
    debug_assert!(plan.segments.iter().all(|id| !newest.names_segment(*id)), "B-3: a named segment");
    debug_assert!(plan.roots.iter().all(|revision| *revision < newest.revision()), "the newest root");
    plan
}

fn old_roots(
    listing: &Listing,
    newest: &Manifest,
    now: BucketTime,
    margins: Margins,
) -> Vec<ManifestRevision> {
    let old = |put: &BucketTime| put.until(now) >= margins.root_age();
    // Below the newest root that is old itself, everything has been superseded for long.
    let bound = listing.roots.iter().filter(|(_, put)| old(put)).map(|(revision, _)| *revision).max();
    let bound = bound.unwrap_or_default().min(newest.revision());
    let below = listing.roots.range(..bound).filter(|(_, put)| old(put));
    below.map(|(revision, _)| *revision).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    GiveUp,
    Delete,
}

/// What is known of objects that the newest manifest does not name.
struct Graveyard<'a> {
    newest: &'a Manifest,
    named: BTreeSet<Object>,
    /// Whether the grace period of a removed object is over.
    removed: BTreeMap<Object, bool>,
    horizon: BucketTime,
    /// Whether the tombstone is as old as the grace period.
    buried: bool,
}

impl<'a> Graveyard<'a> {
    fn new(listing: &Listing, newest: &'a Manifest, now: BucketTime, margins: Margins) -> Self {
        let blocks = newest.entries().map(|entry| Object::Block(entry.id));
        let segments = newest.segments().iter().map(|segment| Object::Segment(segment.segment().id()));
        let horizon = now.before(margins.orphan_age());
        // A root that is not there was collected, or it is newer than the listing.
        let oldest = listing.roots.keys().next().copied();
        let since = |revision: ManifestRevision| match listing.roots.get(&revision) {
            Some(put) => *put <= horizon,
            None => oldest.is_some_and(|oldest| revision < oldest),
        };
        let removed = newest.removals().iter().map(|removal| (removal.object, since(removal.revision)));
        Self {
            newest,
            named: blocks.chain(segments).collect(),
            removed: removed.collect(),
            horizon,
            buried: newest.is_deleted() && since(newest.revision()),
        }
    }

    fn fate(&self, object: Object, put: BucketTime) -> Fate {
        if self.named.contains(&object) {
            return Fate::Keep;
        }
        if self.newest.is_deleted() {
            return if self.buried && put <= self.horizon { Fate::Delete } else { Fate::Keep };
        }
        match self.removed.get(&object) {
            Some(true) => Fate::Delete,
            Some(false) => Fate::Keep,
            None if put > self.horizon => Fate::Keep,
            None if put > self.newest.collected_before() => Fate::GiveUp,
            None => Fate::Delete,
        }
    }

    fn gone(&self, listing: &Listing) -> BTreeSet<Object> {
        let there = |object: &Object| match object {
            Object::Block(id) => listing.blocks.contains_key(id),
            Object::Segment(id) => listing.segments.contains_key(id),
        };
        let over = self.removed.iter().filter(|(object, over)| **over && !there(object));
        over.map(|(object, _)| *object).collect()
    }
}

#[cfg(test)]
mod tests;

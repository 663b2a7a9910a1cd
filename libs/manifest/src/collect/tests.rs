//! What is garbage, and from when on.

use std::{sync::Arc, time::Duration};

use narthex_model::WindowLength;

use super::*;
use crate::{
    Attempt, Limits, Nonce,
    model::{block, cut, empty, entry},
};

const HOUR: Duration = Duration::from_secs(3_600);

fn at(hours: u32) -> BucketTime {
    BucketTime(0).after(HOUR * hours)
}

/// Manifests and the listing that they leave in a bucket.
struct Story {
    newest: Arc<Manifest>,
    listing: Listing,
}

impl Story {
    fn new() -> Self {
        Self { newest: Arc::new(empty()), listing: Listing::default() }
    }

    fn edit(&mut self, hours: u32, edit: Edit) {
        let attempt = Attempt {
            writer: Nonce(u128::from(hours) << 64 | self.newest.revision().0 as u128),
            window_length: WindowLength::DEFAULT,
            limits: Limits::DEFAULT,
            put: Some(at(hours)),
            segments_named: 0,
        };
        self.newest = self.newest.apply(&edit, &attempt).expect("applies").manifest;
        self.listing.roots.insert(self.newest.revision(), at(hours));
        for entry in edit.added() {
            self.listing.blocks.insert(entry.id, at(hours));
        }
    }

    fn commit(&mut self, hours: u32, id: u128) {
        self.edit(hours, Edit::Commit(entry(id, [cut(0, id as i64)])));
    }

    fn plan(&self, hours: u32) -> Plan {
        plan(&self.listing, &self.newest, at(hours), Margins::DEFAULT)
    }
}

#[test]
fn removed_blocks_outlive_their_last_root_by_the_grace_period() {
    let mut story = Story::new();
    story.commit(0, 1);
    story.commit(0, 2);
    let outputs = vec![entry(3, [])];
    story.edit(10, Edit::Compact { inputs: [block(1), block(2)].into(), outputs });
    // However old the objects are: a revision named them until hour 10.
    assert_eq!(story.plan(33).blocks, [], "B-3");
    let plan = story.plan(34);
    assert_eq!(plan.blocks, [block(1), block(2)]);
    assert_eq!(plan.give_up, None, "no edit is needed for them");
    assert_eq!(plan.gone, BTreeSet::new());
    story.listing.blocks.retain(|id, _| *id == block(3));
    let gone: BTreeSet<Object> = [1, 2].map(|id| Object::Block(block(id))).into();
    assert_eq!(story.plan(34).gone, gone, "their notes can go");
    // Even if the root that removed them was collected meanwhile.
    story.commit(40, 4);
    story.listing.roots.remove(&ManifestRevision(1));
    story.listing.roots.remove(&ManifestRevision(2));
    story.listing.roots.remove(&ManifestRevision(3));
    assert_eq!(story.plan(70).gone, gone);
}

#[test]
fn orphans_are_given_up_before_they_are_deleted() {
    let mut story = Story::new();
    story.commit(0, 1);
    story.listing.blocks.insert(block(9), at(1));
    assert_eq!(story.plan(24), Plan::default(), "rule 10: not a day old");
    let first = story.plan(25);
    assert_eq!((first.blocks.len(), first.give_up), (0, Some(at(1))));
    story.edit(25, first.edit(&story.newest).expect("worth it"));
    assert_eq!(story.newest.collected_before(), at(1));
    assert_eq!(story.plan(25).blocks, [block(9)]);
    // A block that is named stays, however old.
    assert!(story.plan(10_000).blocks.iter().all(|id| *id != block(1)), "B-1");
}

#[test]
fn old_roots_go_and_the_newest_stays() {
    let mut story = Story::new();
    for hours in [0, 1, 30] {
        story.commit(hours, u128::from(hours) + 1);
    }
    assert_eq!(story.plan(24).roots, [], "revision 1 was the newest 23 hours ago");
    assert_eq!(story.plan(25).roots, [ManifestRevision(1)]);
    assert_eq!(story.plan(54).roots, [1, 2].map(ManifestRevision));
    assert_eq!(story.plan(100_000).roots, [1, 2].map(ManifestRevision));
    // Beside the line, written late: its own age counts too.
    story.listing.roots.insert(ManifestRevision(2), at(53));
    assert_eq!(story.plan(54).roots, [ManifestRevision(1)]);
}

#[test]
fn of_a_deleted_workspace_only_the_tombstone_stays() {
    let mut story = Story::new();
    story.commit(0, 1);
    story.edit(30, Edit::Delete);
    assert_eq!(story.plan(53).blocks, [], "readers of the last revision may still need it");
    let plan = story.plan(54);
    assert_eq!((plan.blocks.clone(), plan.roots.clone()), (vec![block(1)], vec![ManifestRevision(1)]));
    assert_eq!(plan.edit(&story.newest), None);
    // Swept again: what arrived late goes when it is old.
    story.listing.blocks = [(block(7), at(60))].into();
    assert_eq!(story.plan(83).blocks, []);
    assert_eq!(story.plan(84).blocks, [block(7)]);
}

#[test]
fn notes_are_dropped_in_passing_or_when_there_are_many() {
    let gone = |count: u128| (0..count).map(|id| Object::Block(block(id))).collect();
    let plan = |gone, give_up| Plan { gone, give_up, ..Plan::default() };
    assert_eq!(plan(gone(63), None).edit(&empty()), None);
    assert!(plan(gone(64), None).edit(&empty()).is_some());
    let edit = plan(gone(1), Some(at(1))).edit(&empty());
    assert_eq!(edit, Some(Edit::Collect { before: at(1), gone: gone(1) }));
}

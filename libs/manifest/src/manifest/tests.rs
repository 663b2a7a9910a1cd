//! Edits on one manifest: conditions, the history of cuts, and segments.

use std::collections::BTreeSet;

use narthex_model::{Epoch, TimeRange};
use proptest::prelude::*;

use super::*;
use crate::{
    Attempt, Edit, Refused,
    model::{block, cut, empty, entry, small, writer},
};

fn attempt(writer_nonce: u128) -> Attempt {
    let writer = writer(writer_nonce);
    let (window_length, limits) = (writer.window_length, small());
    Attempt { writer: writer.nonce, window_length, limits, put: Some(BucketTime(1)), segments_named: 0 }
}

fn apply(manifest: &Manifest, edit: Edit) -> Result<Manifest, Refused> {
    let nonce = u128::from(manifest.revision.0 + 1) << 64;
    manifest.apply(&edit, &attempt(nonce)).map(|applied| Manifest::clone(&applied.manifest))
}

fn committed(cuts: impl IntoIterator<Item = (u128, Cut)>) -> Manifest {
    let commit =
        |manifest: Manifest, (id, cut)| apply(&manifest, Edit::Commit(entry(id, [cut]))).expect("new");
    cuts.into_iter().fold(empty(), commit)
}

fn compact(inputs: &[u128], outputs: &[u128]) -> Edit {
    Edit::Compact {
        inputs: inputs.iter().map(|id| block(*id)).collect(),
        // What a compactor says about cuts is not believed.
        outputs: outputs.iter().map(|id| entry(*id, [])).collect(),
    }
}

#[test]
fn a_cut_is_committed_once() {
    let manifest = committed([(1, cut(0, 5))]);
    assert!(manifest.is_committed(&cut(0, 5)) && manifest.names(block(1)));
    let again = Edit::Commit(entry(2, [cut(0, 4), cut(0, 5)]));
    assert_eq!(apply(&manifest, again), Err(Refused::CutCommitted(cut(0, 5))));
    let later_epoch = Cut { epoch: Epoch(2), ..cut(0, 5) };
    assert!(!manifest.is_committed(&later_epoch));
    assert!(apply(&manifest, Edit::Commit(entry(2, [later_epoch]))).is_ok(), "another epoch, another cut");
    assert_eq!(apply(&manifest, Edit::Commit(entry(2, []))), Err(Refused::Nothing));
    assert_eq!(apply(&manifest, Edit::Commit(entry(1, [cut(0, 6)]))), Err(Refused::BlockKnown(block(1))));
}

#[test]
fn cut_history_outlives_compaction_and_removal() {
    let manifest = committed([(1, cut(0, 5)), (2, cut(1, 5)), (3, cut(0, 6))]);
    let manifest = apply(&manifest, compact(&[1, 2], &[4, 5])).expect("present");
    let expected: CutSet = [cut(0, 5), cut(1, 5)].into_iter().collect();
    for id in [4, 5] {
        let entry = manifest.get(block(id)).expect("named");
        assert_eq!((&entry.cuts, entry.level), (&expected, 1), "rule 4: the union of the inputs' cuts");
    }
    assert_eq!(apply(&manifest, compact(&[1, 3], &[6])), Err(Refused::BlockMissing(block(1))));
    let manifest = apply(&manifest, Edit::Remove([block(4), block(5)].into())).expect("present");
    assert_eq!(manifest.len(), 1);
    for cut in [cut(0, 5), cut(1, 5), cut(0, 6)] {
        assert!(manifest.is_committed(&cut), "rule 4: {cut}");
    }
    assert_eq!(apply(&manifest, Edit::Remove(BTreeSet::new())), Err(Refused::Nothing));
}

#[test]
fn only_what_is_given_up_is_lost() {
    let manifest = committed([(1, cut(0, 5)), (2, cut(1, 5)), (3, cut(0, 6))]);
    let manifest = apply(&manifest, compact(&[1, 2], &[4, 5])).expect("present");
    let manifest = apply(&manifest, Edit::RaiseFloor(Window(-1))).expect("applies");
    assert_eq!(manifest.lost(), ManifestRevision(0), "cuts, compaction and retention lose nothing");
    let lost = apply(&manifest, Edit::Remove([block(4)].into())).expect("present");
    assert_eq!(lost.lost(), lost.revision(), "though another block has the same cuts");
    let later = apply(&lost, Edit::Commit(entry(6, [cut(0, 7)]))).expect("new");
    assert_eq!(later.lost(), lost.revision());
    let deleted = apply(&later, Edit::Delete).expect("applies");
    assert_eq!(deleted.lost(), deleted.revision());
}

#[test]
fn the_floor_counts_as_committed_and_never_falls() {
    let manifest = committed([(1, cut(0, 5)), (2, cut(0, 6)), (3, cut(0, 7))]);
    let manifest = apply(&manifest, compact(&[1, 2], &[4])).expect("present");
    let mut spanning = entry(4, [cut(0, 5), cut(0, 6)]);
    spanning.level = 1;
    let manifest = apply(&manifest, Edit::RaiseFloor(Window(6))).expect("applies");
    assert!(manifest.is_committed(&cut(9, 5)) && !manifest.is_committed(&cut(9, 6)));
    assert_eq!(apply(&manifest, Edit::Commit(entry(8, [cut(9, 5)]))), Err(Refused::CutCommitted(cut(9, 5))));
    assert!(!Edit::RaiseFloor(Window(7)).holds(&manifest));
    let lower = apply(&manifest, Edit::RaiseFloor(Window(2))).expect("applies");
    assert_eq!(lower.floor(), Some(Window(6)));
    let manifest = apply(&manifest, Edit::RaiseFloor(Window(8))).expect("applies");
    assert!(manifest.is_empty() && manifest.committed().is_empty());
    assert!(manifest.is_committed(&cut(0, 7)));
}

#[test]
fn blocks_that_reach_over_the_floor_stay() {
    let edit = Edit::Commit(entry(1, [cut(0, 5), cut(0, 6)]));
    let manifest = apply(&empty(), edit).expect("new");
    let manifest = apply(&manifest, Edit::RaiseFloor(Window(6))).expect("applies");
    assert!(manifest.names(block(1)), "it holds samples of window 6");
    let manifest = apply(&manifest, Edit::RaiseFloor(Window(7))).expect("applies");
    assert!(!manifest.names(block(1)));
}

#[test]
fn a_tombstone_is_final() {
    let manifest = committed([(1, cut(0, 5))]);
    let manifest = apply(&manifest, Edit::Delete).expect("alive");
    assert!(manifest.is_deleted() && manifest.is_empty());
    assert!(manifest.is_committed(&cut(7, 7)), "rule 4: nobody may flush for a deleted workspace");
    for edit in [
        Edit::Commit(entry(2, [cut(0, 6)])),
        compact(&[1], &[2]),
        Edit::Remove([block(1)].into()),
        Edit::RaiseFloor(Window(1)),
        Edit::Collect { before: BucketTime(5), gone: BTreeSet::new() },
        Edit::Delete,
    ] {
        assert_eq!(apply(&manifest, edit), Err(Refused::Deleted));
    }
    assert!(Refused::Deleted.releases_cut());
}

#[test]
fn another_window_length_is_refused_with_both_named() {
    let manifest = committed([(1, cut(0, 5))]);
    let other = WindowLength::from_millis(60_000).expect("valid");
    let attempt = Attempt { window_length: other, ..attempt(9) };
    let refused = manifest.apply(&Edit::Commit(entry(2, [cut(0, 6)])), &attempt).expect_err("other windows");
    assert_eq!(refused, Refused::WindowLength { manifest: WindowLength::DEFAULT, writer: other });
    let text = refused.to_string();
    assert!(text.contains("7200000 ms") && text.contains("60000 ms"), "{text}");
    assert!(!refused.releases_cut());
}

#[test]
fn what_was_given_up_is_not_accepted_any_more() {
    let manifest = committed([(1, cut(0, 5))]);
    let before = BucketTime(50);
    let manifest = apply(&manifest, Edit::Collect { before, gone: BTreeSet::new() }).expect("applies");
    let edit = Edit::Commit(entry(2, [cut(0, 6)]));
    for (put, accepted) in [(49, false), (50, false), (51, true)] {
        let put = BucketTime(put);
        let attempt = Attempt { put: Some(put), ..attempt(9) };
        match manifest.apply(&edit, &attempt) {
            Ok(_) => assert!(accepted, "rule 10: put at {put:?}"),
            Err(refused) => assert_eq!((accepted, refused), (false, Refused::Collected { put, before })),
        }
    }
}

#[test]
fn blocks_are_found_by_time() {
    let manifest = committed((0..20).map(|window| (100 + window as u128, cut(0, window))));
    assert!(!manifest.segments().is_empty(), "the limits of the model are small");
    let length = WindowLength::DEFAULT;
    let range = TimeRange { min: length.start(Window(3)), max: length.start(Window(5)) };
    let found: BTreeSet<_> = manifest.blocks(range).map(|entry| entry.id).collect();
    assert_eq!(found, [103, 104, 105].map(block).into());
    assert_eq!(manifest.blocks(TimeRange::ALL).count(), 20);
}

#[test]
fn segments_that_lost_half_are_taken_apart() {
    let manifest = committed((0..20).map(|window| (100 + window as u128, cut(0, window))));
    let segment = manifest.segments()[0].segment().clone();
    let ids: Vec<BlockId> = segment.entries().iter().map(|entry| entry.id).collect();
    let half: BTreeSet<BlockId> = ids[..ids.len().div_ceil(2)].iter().copied().collect();
    let next = apply(&manifest, Edit::Remove(half.clone())).expect("present");
    assert!(!next.names_segment(segment.id()) && next.has_removed(Object::Segment(segment.id())));
    for id in ids {
        assert_eq!(next.names(id), !half.contains(&id));
    }
    let one: BTreeSet<BlockId> = [segment.entries()[0].id].into();
    let next = apply(&manifest, Edit::Remove(one)).expect("present");
    assert!(next.names_segment(segment.id()), "it lost little");
    assert_eq!(next.len(), 19);
}

/// Edits by chance, as numbers that `play` turns into such that apply or such that do not.
fn edits() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec((0u8..10, any::<u8>(), any::<u8>()), 1..80)
}

proptest! {
    #[test]
    fn any_edits_keep_history_and_bounds(edits in edits()) {
        let mut manifest = empty();
        let mut history: BTreeSet<Cut> = BTreeSet::new();
        for (at, (kind, a, b)) in edits.into_iter().enumerate() {
            let ids: Vec<BlockId> = manifest.entries().map(|entry| entry.id).collect();
            let some = || ids.iter().copied().cycle().skip(usize::from(a)).take(usize::from(b % 4)).collect();
            let new = 1_000 + at as u128;
            let edit = match kind {
                0..=5 => Edit::Commit(entry(new, [cut(u32::from(a % 3), i64::from(b % 32))])),
                6 | 7 => Edit::Compact { inputs: some(), outputs: vec![entry(new, [])] },
                8 => Edit::Remove(some()),
                _ => Edit::RaiseFloor(Window(i64::from(a % 8))),
            };
            let before = manifest.clone();
            match apply(&manifest, edit.clone()) {
                Ok(next) => {
                    if let Edit::Commit(entry) = &edit {
                        let new: BTreeSet<Cut> =
                            entry.cuts.ranges().map(|(partition, epoch, range)| Cut { partition, epoch, window: range.first }).collect();
                        prop_assert!(new.is_disjoint(&history), "F-1");
                        history.extend(new);
                    }
                    manifest = next;
                }
                Err(Refused::CutCommitted(cut)) => prop_assert!(before.is_committed(&cut)),
                Err(Refused::BlockMissing(_) | Refused::Nothing) => prop_assert!(kind >= 6),
                Err(other) => prop_assert!(false, "{other}"),
            }
            manifest.check();
            for cut in &history {
                prop_assert!(manifest.is_committed(cut), "rule 4: {} after {:?}", cut, edit);
            }
            let limits = small();
            prop_assert!(manifest.recent.len() <= limits.root_entries);
            prop_assert!(manifest.segments.iter().all(|segment| segment.segment.entries().len() <= limits.segment_entries));
        }
    }
}

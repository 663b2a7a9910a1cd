//! What a reader asks for, by how old its knowledge is.

use super::*;
use crate::{
    Attempt, BucketTime, Edit,
    model::{cut, empty, entry, writer},
};

const HOUR: Duration = Duration::from_secs(3_600);

/// Revisions 0 to `count`, each the child of the one before.
fn line(count: u128) -> Vec<Arc<Manifest>> {
    let mut line = vec![Arc::new(empty())];
    for id in 1..=count {
        let writer = writer(id << 32);
        let (window_length, limits) = (writer.window_length, writer.limits);
        let put = Some(BucketTime(1));
        let attempt = Attempt { writer: writer.nonce, window_length, limits, put, segments_named: 0 };
        let edit = Edit::Commit(entry(id, [cut(0, id as i64)]));
        let next = line[line.len() - 1].apply(&edit, &attempt).expect("applies").manifest;
        line.push(next);
    }
    line
}

/// A reader that found `base` to be the newest at time 0.
fn knowing(base: &Arc<Manifest>) -> Reader {
    let mut reader = Reader::new(empty(), Margins::DEFAULT);
    reader.adopt(base, Duration::ZERO);
    reader
}

#[test]
fn a_cold_start_lists() {
    let line = line(3);
    let mut reader = Reader::new(empty(), Margins::DEFAULT);
    assert!(reader.known().is_none() && reader.is_due(HOUR, HOUR));
    assert!(matches!(reader.begin(Freshness::AtLeast(ManifestRevision(0)), HOUR), ReadAction::ListNewest));
    assert!(matches!(reader.on(ReadEvent::Newest(Some(ManifestRevision(3))), HOUR), ReadAction::Load(_)));
    let done = reader.on(ReadEvent::Loaded(Arc::clone(&line[3])), HOUR);
    assert!(matches!(done, ReadAction::Done(manifest) if manifest == line[3]));
    assert_eq!(reader.known(), Some(&line[3]));
}

#[test]
fn no_root_is_an_empty_manifest() {
    let mut reader = Reader::new(empty(), Margins::DEFAULT);
    reader.begin(Freshness::Newest, HOUR);
    let done = reader.on(ReadEvent::Newest(None), HOUR);
    assert!(matches!(done, ReadAction::Done(manifest) if manifest.revision() == ManifestRevision(0)));
}

#[test]
fn the_next_revision_is_read_by_name_from_a_young_base_only() {
    let line = line(4);
    for (hours, lists) in [(11, false), (12, true), (48, true)] {
        let mut reader = knowing(&line[1]);
        let action = reader.begin(Freshness::Newest, HOUR * hours);
        assert_eq!(matches!(action, ReadAction::ListNewest), lists, "rule 5 after {hours} h: {action:?}");
    }
    let mut reader = knowing(&line[1]);
    reader.begin(Freshness::Newest, HOUR);
    assert!(matches!(
        reader.on(ReadEvent::Loaded(Arc::clone(&line[2])), HOUR),
        ReadAction::Load(ManifestRevision(3))
    ));
    let done = reader.on(ReadEvent::Absent, HOUR);
    assert!(matches!(done, ReadAction::Done(manifest) if manifest == line[2]));
    // "Not there" proved it the newest: its age counts from then.
    assert!(matches!(reader.begin(Freshness::Newest, HOUR * 12), ReadAction::Load(ManifestRevision(3))));
    // A late answer proves nothing.
    assert!(matches!(reader.on(ReadEvent::Absent, HOUR * 14), ReadAction::ListNewest));
}

#[test]
fn a_root_with_another_parent_makes_it_list() {
    let line = line(3);
    let mut reader = knowing(&line[1]);
    reader.begin(Freshness::Newest, HOUR);
    assert!(matches!(reader.on(ReadEvent::Loaded(Arc::clone(&line[3])), HOUR), ReadAction::ListNewest));
}

#[test]
fn a_root_that_is_read_long_after_its_list_is_listed_again() {
    let line = line(3);
    let mut reader = Reader::new(empty(), Margins::DEFAULT);
    reader.begin(Freshness::Newest, HOUR);
    reader.on(ReadEvent::Newest(Some(ManifestRevision(3))), HOUR);
    let late = reader.on(ReadEvent::Loaded(Arc::clone(&line[3])), HOUR * 13);
    assert!(matches!(late, ReadAction::ListNewest), "{late:?}");
}

#[test]
fn at_least_a_revision_asks_nobody_if_it_is_known() {
    let line = line(3);
    let mut reader = knowing(&line[2]);
    let done = reader.begin(Freshness::AtLeast(ManifestRevision(2)), HOUR * 100);
    assert!(matches!(done, ReadAction::Done(manifest) if manifest == line[2]));
    assert!(matches!(reader.begin(Freshness::AtLeast(ManifestRevision(3)), HOUR), ReadAction::Load(_)));
    let behind = reader.on(ReadEvent::Absent, HOUR);
    let ReadAction::Behind { wanted, newest } = behind else { panic!("rule 6: {behind:?}") };
    assert_eq!((wanted, newest), (ManifestRevision(3), Arc::clone(&line[2])));
}

#[test]
fn hints_make_it_look_and_nothing_else() {
    let line = line(3);
    let mut reader = knowing(&line[1]);
    assert!(!reader.is_due(HOUR, HOUR * 2) && reader.is_due(HOUR * 2, HOUR * 2));
    reader.hint(ManifestRevision(2));
    assert!(reader.is_due(HOUR, HOUR * 2));
    // Far ahead: one list instead of many reads.
    reader.hint(ManifestRevision(90));
    assert!(matches!(reader.begin(Freshness::Newest, HOUR), ReadAction::ListNewest));
    reader.hint(ManifestRevision(91));
    reader.on(ReadEvent::Newest(Some(ManifestRevision(1))), HOUR);
    assert!(reader.is_due(HOUR, HOUR * 2), "this hint came while it looked");
    reader.begin(Freshness::Newest, HOUR);
    reader.on(ReadEvent::Newest(Some(ManifestRevision(1))), HOUR);
    assert!(!reader.is_due(HOUR, HOUR * 2), "a hint that does not come true is forgotten");
}

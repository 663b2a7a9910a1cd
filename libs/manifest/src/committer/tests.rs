//! The protocol action by action: what is asked for, and that nothing else counts as an answer.

use super::*;
use crate::model::{block, cut, empty, entry, workspace, writer};

const HOUR: Duration = Duration::from_secs(3_600);

fn committer(id: u128, window: i64, base: Option<Arc<Manifest>>) -> Committer {
    Committer::new(Edit::Commit(entry(id, [cut(0, window)])), workspace(), base, writer(id << 32))
}

fn headed() -> Event {
    Event::Headed { put: BucketTime(10), now: BucketTime(20) }
}

/// The manifest after an edit of somebody else.
fn after(base: &Manifest, id: u128, window: i64) -> Arc<Manifest> {
    let Writer { nonce, window_length, limits, .. } = writer(id << 32);
    let attempt =
        Attempt { writer: nonce, window_length, limits, put: Some(BucketTime(1)), segments_named: 0 };
    base.apply(&Edit::Commit(entry(id, [cut(0, window)])), &attempt).expect("applies").manifest
}

fn on(committer: &mut Committer, event: Event) -> Action {
    committer.on(event, Duration::ZERO)
}

/// From the beginning to the PUT of the root at revision 1, on an empty bucket.
fn up_to_put(committer: &mut Committer) -> Arc<Manifest> {
    assert!(matches!(committer.start(Duration::ZERO), Action::ListNewest));
    assert!(matches!(on(committer, Event::Newest(None)), Action::Head(_)));
    match on(committer, headed()) {
        Action::PutRoot { manifest, .. } => manifest,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_commit_without_faults_is_a_head_a_put_and_a_list() {
    let base = after(&empty(), 1, 1);
    let mut committer = committer(2, 2, Some(Arc::clone(&base)));
    assert!(matches!(committer.start(Duration::ZERO), Action::Head(id) if id == block(2)));
    let Action::PutRoot { manifest, .. } = on(&mut committer, headed()) else { panic!("a root") };
    assert_eq!((manifest.revision(), manifest.parent()), (ManifestRevision(2), base.writer()));
    assert!(
        matches!(on(&mut committer, Event::Written), Action::ListNewest),
        "rule 5: the reply is not trusted"
    );
    let done = on(&mut committer, Event::Newest(Some(ManifestRevision(2))));
    assert!(matches!(done, Action::Done(Outcome::Committed(newest)) if newest == manifest));
    assert_eq!(committer.tally(), Tally::default());
}

#[test]
fn what_a_list_does_not_show_is_not_committed() {
    let mut committer = committer(2, 2, None);
    up_to_put(&mut committer);
    on(&mut committer, Event::Written);
    // The line went on without us: our root lies beside it.
    let newest = (1..=5).fold(Arc::new(empty()), |base, id| after(&base, 100 + id, 100 + id as i64));
    assert!(matches!(
        on(&mut committer, Event::Newest(Some(newest.revision()))),
        Action::Load(ManifestRevision(5))
    ));
    let Action::PutRoot { manifest, .. } = on(&mut committer, Event::Loaded(newest)) else { panic!("again") };
    assert_eq!(manifest.revision(), ManifestRevision(6));
    assert_eq!(committer.tally().forks, 1);
}

#[test]
fn a_lost_reply_is_settled_by_reading_the_revision() {
    // Ours.
    let mut first = committer(2, 2, None);
    let ours = up_to_put(&mut first);
    assert!(matches!(on(&mut first, Event::Unknown), Action::Load(ManifestRevision(1))));
    assert!(
        matches!(on(&mut first, Event::Loaded(Arc::clone(&ours))), Action::ListNewest),
        "our nonce is success"
    );
    // Another's: evaluated again on it (B-4).
    let mut second = committer(2, 2, None);
    up_to_put(&mut second);
    assert!(matches!(on(&mut second, Event::Exists), Action::Load(ManifestRevision(1))));
    let others = after(&empty(), 9, 9);
    assert!(matches!(on(&mut second, Event::Loaded(Arc::clone(&others))), Action::Wait(1)));
    let Action::PutRoot { manifest, .. } = on(&mut second, Event::Waited) else { panic!("rebased") };
    assert_eq!((manifest.revision(), manifest.parent()), (ManifestRevision(2), others.writer()));
    assert!(manifest.is_committed(&cut(0, 9)) && manifest.is_committed(&cut(0, 2)));
    assert_eq!(second.tally().conflicts, 1);
    // Absent: the same bytes again.
    let mut third = committer(2, 2, None);
    let before = up_to_put(&mut third);
    on(&mut third, Event::Unknown);
    assert!(matches!(on(&mut third, Event::Absent), Action::Wait(1)));
    let Action::PutRoot { manifest, .. } = on(&mut third, Event::Waited) else { panic!("again") };
    assert_eq!(manifest, before);
}

#[test]
fn refusals_are_looked_up_in_the_newest_manifest() {
    // A base that nobody listed may be a fork, where the cut is committed and in truth it is not.
    let fork = after(&empty(), 1, 2);
    let mut committer = committer(2, 2, Some(Arc::clone(&fork)));
    assert!(matches!(committer.start(Duration::ZERO), Action::ListNewest));
    let truth = after(&after(&empty(), 7, 7), 8, 8);
    assert!(matches!(
        on(&mut committer, Event::Newest(Some(truth.revision()))),
        Action::Load(ManifestRevision(2))
    ));
    assert!(matches!(on(&mut committer, Event::Loaded(truth)), Action::Head(_)), "it is open, and goes on");
    // And where it is the truth, it is an answer.
    let mut committer = self::committer(2, 2, Some(Arc::clone(&fork)));
    committer.start(Duration::ZERO);
    let done = on(&mut committer, Event::Newest(Some(fork.revision())));
    let Action::Done(Outcome::Refused { refused, .. }) = done else { panic!("{done:?}") };
    assert_eq!(refused, Refused::CutCommitted(cut(0, 2)));
    assert!(refused.releases_cut());
}

#[test]
fn blocks_that_are_gone_or_late_are_written_again() {
    let mut gone = committer(2, 2, None);
    gone.start(Duration::ZERO);
    on(&mut gone, Event::Newest(None));
    let done = on(&mut gone, Event::Absent);
    assert!(matches!(done, Action::Done(Outcome::Rewrite(Rewrite::Missing(id))) if id == block(2)));
    let limit = writer(1).margins.commit_within();
    for (age, late) in [(limit, false), (limit + Duration::from_millis(1), true)] {
        let mut committer = committer(2, 2, None);
        committer.start(Duration::ZERO);
        on(&mut committer, Event::Newest(None));
        let put = BucketTime(7);
        let action = on(&mut committer, Event::Headed { put, now: put.after(age) });
        let rewrite = matches!(action, Action::Done(Outcome::Rewrite(Rewrite::Late { .. })));
        assert_eq!(rewrite, late, "rule 10: {action:?}");
    }
}

#[test]
fn a_writer_that_slept_does_not_name_a_collected_block() {
    let mut committer = committer(2, 2, None);
    let stale = up_to_put(&mut committer);
    // A day later: the collector gave up everything until now and deleted the block.
    let before = BucketTime(1_000_000);
    let Writer { nonce, window_length, limits, .. } = writer(77);
    let attempt = Attempt { writer: nonce, window_length, limits, put: None, segments_named: 0 };
    let edit = Edit::Collect { before, gone: Default::default() };
    let given_up = empty().apply(&edit, &attempt).expect("applies").manifest;
    assert_eq!(stale.revision(), given_up.revision(), "they compete for one name");
    on(&mut committer, Event::Exists);
    on(&mut committer, Event::Loaded(given_up));
    assert!(matches!(on(&mut committer, Event::Waited), Action::ListNewest), "proof first");
    let done = on(&mut committer, Event::Newest(Some(ManifestRevision(1))));
    let rewrite = Rewrite::Collected { put: BucketTime(10), before };
    assert!(matches!(done, Action::Done(Outcome::Rewrite(why)) if why == rewrite));
}

#[test]
fn a_root_that_is_read_long_after_its_list_is_listed_again() {
    let newest = after(&empty(), 9, 2);
    let mut committer = committer(2, 2, None);
    committer.start(Duration::ZERO);
    committer.on(Event::Newest(Some(ManifestRevision(1))), HOUR);
    // Meanwhile revision 1 may have been collected and written again by a writer that slept.
    assert!(matches!(committer.on(Event::Loaded(Arc::clone(&newest)), HOUR * 13), Action::Wait(_)));
    assert!(matches!(committer.on(Event::Waited, HOUR * 13), Action::ListNewest));
    committer.on(Event::Newest(Some(ManifestRevision(1))), HOUR * 13);
    let done = committer.on(Event::Loaded(newest), HOUR * 14);
    assert!(matches!(done, Action::Done(Outcome::Refused { .. })), "{done:?}");
}

#[test]
fn a_bucket_that_does_not_answer_leaves_it_undecided() {
    let mut committer = committer(2, 2, None);
    let mut action = committer.start(Duration::ZERO);
    for _ in 0..100 {
        action = match action {
            Action::Done(outcome) => {
                assert!(matches!(outcome, Outcome::Undecided));
                return;
            }
            Action::Wait(_) => on(&mut committer, Event::Waited),
            _ => on(&mut committer, Event::Failed),
        };
    }
    panic!("no end");
}

#[test]
fn segments_are_in_the_bucket_before_the_root_that_names_them() {
    let base = (1..=6).fold(Arc::new(empty()), |base, id| after(&base, id, id as i64));
    let mut committer = committer(50, 50, Some(base));
    committer.start(Duration::ZERO);
    let Action::PutSegment(first) = on(&mut committer, headed()) else { panic!("a segment first") };
    // An unknown outcome is no outcome: the same name and bytes again.
    assert!(matches!(on(&mut committer, Event::Unknown), Action::Wait(_)));
    let Action::PutSegment(again) = on(&mut committer, Event::Waited) else { panic!("again") };
    assert_eq!((again.segment.id(), &again.file), (first.segment.id(), &first.file));
    let Action::PutRoot { manifest, .. } = on(&mut committer, Event::Written) else { panic!("the root") };
    assert!(manifest.names_segment(first.segment.id()));
    // Whoever lost the race names new segments: the old ones are orphans.
    on(&mut committer, Event::Exists);
    let others = (1..=7).fold(Arc::new(empty()), |base, id| after(&base, id, id as i64));
    let mut action = on(&mut committer, Event::Loaded(others));
    while !matches!(action, Action::PutSegment(_)) {
        action = match action {
            Action::Wait(_) => on(&mut committer, Event::Waited),
            // The other's spill left room: nothing of ours is named.
            Action::PutRoot { manifest, .. } => {
                assert!(!manifest.names_segment(first.segment.id()));
                return;
            }
            other => panic!("{other:?}"),
        };
    }
    let Action::PutSegment(other) = action else { panic!("a segment") };
    assert_ne!(other.segment.id(), first.segment.id());
}

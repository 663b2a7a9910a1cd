//! Properties of the quorum under any order of answers, failures and slowness.

use narthex_model::Epoch;
use narthex_ring::Replication;
use proptest::prelude::*;

use super::{Failure, ReadQuorum, Step};

fn down() -> Failure {
    Failure::Unavailable("down".into())
}

fn start(replication: Replication, owners: usize) -> (ReadQuorum, Vec<usize>, Step) {
    let mut quorum = ReadQuorum::new(replication, owners);
    let mut asked = Vec::new();
    let mut step = quorum.proceed();
    while let Step::Ask(owner) = step {
        asked.push(owner);
        step = quorum.proceed();
    }
    (quorum, asked, step)
}

#[test]
fn two_of_three_are_asked_and_the_third_replaces_one_that_fails() {
    let (mut quorum, asked, step) = start(Replication::Three, 3);
    assert_eq!((asked, step), (vec![0, 1], Step::Wait));
    assert_eq!(quorum.failed(0, down()), Step::Ask(2));
    assert_eq!(quorum.answered(2, Epoch(5)), Step::Wait);
    assert_eq!(quorum.answered(1, Epoch(5)), Step::Complete(vec![1, 2]));
}

#[test]
fn two_failures_of_three_are_no_quorum() {
    let (mut quorum, ..) = start(Replication::Three, 3);
    quorum.failed(0, down());
    assert_eq!(quorum.failed(2, down()), Step::Unreachable);
    assert_eq!(quorum.failures(), [Some(down()), Some(Failure::Silent), Some(down())]);
}

#[test]
fn too_few_known_owners_are_no_quorum() {
    assert_eq!(start(Replication::Three, 1).2, Step::Unreachable);
    assert_eq!(start(Replication::One, 0).2, Step::Unreachable);
}

#[test]
fn answers_of_two_epochs_do_not_count_together() {
    let (mut quorum, ..) = start(Replication::Three, 3);
    quorum.answered(0, Epoch(5));
    assert_eq!(quorum.answered(1, Epoch(9)), Step::Ask(2));
    assert_eq!(quorum.clone().answered(2, Epoch(9)), Step::Complete(vec![1, 2]));
    assert_eq!(quorum.clone().answered(2, Epoch(5)), Step::Complete(vec![0, 2]));
    assert_eq!(quorum.answered(2, Epoch(7)), Step::Unreachable);
    assert_eq!(quorum.failures(), [Some(Failure::OtherEpoch), None, Some(Failure::OtherEpoch)]);
}

#[test]
fn settling_waits_for_a_third_answer_and_does_without() {
    let (mut quorum, ..) = start(Replication::Three, 3);
    quorum.answered(0, Epoch(5));
    quorum.answered(1, Epoch(5));
    assert_eq!(quorum.settle(), Step::Ask(2));
    assert_eq!(quorum.proceed(), Step::Wait);
    assert_eq!(quorum.settled(), [0, 1]);
    assert_eq!(quorum.clone().answered(2, Epoch(5)), Step::Complete(vec![0, 1, 2]));
    assert_eq!(quorum.failed(2, down()), Step::Complete(vec![0, 1]));
}

#[test]
fn slowness_asks_the_next_owner_once() {
    let (mut quorum, ..) = start(Replication::Three, 3);
    assert_eq!(quorum.slow(), Step::Ask(2));
    assert_eq!(quorum.slow(), Step::Wait);
    let (mut single, ..) = start(Replication::One, 1);
    assert_eq!(single.slow(), Step::Wait);
}

/// What an owner does when it is asked, or that the next event is slowness.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Answers(u64),
    Fails,
}

proptest! {
    /// Whatever the fates and the order: nobody is asked twice, a result is a quorum of one epoch, and there is a result
    /// exactly where enough owners agree.
    #[test]
    fn a_result_is_a_quorum_of_one_epoch(
        fates in proptest::collection::vec(prop_oneof![(1u64..3).prop_map(Fate::Answers), Just(Fate::Fails)], 3),
        order in proptest::collection::vec(0usize..4, 40),
        settle: bool,
    ) {
        let (mut quorum, mut pending, mut step) = start(Replication::Three, 3);
        let mut asked = pending.clone();
        let mut settling = false;
        for pick in order.into_iter().chain(std::iter::repeat_n(0, 10)) {
            match step.clone() {
                Step::Ask(owner) => {
                    prop_assert!(!asked.contains(&owner), "asked twice");
                    asked.push(owner);
                    pending.push(owner);
                    step = quorum.proceed();
                }
                Step::Complete(_) if settle && !settling => {
                    settling = true;
                    step = quorum.settle();
                }
                Step::Complete(_) | Step::Unreachable => break,
                Step::Wait if pick == 3 => step = quorum.slow(),
                Step::Wait => {
                    prop_assert!(!pending.is_empty(), "waits for nobody");
                    let owner = pending.remove(pick % pending.len());
                    step = match fates[owner] {
                        Fate::Answers(epoch) => quorum.answered(owner, Epoch(epoch)),
                        Fate::Fails => quorum.failed(owner, down()),
                    };
                }
            }
        }
        let of = |epoch| fates.iter().filter(|fate| matches!(fate, Fate::Answers(e) if *e == epoch)).count();
        let reachable = of(1) >= 2 || of(2) >= 2;
        match step {
            Step::Complete(owners) => {
                prop_assert!(owners.len() >= 2);
                let epochs: Vec<_> = owners.iter().map(|owner| match fates[*owner] { Fate::Answers(e) => e, Fate::Fails => 0 }).collect();
                prop_assert!(epochs.iter().all(|epoch| *epoch != 0 && *epoch == epochs[0]), "{epochs:?}");
            }
            Step::Unreachable => prop_assert!(!reachable, "{fates:?}"),
            other => prop_assert!(false, "not finished: {other:?}"),
        }
    }
}

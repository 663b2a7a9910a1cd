use proptest::{collection::vec, prelude::*};

use super::*;

const EPOCH: Epoch = Epoch(7);
const SAMPLES: u32 = 4;

/// What one owner does with a push.
#[derive(Debug, Clone)]
enum Owner {
    Fails,
    AnswersInAnotherEpoch,
    /// The reason for each sample it refuses; [`MISSING`] where it is missing for the sample.
    Answers([Option<u8>; SAMPLES as usize]),
}

/// Stands for no reason.
const MISSING: u8 = 0;

impl Owner {
    fn refusals(&self) -> Vec<(u32, u8)> {
        match self {
            Self::Answers(verdicts) => (0u32..)
                .zip(verdicts)
                .filter_map(|(at, reason)| Some((at, reason.filter(|reason| *reason != MISSING)?)))
                .collect(),
            Self::Fails | Self::AnswersInAnotherEpoch => Vec::new(),
        }
    }

    fn missing(&self) -> Vec<u32> {
        (0..SAMPLES).filter(|sample| matches!(self, Self::Answers(verdicts) if verdicts[*sample as usize] == Some(MISSING))).collect()
    }

    fn stored(&self, sample: u32) -> bool {
        matches!(self, Self::Answers(verdicts) if verdicts[sample as usize].is_none())
    }

    fn refused(&self, sample: u32) -> bool {
        matches!(self, Self::Answers(verdicts) if verdicts[sample as usize].is_some_and(|reason| reason != MISSING))
    }

    fn tell(&self, quorum: &mut WriteQuorum<u8>) {
        match self {
            Self::Fails => quorum.fail(),
            Self::AnswersInAnotherEpoch => assert!(!quorum.answer(Epoch(6), &[], &[])),
            Self::Answers(_) => assert!(quorum.answer(EPOCH, &self.refusals(), &self.missing())),
        }
    }
}

fn owner() -> impl Strategy<Value = Owner> {
    let verdicts = prop::array::uniform4(prop::option::of(MISSING..4));
    prop_oneof![1 => Just(Owner::Fails), 1 => Just(Owner::AnswersInAnotherEpoch), 4 => verdicts.prop_map(Owner::Answers)]
}

fn cluster() -> impl Strategy<Value = (Replication, Vec<Owner>)> {
    prop_oneof![
        vec(owner(), 1).prop_map(|owners| (Replication::One, owners)),
        vec(owner(), 3).prop_map(|owners| (Replication::Three, owners)),
        vec(owner(), 0..3).prop_map(|owners| (Replication::Three, owners)),
    ]
}

proptest! {
    /// W-1, against the definition.
    #[test]
    fn verdicts_are_what_the_owners_hold((replication, owners) in cluster()) {
        let mut quorum = WriteQuorum::new(replication, EPOCH, SAMPLES, owners.len());
        owners.iter().for_each(|owner| owner.tell(&mut quorum));
        let mut acknowledged = 0;
        for sample in 0..SAMPLES {
            let stored = owners.iter().filter(|owner| owner.stored(sample)).count();
            let refused = owners.iter().filter(|owner| owner.refused(sample)).count();
            let verdict = quorum.verdict(sample);
            prop_assert_eq!(verdict == Verdict::Acknowledged, stored >= replication.quorum());
            prop_assert_eq!(
                matches!(verdict, Verdict::Refused(_)),
                refused > replication.copies() - replication.quorum()
            );
            acknowledged += u32::from(stored >= replication.quorum());
        }
        prop_assert_eq!(quorum.acknowledged(), acknowledged);
        prop_assert!(quorum.is_settled());
        let undecided = (0..SAMPLES).any(|sample| quorum.verdict(sample) == Verdict::Undecided);
        prop_assert_eq!(quorum.is_decided(), !undecided);
    }

    #[test]
    fn a_verdict_never_changes_and_the_order_does_not_matter(
        (replication, owners) in cluster(),
        order in Just((0..3usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut quorum = WriteQuorum::new(replication, EPOCH, SAMPLES, owners.len());
        let mut before: Vec<_> = (0..SAMPLES).map(|sample| quorum.verdict(sample)).collect();
        for owner in order.iter().filter_map(|at| owners.get(*at)) {
            let settled = quorum.is_settled();
            owner.tell(&mut quorum);
            let after: Vec<_> = (0..SAMPLES).map(|sample| quorum.verdict(sample)).collect();
            for (before, after) in before.iter().zip(&after) {
                match before {
                    Verdict::Acknowledged => prop_assert_eq!(after, before),
                    Verdict::Refused(_) => prop_assert!(matches!(after, Verdict::Refused(_))),
                    // Once settled, what is undecided stays so, or the reply would have come too early.
                    Verdict::Undecided => prop_assert!(!settled || after == before),
                }
            }
            before = after;
        }
        let mut straight = WriteQuorum::new(replication, EPOCH, SAMPLES, owners.len());
        owners.iter().for_each(|owner| owner.tell(&mut straight));
        let verdicts: Vec<_> = (0..SAMPLES).map(|sample| straight.verdict(sample)).collect();
        prop_assert_eq!(before, verdicts);
        prop_assert_eq!(straight.refused().count(), quorum.refused().count());
    }
}

#[test]
fn the_reply_waits_exactly_as_long_as_it_must() {
    let mut quorum = WriteQuorum::<char>::new(Replication::Three, EPOCH, 2, 3);
    quorum.answer(EPOCH, &[], &[]);
    assert!(!quorum.is_settled());
    quorum.answer(EPOCH, &[], &[]);
    assert!(quorum.is_decided(), "the third owner is not waited for");

    let mut torn = WriteQuorum::new(Replication::Three, EPOCH, 2, 3);
    torn.answer(EPOCH, &[(1, 'o')], &[]);
    torn.answer(EPOCH, &[], &[]);
    assert_eq!((torn.verdict(0), torn.verdict(1)), (Verdict::Acknowledged, Verdict::Undecided));
    assert!(!torn.is_settled(), "the third owner decides");
    torn.answer(EPOCH, &[(1, 'n')], &[]);
    assert_eq!(torn.verdict(1), Verdict::Refused('n'), "of equally frequent reasons the least");

    let mut lost = WriteQuorum::<char>::new(Replication::Three, EPOCH, 2, 3);
    lost.fail();
    assert!(!lost.is_settled());
    lost.fail();
    assert!(lost.is_settled() && !lost.is_decided(), "one owner alone is no quorum");
}

#[test]
fn senseless_answers_count_as_none() {
    for refusals in [&[(5, 'x')][..], &[(1, 'x'), (1, 'x')], &[(1, 'x'), (0, 'x')]] {
        let mut quorum = WriteQuorum::new(Replication::One, EPOCH, 2, 1);
        assert!(!quorum.answer(EPOCH, refusals, &[]));
        assert!(!quorum.is_decided());
    }
}

#[test]
fn a_sample_that_owners_are_missing_for_is_retried_and_never_refused() {
    let mut quorum = WriteQuorum::<char>::new(Replication::Three, EPOCH, 2, 3);
    quorum.answer(EPOCH, &[], &[0]);
    quorum.answer(EPOCH, &[], &[0]);
    assert_eq!((quorum.verdict(0), quorum.verdict(1)), (Verdict::Undecided, Verdict::Acknowledged));
    quorum.answer(EPOCH, &[(0, 'x')], &[]);
    assert_eq!(quorum.verdict(0), Verdict::Undecided, "one refusal is not for good");
    assert_eq!((quorum.acknowledged(), quorum.refused().count(), quorum.is_settled()), (1, 0, true));
    let mut both = WriteQuorum::<char>::new(Replication::One, EPOCH, 2, 1);
    assert!(!both.answer(EPOCH, &[(1, 'x')], &[1]), "refused and missing at once makes no sense");
}

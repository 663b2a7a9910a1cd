//! The quorum of one partition as a state machine: who is asked next, and when enough is known.
//!
//! Pure: events in, the next [`Step`] out. Owners are numbers in the order of preference. Only complete answers of one
//! epoch count together (rule 3); an owner that refuses or breaks off counts as none (rule 2, F-5).

use narthex_model::Epoch;
use narthex_ring::Replication;

use super::Failure;

/// What the shell does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask this owner too; then wait.
    Ask(usize),
    /// Wait for those that were asked.
    Wait,
    /// These owners' answers are the result.
    Complete(Vec<usize>),
    /// No quorum can be reached any more.
    Unreachable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Idle,
    Asked,
    Answered(Epoch),
    Failed(Failure),
}

/// One read of one partition.
#[derive(Debug, Clone)]
pub struct ReadQuorum {
    need: usize,
    owners: Vec<State>,
    /// Owners differ, so one more answer is wanted where it can be had.
    settling: bool,
}

impl ReadQuorum {
    /// A read of a partition with so many known owners.
    pub fn new(replication: Replication, owners: usize) -> Self {
        Self { need: replication.quorum(), owners: vec![State::Idle; owners], settling: false }
    }

    /// The next step at the start; call again after every [`Step::Ask`] until it says something else.
    pub fn proceed(&mut self) -> Step {
        let counted = self.counted();
        if counted.len() >= self.need && !(self.settling && self.can_ask_more()) {
            return Step::Complete(counted);
        }
        let asked = self.owners.iter().filter(|state| **state == State::Asked).count();
        let wanted = self.need + usize::from(self.settling);
        let idle = self.owners.iter().position(|state| *state == State::Idle);
        match idle {
            Some(owner) if counted.len() + asked < wanted => {
                self.owners[owner] = State::Asked;
                Step::Ask(owner)
            }
            _ if counted.len() + asked >= self.need => Step::Wait,
            _ => Step::Unreachable,
        }
    }

    /// An owner answered completely in an epoch.
    pub fn answered(&mut self, owner: usize, epoch: Epoch) -> Step {
        self.owners[owner] = State::Answered(epoch);
        self.proceed()
    }

    /// An owner's answer will not come.
    pub fn failed(&mut self, owner: usize, failure: Failure) -> Step {
        self.owners[owner] = State::Failed(failure);
        self.proceed()
    }

    /// Those that were asked are slow: asks one more where there is one (hedging), else waits on.
    pub fn slow(&mut self) -> Step {
        match self.owners.iter().position(|state| *state == State::Idle) {
            Some(owner) => {
                self.owners[owner] = State::Asked;
                Step::Ask(owner)
            }
            None => Step::Wait,
        }
    }

    /// The counted answers differ in a value: wants one more answer, so that the value that two hold can win. Completes
    /// without it once it cannot come.
    pub fn settle(&mut self) -> Step {
        self.settling = true;
        self.proceed()
    }

    /// Gives up waiting for the answer that [`Self::settle`] asked for.
    pub fn settled(&self) -> Vec<usize> {
        self.counted()
    }

    /// What every owner's state means to a user, for the error of a read without quorum.
    pub fn failures(&self) -> Vec<Option<Failure>> {
        let counted = self.counted();
        let describe = |(owner, state): (usize, &State)| match state {
            State::Failed(failure) => Some(failure.clone()),
            State::Answered(_) if counted.contains(&owner) => None,
            State::Answered(_) => Some(Failure::OtherEpoch),
            State::Idle | State::Asked => Some(Failure::Silent),
        };
        self.owners.iter().enumerate().map(describe).collect()
    }

    fn can_ask_more(&self) -> bool {
        self.owners.iter().any(|state| matches!(state, State::Idle | State::Asked))
    }

    /// Owners of the epoch with the most answers, of the newest among equals.
    fn counted(&self) -> Vec<usize> {
        let epoch_of = |state: &State| match state {
            State::Answered(epoch) => Some(*epoch),
            _ => None,
        };
        let of = |epoch: Epoch| self.owners.iter().filter(|state| epoch_of(state) == Some(epoch)).count();
        let best = self.owners.iter().filter_map(epoch_of).max_by_key(|epoch| (of(*epoch), *epoch));
        let owners = self.owners.iter().enumerate();
        owners
            .filter(|(_, state)| best.is_some() && epoch_of(state) == best)
            .map(|(owner, _)| owner)
            .collect()
    }
}

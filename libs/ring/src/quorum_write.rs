//! Counting of owners' verdicts on one push of one partition, as a pure state machine.
//!
//! W-1: a sample is acknowledged only when a quorum of owners, all in the epoch of the push, stored it or held the equal value.
//! It is refused for good only when so many owners refuse it that no quorum can ever store it. In between it is undecided, and
//! stays so if the owners that are left do not answer: then the sender must retry. An owner that answers can be missing for single
//! samples: it neither stored them nor refused them for good (their window is sealed there). A verdict never changes once it is given,
//! and does not depend on the order of answers.

use std::collections::BTreeMap;

use narthex_model::Epoch;

use crate::Replication;

/// What is known of one sample. `R` is the reason of a refusal; of several reasons the most frequent counts, then the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<R> {
    /// A quorum of owners has it.
    Acknowledged,
    /// No quorum will ever have it.
    Refused(R),
    /// Not enough answers yet.
    Undecided,
}

/// Verdicts on the samples of one frame that was sent to the owners of one partition.
#[derive(Debug, Clone)]
pub struct WriteQuorum<R> {
    replication: Replication,
    epoch: Epoch,
    samples: u32,
    /// Owners that were asked and not yet heard of.
    outstanding: usize,
    /// Owners that answered in the epoch.
    answered: usize,
    /// Samples that some owner did not store.
    lacking: BTreeMap<u32, Lacking<R>>,
}

/// Owners that answered and do not have a sample.
#[derive(Debug, Clone)]
struct Lacking<R> {
    /// Reasons of those that refused it for good.
    refusals: Vec<R>,
    /// Number of those that are missing for it.
    missing: usize,
}

impl<R> Default for Lacking<R> {
    fn default() -> Self {
        Self { refusals: Vec::new(), missing: 0 }
    }
}

impl<R: Copy + Ord> WriteQuorum<R> {
    /// For a frame of `samples` samples that goes to `owners` owners in `epoch`.
    pub fn new(replication: Replication, epoch: Epoch, samples: u32, owners: usize) -> Self {
        Self { replication, epoch, samples, outstanding: owners, answered: 0, lacking: BTreeMap::new() }
    }

    /// An owner answered: it has every sample but those that it refused and those that it is missing for, both listed by strictly
    /// ascending number. An answer of another epoch, or one that makes no sense, counts as none; then this returns false.
    pub fn answer(&mut self, epoch: Epoch, refusals: &[(u32, R)], missing: &[u32]) -> bool {
        self.outstanding = self.outstanding.saturating_sub(1);
        let ascending = refusals.is_sorted_by(|a, b| a.0 < b.0) && missing.is_sorted_by(|a, b| a < b);
        let apart =
            missing.iter().all(|number| refusals.binary_search_by_key(number, |(at, _)| *at).is_err());
        let newest = refusals.last().map(|(number, _)| number).max(missing.last());
        let known = newest.is_none_or(|number| *number < self.samples);
        let full = self.answered == self.replication.copies();
        if epoch != self.epoch || !ascending || !apart || !known || full {
            return false;
        }
        self.answered += 1;
        for (sample, reason) in refusals {
            self.lacking.entry(*sample).or_default().refusals.push(*reason);
        }
        for sample in missing {
            self.lacking.entry(*sample).or_default().missing += 1;
        }
        true
    }

    /// An owner will not answer.
    pub fn fail(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// What is known of one sample.
    pub fn verdict(&self, sample: u32) -> Verdict<R> {
        match self.lacking.get(&sample) {
            None if self.answered >= self.replication.quorum() => Verdict::Acknowledged,
            None => Verdict::Undecided,
            Some(lacking) => self.judge(lacking),
        }
    }

    /// Whether there is a final verdict on every sample; also without samples this needs a quorum of answers.
    pub fn is_decided(&self) -> bool {
        self.answered >= self.replication.quorum()
            && self.lacking.values().all(|lacking| !matches!(self.judge(lacking), Verdict::Undecided))
    }

    /// Whether waiting for more answers is useless: all is decided, nobody is left, or too few are left for any quorum.
    pub fn is_settled(&self) -> bool {
        self.outstanding == 0
            || self.answered + self.outstanding < self.replication.quorum()
            || self.is_decided()
    }

    /// Samples refused for good, ascending.
    pub fn refused(&self) -> impl Iterator<Item = (u32, R)> {
        self.lacking.iter().filter_map(|(sample, lacking)| match self.judge(lacking) {
            Verdict::Refused(reason) => Some((*sample, reason)),
            Verdict::Acknowledged | Verdict::Undecided => None,
        })
    }

    /// Number of samples with a quorum.
    pub fn acknowledged(&self) -> u32 {
        if self.answered < self.replication.quorum() {
            return 0;
        }
        let without = self.lacking.values().filter(|lacking| self.judge(lacking) != Verdict::Acknowledged);
        self.samples - u32::try_from(without.count()).expect("at most one for each sample")
    }

    fn judge(&self, lacking: &Lacking<R>) -> Verdict<R> {
        let (copies, quorum) = (self.replication.copies(), self.replication.quorum());
        let Lacking { refusals, missing } = lacking;
        if self.answered - refusals.len() - missing >= quorum {
            return Verdict::Acknowledged;
        }
        if refusals.len() <= copies - quorum {
            return Verdict::Undecided;
        }
        let votes = |reason: &R| refusals.iter().filter(|other| *other == reason).count();
        let most = refusals.iter().max_by(|a, b| votes(a).cmp(&votes(b)).then(b.cmp(a)));
        most.map_or(Verdict::Undecided, |reason| Verdict::Refused(*reason))
    }
}

#[cfg(test)]
#[path = "quorum_write_test.rs"]
mod tests;

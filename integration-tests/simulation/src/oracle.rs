//! Knows everything that was written and judges every answer.
//!
//! | check | when |
//! |---|---|
//! | W-1 | at every acknowledgement: two owners stored the sample, in one epoch |
//! | W-2 | in every answer: one value a timestamp, and one that was written |
//! | F-5 | whenever an owner becomes complete or forgets: of the complete owners at most one lacks any acknowledged sample that is in no block |
//! | R-1, R-2 | every answered read holds every sample acknowledged before it began |
//! | R-3 | every answered read planned blocks on a manifest as new as the answers of owners |
//! | P-1 | whenever an owner stores a push: every registered reader that answers knows the partition |
//!
//! What it knows of cuts and blocks, and checks about them, is in [`line`].

mod line;

use std::collections::{BTreeMap, BTreeSet};

use narthex_model::{Epoch, Value};

use line::Line;

use crate::message::{Data, Write};

/// (series, timestamp).
pub type Key = (u32, i64);

/// What must not happen happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub invariant: &'static str,
    /// What was seen, with the virtual time.
    pub text: String,
}

#[derive(Debug)]
struct Acknowledged {
    at: u64,
    partition: u32,
    /// The first in which it was acknowledged.
    epoch: Epoch,
    values: BTreeSet<u64>,
}

/// The oracle's memory.
#[derive(Debug, Default)]
pub struct Oracle {
    written: BTreeMap<Key, BTreeSet<u64>>,
    stored: BTreeMap<(Key, u64), BTreeSet<(Epoch, usize)>>,
    acknowledged: BTreeMap<Key, Acknowledged>,
    violations: Vec<Violation>,
    line: Line,
    /// Reads that were answered and checked.
    pub reads: u64,
    /// Blocks that were committed, compacted ones not counted.
    pub commits: u64,
    /// How often an owner forgot a cut.
    pub forgotten: u64,
}

impl Oracle {
    /// A client is about to write.
    pub(crate) fn writing(&mut self, write: &Write) {
        self.written.entry((write.series, write.at)).or_default().insert(write.value.to_bits());
    }

    /// An owner stored a sample, or held the equal value, for a push of an epoch.
    pub(crate) fn stored(&mut self, now: u64, write: &Write, epoch: Epoch, ingester: usize) {
        let key = ((write.series, write.at), write.value.to_bits());
        self.stored.entry(key).or_default().insert((epoch, ingester));
        self.check_seal(now, &(write.series, write.at), epoch, ingester);
    }

    /// A distributor told its client that the sample is safe.
    pub(crate) fn acknowledge(&mut self, now: u64, write: &Write, partition: u32, epoch: Epoch) {
        let key = (write.series, write.at);
        let stored = self.stored.get(&(key, write.value.to_bits()));
        let in_one_epoch = stored.is_some_and(|stored| {
            stored.iter().any(|(epoch, _)| stored.iter().filter(|(other, _)| other == epoch).count() >= 2)
        });
        if !in_one_epoch {
            self.violate("W-1", now, format!("{write:?} was acknowledged, stored by {stored:?}"));
        }
        self.acknowledged_late(now, &key, partition, epoch);
        let entry = self.acknowledged.entry(key);
        let fresh = || Acknowledged { at: now, partition, epoch, values: BTreeSet::new() };
        entry.or_insert_with(fresh).values.insert(write.value.to_bits());
    }

    /// Number of acknowledged samples.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// A read that began at `began` was answered.
    pub(crate) fn read(&mut self, now: u64, began: u64, data: &Data) {
        self.reads += 1;
        let mut seen = BTreeMap::new();
        for (series, samples) in data {
            for (at, value) in samples {
                let Value::Float(value) = value else { continue };
                if seen.insert((*series, *at), value.to_bits()).is_some() {
                    self.violate("W-2", now, format!("series {series} at {at} was answered twice"));
                }
                if !self
                    .written
                    .get(&(*series, *at))
                    .is_some_and(|written| written.contains(&value.to_bits()))
                {
                    self.violate("W-2", now, format!("series {series} at {at}: {value} was never written"));
                }
            }
        }
        let missing =
            self.acknowledged.iter().find(|(key, entry)| entry.at < began && !seen.contains_key(key));
        if let Some((key, entry)) = missing {
            let text = format!(
                "{key:?}, acknowledged at {} in partition {}, is missing in a read begun at {began}",
                entry.at, entry.partition
            );
            self.violate("R-1", now, text);
        }
        let lost = self.acknowledged.iter().find(|(key, entry)| {
            let contested = self.written.get(key).is_some_and(|written| written.len() > 1);
            !contested && seen.get(key).is_some_and(|value| !entry.values.contains(value))
        });
        if let Some((key, _)) = lost {
            self.violate(
                "W-2",
                now,
                format!("{key:?} was answered with another value than was acknowledged"),
            );
        }
    }

    /// The keys that each complete owner of a partition holds.
    pub(crate) fn owners(&mut self, now: u64, partition: u32, complete: &[(usize, BTreeSet<Key>)]) {
        // What is in a block need not be asked for: that is most of it.
        let open = |key: &Key, entry: &Acknowledged| entry.partition == partition && !self.is_readable(key);
        let lacking =
            self.acknowledged.iter().filter(|(key, entry)| open(key, entry)).find_map(|(key, _)| {
                let lacking = complete.iter().filter(|(_, held)| !held.contains(key)).map(|(id, _)| *id);
                let lacking: Vec<_> = lacking.collect();
                (lacking.len() > 1).then_some((*key, lacking))
            });
        if let Some((key, lacking)) = lacking {
            self.violate("F-5", now, format!("complete owners {lacking:?} lack the acknowledged {key:?}"));
        }
    }

    /// A push was stored in a partition that some readers do not know.
    pub(crate) fn unknown_to(&mut self, now: u64, partition: u32, readers: &[String]) {
        if !readers.is_empty() {
            self.violate("P-1", now, format!("partition {partition} takes writes, unknown to {readers:?}"));
        }
    }

    /// Notes a violation.
    pub(crate) fn violate(&mut self, invariant: &'static str, now: u64, text: String) {
        self.violations.push(Violation { invariant, text: format!("at {now} ms: {text}") });
    }

    /// The first violation, if any.
    pub(crate) fn verdict(&self) -> Option<&Violation> {
        self.violations.first()
    }
}

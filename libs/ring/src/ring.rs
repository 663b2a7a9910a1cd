//! The ring: an immutable value, rebuilt whenever a partition changes.

use narthex_model::{PartitionId, RingRevision, SeriesHash};

use crate::{Partition, PartitionState, Replication, tokens::tokens};

/// Partitions and the table that maps a hash to the ACTIVE one that takes its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    revision: RingRevision,
    replication: Replication,
    partitions: Vec<Partition>,
    /// Tokens of ACTIVE partitions, ascending.
    tokens: Vec<(u64, PartitionId)>,
}

impl Ring {
    /// Builds the ring of a revision.
    pub fn new(revision: RingRevision, replication: Replication, mut partitions: Vec<Partition>) -> Self {
        partitions.sort_by_key(|partition| partition.id);
        let active = partitions.iter().filter(|partition| partition.state == PartitionState::Active);
        let mut table: Vec<_> = active.flat_map(|p| tokens(p.id).map(|token| (token, p.id))).collect();
        table.sort_unstable();
        Self { revision, replication, partitions, tokens: table }
    }

    /// The ring before anything is known.
    pub fn empty(replication: Replication) -> Self {
        Self::new(RingRevision(0), replication, Vec::new())
    }

    /// Revision of the control plane that this ring is of.
    pub fn revision(&self) -> RingRevision {
        self.revision
    }

    /// Number of copies.
    pub fn replication(&self) -> Replication {
        self.replication
    }

    /// All partitions by ascending id: those that reads must ask.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// One partition.
    pub fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions
            .binary_search_by_key(&id, |partition| partition.id)
            .ok()
            .map(|at| &self.partitions[at])
    }

    /// The ACTIVE partition that takes writes of a hash; `None` while there is no ACTIVE partition.
    pub fn partition_for(&self, hash: SeriesHash) -> Option<PartitionId> {
        let at = self.tokens.partition_point(|(token, _)| *token < hash.0);
        self.tokens.get(at).or(self.tokens.first()).map(|(_, partition)| *partition)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use narthex_model::Epoch;
    use proptest::prelude::*;

    use super::*;

    fn ring(count: u32, state: impl Fn(u32) -> PartitionState) -> Ring {
        let partition =
            |id| Partition { id: PartitionId(id), state: state(id), epoch: Epoch(1), owners: Vec::new() };
        Ring::new(RingRevision(1), Replication::Three, (0..count).map(partition).collect())
    }

    fn shares(ring: &Ring) -> BTreeMap<PartitionId, f64> {
        let last = ring.tokens.last().expect("tokens").0;
        let mut shares = BTreeMap::new();
        let mut before = last;
        for (token, partition) in &ring.tokens {
            *shares.entry(*partition).or_default() += token.wrapping_sub(before) as f64 / 2f64.powi(64);
            before = *token;
        }
        shares
    }

    #[test]
    fn every_partition_has_a_fair_share_at_any_size() {
        for count in 1..=64 {
            let fair = 1.0 / f64::from(count);
            for (partition, share) in shares(&ring(count, |_| PartitionState::Active)) {
                assert!(
                    (share / fair - 1.0).abs() < 0.1,
                    "partition {partition} of {count} has {share}, fair is {fair}"
                );
            }
        }
    }

    #[test]
    fn only_active_partitions_take_writes() {
        let none = ring(3, |_| PartitionState::Pending);
        assert_eq!(none.partition_for(SeriesHash(7)), None);
        let one = ring(3, |id| if id == 1 { PartitionState::Active } else { PartitionState::Inactive });
        assert_eq!(one.partition_for(SeriesHash(u64::MAX)), Some(PartitionId(1)));
        assert_eq!(one.partitions().len(), 3, "reads still ask the others");
    }

    proptest! {
        #[test]
        fn adding_a_partition_moves_hashes_only_to_it(count in 1u32..20, hash: u64) {
            let before = ring(count, |_| PartitionState::Active).partition_for(SeriesHash(hash));
            let after = ring(count + 1, |_| PartitionState::Active).partition_for(SeriesHash(hash));
            prop_assert!(after == before || after == Some(PartitionId(count)));
        }
    }
}

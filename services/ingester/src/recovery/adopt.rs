//! Which state of the partition an owner acts on: the pure core of the wall between epochs.
//!
//! An owner adopts a state only after every push of the state before has ended, and remembers it in its record; then it
//! takes pushes of that epoch only (rule 3). `service::gate` is the shell.

use narthex_model::{Epoch, PartitionId, RingRevision};
use narthex_ring::{PartitionState, Ring};

/// The newest state of its partition that the owner acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Adopted {
    /// Ring revision that it was read from.
    pub ring_revision: RingRevision,
    /// The partition's epoch there.
    pub epoch: Epoch,
    /// Whether the partition took writes.
    pub active: bool,
}

/// What a ring means for an owner that adopted a state before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The partition is as it was: go on.
    Go,
    /// Adopt this first.
    Adopt(Adopted),
    /// The ring is older than what was adopted: a newer one is needed.
    Behind,
    /// The partition is not in the ring.
    Gone,
}

impl Adopted {
    /// Compares with a ring. Other partitions' changes are no reason to adopt, so they cost no write.
    pub fn step(&self, ring: &Ring, partition: PartitionId) -> Step {
        if ring.revision() < self.ring_revision {
            return Step::Behind;
        }
        let Some(found) = ring.partition(partition) else { return Step::Gone };
        let active = found.state == PartitionState::Active;
        if (found.epoch, active) == (self.epoch, self.active) {
            Step::Go
        } else {
            Step::Adopt(Self { ring_revision: ring.revision(), epoch: found.epoch, active })
        }
    }

    /// Whether a push of `epoch` may be stored; otherwise why not.
    pub fn accepts(&self, epoch: Epoch) -> Result<(), String> {
        if !self.active {
            Err("the partition is not ACTIVE".to_owned())
        } else if epoch != self.epoch {
            Err(format!("the push is of epoch {epoch}, the partition is in epoch {}", self.epoch))
        } else {
            Ok(())
        }
    }
}

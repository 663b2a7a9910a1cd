//! A partition of the hash space: its state, its epoch and its owners.

use narthex_model::{Epoch, InstanceId, PartitionId, Zone};

/// Life of a partition. PENDING is read already, ACTIVE is read and written, INACTIVE is read only and drains; a partition
/// that is gone is no longer in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionState {
    /// Known to readers, not yet written.
    Pending,
    /// Read and written.
    Active,
    /// Read only.
    Inactive,
}

impl PartitionState {
    /// The word in metrics, logs and administration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// One replica's home.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The ingester.
    pub instance: InstanceId,
    /// Its zone; owners of one partition lie in different zones.
    pub zone: Zone,
    /// Its gRPC address, `host:port`.
    pub address: String,
}

/// A partition and where it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Which one; also the ordinal of its owners.
    pub id: PartitionId,
    /// Whether it takes writes.
    pub state: PartitionState,
    /// The revision that last made it ACTIVE; a push names it and a quorum counts only replies of one (rule 3).
    pub epoch: Epoch,
    /// Known owners, ordered by zone. Fewer than the replication factor while some have not registered.
    pub owners: Vec<Owner>,
}

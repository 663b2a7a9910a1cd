//! Which epoch of the partition this owner acts on, and the wall between one epoch and the next.
//!
//! An owner *adopts* a ring state: it waits until every push of the state before has finished, writes the new state to its
//! record, and only then acts on it. Pushes run inside a [`Pass`], so nothing of an older epoch is stored once a read has
//! been answered on a newer one, not even after a restart. That is what a recovering peer relies on: its copy of this
//! owner is complete for every epoch before its own (rules 2 and 3). Adoption never goes back to an older ring.

use std::sync::Arc;

use narthex_cluster::{Cluster, Snapshot};
use narthex_model::{PartitionId, RingRevision};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{RwLock, RwLockReadGuard};
use tonic::Status;

use crate::recovery::{Adopted, RecordFile, Step};

/// The wall of one partition.
#[derive(Debug)]
pub(crate) struct EpochGate {
    partition: PartitionId,
    cluster: Cluster,
    record: Arc<RecordFile>,
    adopted: RwLock<Adopted>,
    epoch: Gauge,
}

/// Permission to act on the adopted state; adoption of the next waits until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    adopted: RwLockReadGuard<'a, Adopted>,
    snapshot: Arc<Snapshot>,
}

impl Pass<'_> {
    /// The state acted on.
    pub(crate) fn adopted(&self) -> Adopted {
        *self.adopted
    }

    /// The snapshot that it was checked against; at least as new.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl EpochGate {
    /// Starts from what the record says was adopted last; `epoch` shows what is acted on.
    pub(crate) fn new(
        partition: PartitionId,
        cluster: Cluster,
        record: Arc<RecordFile>,
        epoch: Gauge,
    ) -> Self {
        let adopted = record.get().adopted;
        epoch.set(adopted.epoch.0.cast_signed());
        Self { partition, cluster, record, adopted: RwLock::new(adopted), epoch }
    }

    /// A snapshot at least as new as a caller's ring; one bounded catch-up when it is newer than ours.
    pub(crate) async fn snapshot_for(&self, caller: RingRevision) -> Result<Arc<Snapshot>, Status> {
        let needed = caller.max(self.adopted.read().await.ring_revision);
        let snapshot = self.cluster.snapshot();
        if snapshot.ring.revision() >= needed {
            return Ok(snapshot);
        }
        let snapshot =
            self.cluster.catch_up().await.map_err(|error| Status::unavailable(error.to_string()))?;
        if snapshot.ring.revision() >= needed {
            return Ok(snapshot);
        }
        let ours = snapshot.ring.revision();
        Err(Status::unavailable(format!(
            "ring revision {needed} is not known here yet, newest is {ours}: retry"
        )))
    }

    /// Enters with a caller's ring revision, adopting the partition's newest state first if it changed.
    pub(crate) async fn enter(&self, caller: RingRevision) -> Result<Pass<'_>, Status> {
        loop {
            let snapshot = self.snapshot_for(caller).await?;
            let adopted = self.adopted.read().await;
            match adopted.step(&snapshot.ring, self.partition) {
                Step::Go => return Ok(Pass { adopted, snapshot }),
                Step::Adopt(next) => {
                    drop(adopted);
                    self.adopt(next).await?;
                }
                // A newer state was adopted since the snapshot was taken: look again.
                Step::Behind => {}
                Step::Gone => {
                    let partition = self.partition;
                    return Err(Status::failed_precondition(format!(
                        "partition {partition} is not in the ring: go by a newer ring"
                    )));
                }
            }
        }
    }

    async fn adopt(&self, next: Adopted) -> Result<(), Status> {
        // Waits for every pass that is out; new ones wait for us.
        let mut adopted = self.adopted.write().await;
        if next.ring_revision < adopted.ring_revision {
            return Ok(());
        }
        let record = Arc::clone(&self.record);
        let written =
            tokio::task::spawn_blocking(move || record.update(|record| record.adopted = next)).await;
        match written {
            Ok(Ok(_)) => {
                tracing::info!(partition = %self.partition, epoch = %next.epoch, active = next.active,
                    ring_revision = %next.ring_revision, "adopted a ring state");
                self.epoch.set(next.epoch.0.cast_signed());
                *adopted = next;
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot record the ring state, refusing pushes and reads of it: check the data disk");
                Err(Status::unavailable("the owner cannot write its record"))
            }
            Err(_) => Err(Status::unavailable("the owner is stopping")),
        }
    }
}

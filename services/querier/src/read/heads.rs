//! The read of all partitions: plans over a ring snapshot, asks all of them at once, and plans again where the ring moved.
//!
//! Why one new plan is enough: it is made after a catch-up with the control plane, so it holds every partition that took
//! writes before the query began (P-1), and with that every sample acknowledged before. Changes after that add
//! partitions only for samples that the query need not see.

use std::{sync::Arc, time::Duration};

use narthex_cluster::Snapshot;
use narthex_model::{ManifestRevision, RingRevision};
use narthex_promql::SourceError;
use narthex_ring::{Partition, Ring};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::{
    Reader,
    ask::Target,
    partition::{PartitionError, PartitionRead},
    reader::Question,
};

/// Plans of one read. The first may meet a newer ring; further ones only give lagging owners the time to learn it.
const PLANS: u32 = 3;

/// Pause before a plan that waits for owners to learn the ring.
const PAUSE: Duration = Duration::from_millis(100);

/// What the heads hold, and what it takes to make it complete.
#[derive(Debug)]
pub(crate) struct Heads<T> {
    /// One result for each partition.
    pub(crate) parts: Vec<T>,
    /// The newest manifest that an owner acted on whose answer counted: blocks must be planned on one as new.
    pub(crate) manifest_revision: ManifestRevision,
    /// Since when no partition has left, as far as the ring of the plan.
    pub(crate) departed: RingRevision,
}

impl Reader {
    /// One result per partition.
    pub(crate) async fn read_heads<T>(&self, question: &Question<T>) -> Result<Heads<T>, SourceError>
    where
        T: Send + 'static,
    {
        let mut snapshot = self.0.cluster.snapshot();
        for plan in 1.. {
            let planned = snapshot.ring.revision();
            let error = match self.read_ring(&snapshot.ring, question, plan == 1).await {
                Ok(heads) => return Ok(heads),
                Err(PartitionError::Fatal(error)) => return Err(error),
                Err(error) => error,
            };
            let (text, again) = match error {
                PartitionError::NoQuorum { text, replan } => (text, replan),
                PartitionError::NewerRing(seen) => (
                    format!("the ring moved to revision {seen} and the control plane cannot be asked for it"),
                    true,
                ),
                PartitionError::Fatal(_) => unreachable!("returned above"),
            };
            if !again || plan == PLANS {
                self.0.metrics.no_quorum.inc();
                return Err(SourceError::Unavailable(text));
            }
            if plan > 1 {
                self.0.clock.sleep(PAUSE).await;
            }
            self.0.metrics.replans.inc();
            let unavailable = || SourceError::Unavailable(text.clone());
            snapshot = self.newer_snapshot(planned).await.ok_or_else(unavailable)?;
        }
        unreachable!("the loop ends by returning")
    }

    /// A snapshot proven current, or at least newer than the plan where the control plane cannot be asked.
    async fn newer_snapshot(&self, planned: RingRevision) -> Option<Arc<Snapshot>> {
        match self.0.cluster.catch_up().await {
            Ok(snapshot) => Some(snapshot),
            Err(_) => Some(self.0.cluster.snapshot()).filter(|snapshot| snapshot.ring.revision() > planned),
        }
    }

    async fn read_ring<T>(
        &self,
        ring: &Ring,
        question: &Question<T>,
        first: bool,
    ) -> Result<Heads<T>, PartitionError>
    where
        T: Send + 'static,
    {
        if ring.partitions().is_empty() {
            let text = format!("no partition is known yet (ring revision {})", ring.revision());
            return Err(PartitionError::NoQuorum { text, replan: first });
        }
        let departed = self.0.departures.observe(ring);
        let mut tasks = JoinSet::new();
        for partition in ring.partitions() {
            let read = PartitionRead {
                clock: self.0.clock.clone(),
                metrics: self.0.metrics.clone(),
                hedge_after: self.0.hedge_after,
                replication: ring.replication(),
                partition: self.in_order(partition),
                planned: first.then_some(ring.revision()),
                call: (question.ask)(Target::Partition(partition.id, ring.revision())),
                differ: question.differ,
            };
            let (merge, metrics) = (question.merge, self.0.metrics.clone());
            let work = async move {
                let counted = read.run().await?;
                Ok((merge(counted.copies, &metrics), counted.manifest_revision))
            };
            tasks.spawn(work.in_current_span());
        }
        let mut heads = Heads {
            parts: Vec::with_capacity(tasks.len()),
            manifest_revision: ManifestRevision(0),
            departed,
        };
        while let Some(done) = tasks.join_next().await {
            let fault = |error| SourceError::Internal(format!("reading a partition failed: {error}"));
            let (part, revision) = done.map_err(|error| PartitionError::Fatal(fault(error)))??;
            heads.manifest_revision = heads.manifest_revision.max(revision);
            heads.parts.push(part);
        }
        Ok(heads)
    }

    /// The partition with its owners in the order in which to ask: this zone's first, the others in random turn.
    fn in_order(&self, partition: &Partition) -> Partition {
        let mut partition = partition.clone();
        let turn = self.0.random.below(partition.owners.len() as u64) as usize;
        partition.owners.rotate_left(turn);
        partition.owners.sort_by_key(|owner| owner.zone != self.0.zone);
        partition
    }
}

//! The reader: plans over a ring snapshot, reads all partitions at once, merges, and plans once more where the ring moved.
//!
//! Why one new plan is enough: it is made after a catch-up with the control plane, so it holds every partition that took
//! writes before the query began (P-1), and with that every sample acknowledged before. Changes after that add
//! partitions only for samples that the query need not see.

use std::{collections::BTreeSet, fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use narthex_cluster::{Cluster, Snapshot};
use narthex_model::{Labels, MetricMetadata, PartitionId, RingRevision, TimeRange, WorkspaceId, Zone};
use narthex_promql::{SelectedSeries, Selection, SeriesData, SeriesSource, SourceError};
use narthex_ring::{Partition, Ring};
use narthex_service::{Random, SharedClock};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::{
    Budget, Limits, Owners,
    ask::Context,
    merge::{have_conflicts, merge_copies, merge_partitions},
    partition::{OwnerCall, PartitionError, PartitionRead},
};
use crate::{
    metrics::Metrics,
    reads::{Lookup, Reads},
};

/// Plans of one read. The first may meet a newer ring; further ones only give lagging owners the time to learn it.
const PLANS: u32 = 3;

/// Pause before a plan that waits for owners to learn the ring.
const PAUSE: Duration = Duration::from_millis(100);

/// Quorum reads of all workspaces. Cloning shares everything.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    cluster: Cluster,
    owners: Arc<dyn Owners>,
    clock: SharedClock,
    random: Random,
    metrics: Metrics,
    zone: Zone,
    limits: Limits,
    hedge_after: Duration,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("cluster", &self.0.cluster).finish_non_exhaustive()
    }
}

/// What a [`Reader`] stands on.
pub(crate) struct ReaderParts {
    pub(crate) cluster: Cluster,
    pub(crate) owners: Arc<dyn Owners>,
    pub(crate) clock: SharedClock,
    pub(crate) random: Random,
    pub(crate) metrics: Metrics,
    /// Owners of this zone are asked first.
    pub(crate) zone: Zone,
    pub(crate) limits: Limits,
    pub(crate) hedge_after: Duration,
}

/// How the answers of one read are asked for and put together.
struct Question<T, R> {
    call: Box<dyn Fn(PartitionId, RingRevision) -> OwnerCall<T> + Send + Sync>,
    differ: fn(&[&T]) -> bool,
    merge: fn(Vec<T>, &Metrics) -> R,
}

impl Reader {
    pub(crate) fn new(parts: ReaderParts) -> Self {
        let ReaderParts { cluster, owners, clock, random, metrics, zone, limits, hedge_after } = parts;
        Self(Arc::new(Inner { cluster, owners, clock, random, metrics, zone, limits, hedge_after }))
    }

    fn context(&self, workspace: WorkspaceId, range: TimeRange) -> Context {
        Context { owners: self.0.owners.clone(), workspace, range, budget: Budget::new(self.0.limits) }
    }

    /// One result per partition.
    async fn read<T, R>(&self, question: Question<T, R>) -> Result<Vec<R>, SourceError>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let mut snapshot = self.0.cluster.snapshot();
        for plan in 1.. {
            let planned = snapshot.ring.revision();
            let error = match self.read_ring(&snapshot.ring, &question, plan == 1).await {
                Ok(results) => return Ok(results),
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

    async fn read_ring<T, R>(
        &self,
        ring: &Ring,
        question: &Question<T, R>,
        first: bool,
    ) -> Result<Vec<R>, PartitionError>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        if ring.partitions().is_empty() {
            let text = format!("no partition is known yet (ring revision {})", ring.revision());
            return Err(PartitionError::NoQuorum { text, replan: first });
        }
        let mut tasks = JoinSet::new();
        for partition in ring.partitions() {
            let read = PartitionRead {
                clock: self.0.clock.clone(),
                metrics: self.0.metrics.clone(),
                hedge_after: self.0.hedge_after,
                replication: ring.replication(),
                partition: self.in_order(partition),
                planned: first.then_some(ring.revision()),
                call: (question.call)(partition.id, ring.revision()),
                differ: question.differ,
            };
            let (merge, metrics) = (question.merge, self.0.metrics.clone());
            let work = async move { Ok(merge(read.run().await?, &metrics)) };
            tasks.spawn(work.in_current_span());
        }
        let mut results = Vec::with_capacity(tasks.len());
        while let Some(done) = tasks.join_next().await {
            let fault = |error| SourceError::Internal(format!("reading a partition failed: {error}"));
            results.push(done.map_err(|error| PartitionError::Fatal(fault(error)))??);
        }
        Ok(results)
    }

    /// The partition with its owners in the order in which to ask: this zone's first, the others in random turn.
    fn in_order(&self, partition: &Partition) -> Partition {
        let mut partition = partition.clone();
        let turn = self.0.random.below(partition.owners.len() as u64) as usize;
        partition.owners.rotate_left(turn);
        partition.owners.sort_by_key(|owner| owner.zone != self.0.zone);
        partition
    }

    fn boxed<F, T, R>(
        &self,
        call: F,
        differ: fn(&[&T]) -> bool,
        merge: fn(Vec<T>, &Metrics) -> R,
    ) -> impl Future<Output = Result<Vec<R>, SourceError>> + Send
    where
        F: Fn(PartitionId, RingRevision) -> OwnerCall<T> + Send + Sync + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        let reader = self.clone();
        async move { reader.read(Question { call: Box::new(call), differ, merge }).await }
    }
}

/// Samples of one workspace.
struct WorkspaceSource {
    reader: Reader,
    workspace: WorkspaceId,
}

#[async_trait]
impl SeriesSource for WorkspaceSource {
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError> {
        let context = self.reader.context(self.workspace, request.range);
        let budget = context.budget.clone();
        let selection = request.clone();
        let call = move |partition, ring| context.clone().select(&selection, partition, ring);
        let differ = |answers: &[&Vec<SeriesData>]| {
            let views: Vec<&[SeriesData]> = answers.iter().map(|answer| answer.as_slice()).collect();
            have_conflicts(&views)
        };
        let merge = |answers, metrics: &Metrics| {
            let merged = merge_copies(answers);
            metrics.conflicts.inc_by(merged.conflicts);
            merged.series
        };
        let parts = self.reader.boxed(call, differ, merge).await;
        self.reader.0.metrics.received_bytes.inc_by(budget.received());
        let series = merge_partitions(parts?);
        budget.check_series(series.len())?;
        let samples = series.iter().map(|one| (one.timestamps.len() + one.histograms.len()) as u64).sum();
        budget.check_samples(samples)?;
        Ok(SelectedSeries { series, warnings: Vec::new() })
    }
}

#[async_trait]
impl Reads for Reader {
    fn source(&self, workspace: WorkspaceId) -> Arc<dyn SeriesSource> {
        Arc::new(WorkspaceSource { reader: self.clone(), workspace })
    }

    async fn label_names(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Vec<String>, SourceError> {
        let context = self.context(workspace, lookup.range);
        let wanted = lookup.clone();
        let call = move |partition, ring| context.clone().label_names(&wanted, partition, ring);
        let parts = self.boxed(call, |_| false, union).await?;
        Ok(first_of(parts, lookup.limit))
    }

    async fn label_values(
        &self,
        workspace: WorkspaceId,
        name: &str,
        lookup: &Lookup,
    ) -> Result<Vec<String>, SourceError> {
        let context = self.context(workspace, lookup.range);
        let (name, wanted) = (name.to_owned(), lookup.clone());
        let call = move |partition, ring| context.clone().label_values(&name, &wanted, partition, ring);
        let parts = self.boxed(call, |_| false, union).await?;
        Ok(first_of(parts, lookup.limit))
    }

    async fn series(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Vec<Labels>, SourceError> {
        let context = self.context(workspace, lookup.range);
        let wanted = lookup.clone();
        let call = move |partition, ring| context.clone().series(&wanted, partition, ring);
        let parts = self.boxed(call, |_| false, union).await?;
        Ok(first_of(parts, lookup.limit))
    }

    async fn metadata(
        &self,
        workspace: WorkspaceId,
        metric: &str,
    ) -> Result<BTreeSet<MetricMetadata>, SourceError> {
        let context = self.context(workspace, TimeRange::ALL);
        let metric = metric.to_owned();
        let call = move |partition, ring| context.clone().metadata(&metric, partition, ring);
        let flatten = |answers: Vec<BTreeSet<MetricMetadata>>, _: &Metrics| {
            answers.into_iter().flatten().collect::<BTreeSet<_>>()
        };
        let parts = self.boxed(call, |_| false, flatten).await?;
        Ok(parts.into_iter().flatten().collect())
    }
}

fn union<T: Ord>(answers: Vec<Vec<T>>, _: &Metrics) -> Vec<T> {
    first_of(answers, None)
}

/// The union of ascending lists, ascending, cut to a limit. Each list holds its own least elements up to the limit, so the
/// union does too.
fn first_of<T: Ord>(lists: Vec<Vec<T>>, limit: Option<usize>) -> Vec<T> {
    let mut all: Vec<T> = lists.into_iter().flatten().collect();
    all.sort();
    all.dedup();
    all.truncate(limit.unwrap_or(usize::MAX));
    all
}

//! The reader: the questions of the query API, and how the answers of partitions and blocks become one.
//!
//! Metadata is asked of heads alone: blocks do not keep it.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use narthex_cluster::{Cluster, Snapshot};
use narthex_model::{Labels, MetricMetadata, TimeRange, TimestampMs, WorkspaceId, Zone};
use narthex_promql::{
    Fragment, FragmentAnswer, Reservation, SelectedSeries, Selection, SeriesData, SeriesSource, SourceError,
};
use narthex_service::{Random, SharedClock};

use super::{
    BlockFilter, Budget, Catalogue, Limits, Owners,
    ask::{Context, Target},
    catalogue::{Departures, Manifests},
    fetch::Ask,
    gateways::Gateways,
    held::{Held, busy, gather, settled},
    merge::{have_conflicts, merge_copies, merge_partitions},
    partition::OwnerCall,
};
use crate::{
    metrics::{Metrics, Reason},
    reads::{History, Lookup, Reads},
};

/// Reads of all workspaces over heads and blocks. Cloning shares everything.
#[derive(Clone)]
pub struct Reader(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) cluster: Cluster,
    pub(super) owners: Arc<dyn Owners>,
    pub(super) gateways: Arc<Gateways>,
    pub(super) manifests: Option<Arc<Manifests>>,
    pub(super) departures: Departures,
    pub(super) clock: SharedClock,
    pub(super) random: Random,
    pub(super) metrics: Metrics,
    pub(super) zone: Zone,
    pub(super) limits: Limits,
    pub(super) hedge_after: Duration,
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
    /// Where blocks are listed; `None` for a cluster without blocks.
    pub(crate) catalogue: Option<Arc<dyn Catalogue>>,
    pub(crate) clock: SharedClock,
    pub(crate) random: Random,
    pub(crate) metrics: Metrics,
    /// Owners and gateways of this zone are asked first.
    pub(crate) zone: Zone,
    pub(crate) limits: Limits,
    pub(crate) hedge_after: Duration,
}

/// How the answers of one read are asked for and put together.
pub(crate) struct Question<T> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) ask: Ask<T>,
    pub(crate) differ: fn(&[&T]) -> bool,
    /// Makes one of the copies of a partition.
    pub(crate) merge: fn(Vec<T>, &Metrics) -> T,
    /// Blocks that can hold something of the answer; `None` asks heads alone.
    pub(crate) blocks: Option<BlockFilter>,
}

impl<T> Clone for Question<T> {
    fn clone(&self) -> Self {
        let Self { workspace, ask, differ, merge, blocks } = self;
        Self {
            workspace: *workspace,
            ask: Arc::clone(ask),
            differ: *differ,
            merge: *merge,
            blocks: blocks.clone(),
        }
    }
}

impl Reader {
    pub(crate) fn new(parts: ReaderParts) -> Self {
        let ReaderParts { cluster, owners, catalogue, clock, random, metrics, zone, limits, hedge_after } =
            parts;
        let gateways = Arc::new(Gateways::new(cluster.clone(), zone.clone(), clock.clone()));
        let manifests = catalogue
            .map(|catalogue| Arc::new(Manifests::new(catalogue, cluster.hints().clone(), clock.clone())));
        let departures = Departures::default();
        Self(Arc::new(Inner {
            cluster,
            owners,
            gateways,
            manifests,
            departures,
            clock,
            random,
            metrics,
            zone,
            limits,
            hedge_after,
        }))
    }

    /// Takes note of a snapshot: partitions that leave, workspaces that are gone.
    pub(crate) fn observe(&self, snapshot: &Snapshot) {
        self.0.departures.observe(&snapshot.ring);
        if let Some(manifests) = &self.0.manifests {
            manifests.retain(|workspace| snapshot.workspaces.contains_key(workspace));
        }
    }

    fn context(&self, workspace: WorkspaceId, range: TimeRange, memory: Reservation) -> Context {
        let at_once = TimeRange { min: range.max, max: range.max };
        let budget = Budget::of_query(self.0.limits, at_once, self.0.metrics.refused.clone());
        Context { owners: self.0.owners.clone(), workspace, range, budget, memory }
    }

    /// The union of what partitions and blocks list, up to a limit.
    async fn union<T>(
        &self,
        workspace: WorkspaceId,
        lookup: &Lookup,
        ask: Ask<Vec<T>>,
    ) -> Result<Vec<T>, SourceError>
    where
        T: Ord + Send + 'static,
    {
        let blocks = Some(BlockFilter::new(lookup.range, &lookup.selectors));
        let merge = |copies: Vec<Vec<T>>, _: &Metrics| first_of(copies, None);
        let question = Question { workspace, ask, differ: |_| false, merge, blocks };
        let parts = self.read(question).await?;
        Ok(first_of(parts, lookup.limit))
    }
}

/// Samples of one workspace for one query.
struct WorkspaceSource {
    reader: Reader,
    workspace: WorkspaceId,
    /// What all reads of the query share.
    budget: Budget,
    memory: Reservation,
}

#[async_trait]
impl SeriesSource for WorkspaceSource {
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError> {
        let context = self.context(request.range);
        let (budget, selection) = (context.budget.clone(), request.clone());
        let ask = move |target| context.clone().select(&selection, target);
        let question = Question {
            blocks: Some(BlockFilter::new(request.range, std::slice::from_ref(&request.matchers))),
            ..samples(self.workspace, ask)
        };
        let parts = self.reader.read(question).await;
        self.count_received(&budget);
        let Held { data: series, memory } = join(parts.map_err(|error| budget.explain(error))?);
        budget.settle(&series)?;
        Ok(SelectedSeries { series, memory, ..SelectedSeries::default() })
    }

    async fn aggregate(&self, fragment: &Fragment) -> Result<Option<FragmentAnswer>, SourceError> {
        let context = self.context(fragment.range());
        let budget = context.budget.clone();
        let answer = self.reader.aggregate(context, fragment).await;
        self.count_received(&budget);
        let outcome = match &answer {
            Ok(Some(_)) => "answered",
            Ok(None) => "refused",
            Err(_) => "failed",
        };
        self.reader.0.metrics.aggregations.get_or_create(&Reason { reason: outcome }).inc();
        answer.map_err(|error| budget.explain(error))
    }
}

impl WorkspaceSource {
    /// What all questions of another read of the query share.
    fn context(&self, range: TimeRange) -> Context {
        Context {
            owners: self.reader.0.owners.clone(),
            workspace: self.workspace,
            range,
            budget: self.budget.another_read(),
            memory: self.memory.another(),
        }
    }

    fn count_received(&self, budget: &Budget) {
        let (heads, blocks) = budget.received();
        self.reader.0.metrics.received_bytes.inc_by(heads);
        self.reader.0.metrics.gateway_bytes.inc_by(blocks);
    }
}

/// A question for samples; who asks it says of which blocks.
pub(super) fn samples(
    workspace: WorkspaceId,
    ask: impl Fn(Target) -> OwnerCall<Held<Vec<SeriesData>>> + Send + Sync + 'static,
) -> Question<Held<Vec<SeriesData>>> {
    Question {
        workspace,
        ask: Arc::new(ask),
        differ: |copies| {
            let views: Vec<&[SeriesData]> = copies.iter().map(|copy| copy.data.as_slice()).collect();
            let bytes = copies.iter().map(|copy| copy.memory.bytes()).sum();
            busy(bytes, || have_conflicts(&views))
        },
        merge: |copies, metrics| {
            let (copies, memory) = gather(copies);
            busy(memory.bytes(), move || {
                let merged = merge_copies(copies);
                metrics.conflicts.inc_by(merged.conflicts);
                settled(merged.series, memory)
            })
        },
        blocks: None,
    }
}

/// The samples of all partitions and blocks as one list.
pub(super) fn join(parts: Vec<Held<Vec<SeriesData>>>) -> Held<Vec<SeriesData>> {
    let (parts, memory) = gather(parts);
    busy(memory.bytes(), || settled(merge_partitions(parts), memory))
}

#[async_trait]
impl Reads for Reader {
    fn source(&self, workspace: WorkspaceId, range: TimeRange, memory: Reservation) -> Arc<dyn SeriesSource> {
        let budget = Budget::of_query(self.0.limits, range, self.0.metrics.refused.clone());
        Arc::new(WorkspaceSource { reader: self.clone(), workspace, budget, memory })
    }

    async fn history(&self, workspace: WorkspaceId) -> Option<History> {
        let ring = self.0.cluster.snapshot().ring.clone();
        let departed = self.0.departures.observe(&ring);
        let manifests = self.0.manifests.as_ref()?;
        // Reads say why they fail; here it only means that nothing is kept.
        let known = manifests.begin(workspace, ring.revision(), departed).await.ok()?.manifest;
        let retained_from =
            known.floor().map_or(TimestampMs::MIN, |floor| known.window_length().start(floor));
        Some(History { lost: known.lost(), retained_from })
    }

    async fn label_names(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Vec<String>, SourceError> {
        let (context, wanted) =
            (self.context(workspace, lookup.range, lookup.memory.clone()), lookup.clone());
        let ask = move |target| context.clone().label_names(&wanted, target);
        self.union(workspace, lookup, Arc::new(ask)).await
    }

    async fn label_values(
        &self,
        workspace: WorkspaceId,
        name: &str,
        lookup: &Lookup,
    ) -> Result<Vec<String>, SourceError> {
        let (context, wanted) =
            (self.context(workspace, lookup.range, lookup.memory.clone()), lookup.clone());
        let name = name.to_owned();
        let ask = move |target| context.clone().label_values(&name, &wanted, target);
        self.union(workspace, lookup, Arc::new(ask)).await
    }

    async fn series(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Vec<Labels>, SourceError> {
        let (context, wanted) =
            (self.context(workspace, lookup.range, lookup.memory.clone()), lookup.clone());
        let ask = move |target| context.clone().series(&wanted, target);
        self.union(workspace, lookup, Arc::new(ask)).await
    }

    async fn metadata(
        &self,
        workspace: WorkspaceId,
        metric: &str,
    ) -> Result<BTreeSet<MetricMetadata>, SourceError> {
        let (context, metric) =
            (self.context(workspace, TimeRange::ALL, Reservation::default()), metric.to_owned());
        let question = Question {
            workspace,
            ask: Arc::new(move |target| context.clone().metadata(&metric, target)),
            differ: |_| false,
            merge: |copies: Vec<BTreeSet<MetricMetadata>>, _| copies.into_iter().flatten().collect(),
            blocks: None,
        };
        Ok(self.read(question).await?.into_iter().flatten().collect())
    }
}

/// The union of ascending lists, ascending, cut to a limit. Each list holds its own least elements up to the limit, so the
/// union does too.
fn first_of<T: Ord>(lists: Vec<Vec<T>>, limit: Option<usize>) -> Vec<T> {
    /// An element and its text, roughly.
    const ELEMENT: usize = 64;
    let bytes = lists.iter().map(Vec::len).sum::<usize>() * ELEMENT;
    busy(bytes, || {
        let mut all: Vec<T> = lists.into_iter().flatten().collect();
        all.sort();
        all.dedup();
        all.truncate(limit.unwrap_or(usize::MAX));
        all
    })
}

//! Reading from storage: selections in `cmp_series` order, label names and values.
//!
//! A selection fixes its series when it is made and reads their chunks later, a few hundred series to a lock, so that a long
//! answer neither holds up the writer nor keeps copies of everything. Samples that arrive meanwhile may be in it or not; what
//! is forgotten meanwhile waits for the selection (see `lease`). An id may come to mean another series, so labels decide.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use narthex_chunk::Chunk;
use narthex_model::{Labels, ManifestRevision, Matcher, TimeRange, WorkspaceId};
use narthex_service::MemoryPool;
use roaring::RoaringBitmap;

use super::{Storage, error::StorageError, lease::Lease, shared::Workspace};

/// Series that are read under one lock.
const BATCH: usize = 256;

/// What a read may cost; 0 means no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Series selected.
    pub max_series: u64,
    /// Samples in the chunks read.
    pub max_samples: u64,
    /// Bytes of the chunks read.
    pub max_bytes: u64,
}

/// A series of a selection with its chunks.
#[derive(Debug, Clone)]
pub struct SelectedSeries {
    /// Its labels.
    pub labels: Labels,
    /// Chunks that overlap the range, by their beginning; they may overlap each other, `resolve` settles what competes.
    pub chunks: Vec<Chunk>,
}

/// The series that matched, in `cmp_series` order.
#[derive(Debug)]
pub struct Selection {
    lease: Option<Lease>,
    series: Vec<(Labels, u32)>,
    /// How often ids had got another meaning when the series were looked up.
    reuses: u64,
    /// What the series occupy.
    _memory: Arc<MemoryPool>,
    range: TimeRange,
    budget: Budget,
    acted: ManifestRevision,
}

impl Storage {
    /// The series for which all matchers hold and that can have samples in the range.
    pub fn select(
        &self,
        workspace: WorkspaceId,
        matchers: &[Matcher],
        range: TimeRange,
        budget: Budget,
    ) -> Result<Selection, StorageError> {
        let Some(workspace) = self.0.shared.workspace(workspace) else {
            let acted = ManifestRevision(0);
            let _memory = self.memory();
            return Ok(Selection {
                lease: None,
                series: Vec::new(),
                reuses: 0,
                _memory,
                range,
                budget,
                acted,
            });
        };
        // First the lease, then the revision: what is forgotten by a newer one waits for the lease.
        let lease = Lease::new(workspace.clone());
        let acted = workspace.state.read().head.acted();
        let (found, reuses) = with_steady_ids(&workspace, || {
            // Returns when it is dropped: with this attempt, or with the selection.
            let memory = self.memory();
            let ids: Vec<u32> = workspace.state.read().head.matching(matchers).iter().collect();
            let mut series = Vec::new();
            for batch in ids.chunks(BATCH) {
                let state = workspace.state.read();
                let held = batch.iter().filter(|id| state.head.has_samples(**id, range));
                let before = series.len();
                series.extend(held.map(|id| (state.head.labels_of(*id), *id)));
                // The owner's own copying and flushing has no budget, and must come to its end.
                if budget != Budget::default() {
                    memory.take(series[before..].iter().map(|(labels, _)| occupied(labels)).sum())?;
                }
                if budget.max_series > 0 && series.len() as u64 > budget.max_series {
                    return Err(StorageError::OverBudget { what: "series", limit: budget.max_series });
                }
            }
            Ok::<_, StorageError>((series, memory))
        });
        let (mut series, _memory) = found?;
        series.sort_unstable();
        Ok(Selection { lease: Some(lease), series, reuses, _memory, range, budget, acted })
    }

    /// Memory of one read, nothing of it taken yet.
    fn memory(&self) -> Arc<MemoryPool> {
        self.0.shared.reads.below("read", u64::MAX)
    }

    /// Label names of the series that match one of the selectors (no selector: all) and can have samples in the range; sorted, at
    /// most `limit` (0: all).
    pub fn label_names(
        &self,
        workspace: WorkspaceId,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
    ) -> Vec<String> {
        self.labels(workspace, selectors, range, limit, |workspace, series| {
            workspace.state.read().head.label_names(series)
        })
    }

    /// Values of a label, otherwise as [`Self::label_names`].
    pub fn label_values(
        &self,
        workspace: WorkspaceId,
        name: &str,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
    ) -> Vec<String> {
        self.labels(workspace, selectors, range, limit, |workspace, series| {
            workspace.state.read().head.label_values(name, series)
        })
    }

    fn labels(
        &self,
        workspace: WorkspaceId,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        read: impl Fn(&Workspace, Option<&RoaringBitmap>) -> Vec<String>,
    ) -> Vec<String> {
        let Some(workspace) = self.0.shared.workspace(workspace) else { return Vec::new() };
        let (mut found, _) = with_steady_ids(&workspace, || {
            let series = (!selectors.is_empty() || range != TimeRange::ALL)
                .then(|| matching_any(&workspace, selectors, range));
            read(&workspace, series.as_ref())
        });
        found.sort_unstable();
        found.truncate(if limit == 0 { usize::MAX } else { limit });
        found
    }

    /// Label sets of the series that match one of the selectors (no selector: all) and can have samples in the range, in
    /// `cmp_series` order, at most `limit` (0: all).
    pub fn series(
        &self,
        workspace: WorkspaceId,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
    ) -> Vec<Labels> {
        let Some(workspace) = self.0.shared.workspace(workspace) else { return Vec::new() };
        let (labels, _) = with_steady_ids(&workspace, || {
            let ids: Vec<u32> = matching_any(&workspace, selectors, range).iter().collect();
            let mut labels = BTreeSet::new();
            for batch in ids.chunks(BATCH) {
                let state = workspace.state.read();
                let held = batch.iter().filter(|id| state.head.has_series(**id));
                labels.extend(held.map(|id| state.head.labels_of(*id)));
            }
            labels
        });
        labels.into_iter().take(if limit == 0 { usize::MAX } else { limit }).collect()
    }
}

/// Bytes of a series in a selection, the growth of the list included.
fn occupied(labels: &Labels) -> u64 {
    (labels.as_bytes().len() + 2 * size_of::<(Labels, u32)>()) as u64
}

/// Looks ids up and reads what they mean, under several locks, again if an id may have got another meaning meanwhile; also how
/// often ids have got another meaning so far.
fn with_steady_ids<T>(workspace: &Workspace, mut read: impl FnMut() -> T) -> (T, u64) {
    loop {
        let before = workspace.state.read().head.id_reuses();
        let found = read();
        if workspace.state.read().head.id_reuses() == before {
            return (found, before);
        }
    }
}

fn matching_any(workspace: &Workspace, selectors: &[Vec<Matcher>], range: TimeRange) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    if selectors.is_empty() {
        all = workspace.state.read().head.matching(&[]);
    }
    for matchers in selectors {
        all |= workspace.state.read().head.matching(matchers);
    }
    if range == TimeRange::ALL {
        return all;
    }
    let ids: Vec<u32> = all.iter().collect();
    let mut held = RoaringBitmap::new();
    for batch in ids.chunks(BATCH) {
        let state = workspace.state.read();
        held.extend(batch.iter().copied().filter(|id| state.head.has_samples(*id, range)));
    }
    held
}

impl Selection {
    /// The manifest revision by which blocks are to be read beside this: samples that are missing here because they were
    /// forgotten are in blocks that it, or a newer one, names.
    pub fn acted_revision(&self) -> ManifestRevision {
        self.acted
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether nothing matched.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Labels in order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &Labels> {
        self.series.iter().map(|(labels, _)| labels)
    }

    /// Leaves the series whose labels satisfy `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(&Labels) -> bool) {
        self.series.retain(|(labels, _)| wanted(labels));
    }

    /// The labels of the series at a place of the order.
    pub fn labels_at(&self, place: usize) -> &Labels {
        &self.series[place].0
    }

    /// The chunks of some of the series, by their places in the order. Places beyond the end have none.
    pub fn chunks(&self, places: Range<usize>) -> Result<Vec<Vec<Chunk>>, StorageError> {
        let places: Vec<usize> = (places.start..places.end.min(self.series.len())).collect();
        self.chunks_at(&places)
    }

    /// The chunks of some of the series, by their places in the order.
    pub fn chunks_at(&self, places: &[usize]) -> Result<Vec<Vec<Chunk>>, StorageError> {
        let Some(lease) = &self.lease else { return Ok(Vec::new()) };
        let mut out = Vec::with_capacity(places.len());
        for batch in places.chunks(BATCH) {
            let state = lease.workspace()?.state.read();
            let steady = state.head.id_reuses() == self.reuses;
            for place in batch {
                let (labels, id) = &self.series[*place];
                let is_it = steady && state.head.has_series(*id);
                let id = if is_it { Some(*id) } else { state.head.find_again(*id, labels) };
                out.push(id.map_or(Ok(Vec::new()), |id| state.head.chunks_of(id, self.range))?);
            }
        }
        Ok(out)
    }

    /// Series by series with their chunks, within the budget: an error ends the iteration.
    pub fn iter(&self) -> impl Iterator<Item = Result<SelectedSeries, StorageError>> {
        let (mut samples, mut bytes, mut failed) = (0u64, 0u64, false);
        let mut batch = Vec::new().into_iter();
        let mut at = 0;
        std::iter::from_fn(move || {
            if failed || at >= self.series.len() {
                return None;
            }
            if at % BATCH == 0 {
                match self.chunks(at..at + BATCH) {
                    Ok(chunks) => batch = chunks.into_iter(),
                    Err(error) => {
                        failed = true;
                        return Some(Err(error));
                    }
                }
            }
            let chunks = batch.next().unwrap_or_default();
            samples += chunks.iter().map(|chunk| u64::from(chunk.samples)).sum::<u64>();
            bytes += chunks.iter().map(|chunk| chunk.data.len() as u64).sum::<u64>();
            if let Err(error) = self.budget.check(samples, bytes) {
                failed = true;
                return Some(Err(error));
            }
            at += 1;
            Some(Ok(SelectedSeries { labels: self.series[at - 1].0.clone(), chunks }))
        })
    }
}

impl Budget {
    /// Fails if so many samples or bytes are too many.
    pub fn check(&self, samples: u64, bytes: u64) -> Result<(), StorageError> {
        if self.max_samples > 0 && samples > self.max_samples {
            return Err(StorageError::OverBudget { what: "samples", limit: self.max_samples });
        }
        if self.max_bytes > 0 && bytes > self.max_bytes {
            return Err(StorageError::OverBudget { what: "bytes", limit: self.max_bytes });
        }
        Ok(())
    }
}

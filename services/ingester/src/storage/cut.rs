//! Cuts of this owner: sealing them, reading what is sealed, and forgetting what is committed.
//!
//! The content of a cut is fixed when it is sealed, so a view of it reads the same however long it takes and whatever is pushed
//! meanwhile. Forgetting waits for views, but not for ever; reads of a cut that is forgotten fail, they do not come back with less.

use std::ops::Range;

use narthex_chunk::{Chunk, ChunkError, SetHash};
use narthex_model::{
    Epoch, Labels, ManifestRevision, Sample, SeriesHash, TimestampMs, Value, Window, WindowLength,
    WorkspaceId,
};
use tokio::sync::oneshot;

use super::{
    Storage,
    error::StorageError,
    lease::Lease,
    operation::{Forgetting, Forgot, Operation, Sealed, Visited, What},
    writer::Job,
};
use crate::{
    head::{Boundary, Head, WindowState},
    recovery::normalise,
};

/// Series whose labels are looked at under one lock.
const SCAN: u32 = 4096;
/// Series that are read under one lock.
const BATCH: usize = 256;

impl Storage {
    /// Seals the cut of a window in the epoch that the owner has adopted: from the call on, pushes of that epoch are refused in the
    /// window, and once this resolves (synced, rule 1) the content of the cut is fixed. Sealing again gives the same answer
    /// while the cut is held. The caller vouches that `epoch` is adopted and stays so until this resolves.
    pub async fn seal(
        &self,
        workspace: WorkspaceId,
        epoch: Epoch,
        window: Window,
    ) -> Result<Sealed, StorageError> {
        self.operate(workspace, |answer| What::Seal { epoch, window, visited: None, answer }).await
    }

    /// Voids the seals of a workspace, for an owner that lost samples and copies them: what it sealed before lacks them.
    /// Windows stay closed to pushes; sealing them again covers what was copied.
    pub async fn void_seals(&self, workspace: WorkspaceId) -> Result<(), StorageError> {
        if self.0.shared.workspace(workspace).is_none() {
            return Ok(());
        }
        self.operate(workspace, |answer| What::VoidSeals { answer }).await
    }

    /// From now on reads say that they need blocks by this manifest revision, or a newer one
    /// ([`Selection::acted_revision`](super::Selection::acted_revision)); kept over restarts. Resolves when the reads that began before have ended, or after half
    /// a minute, when those that are left are expelled. Comes before [`Self::release`], and after samples were copied from owners that acted on a
    /// revision.
    pub async fn act(&self, workspace: WorkspaceId, revision: ManifestRevision) -> Result<(), StorageError> {
        self.operate(workspace, |answer| What::Act { revision, answer }).await?;
        if let Some(place) = self.0.shared.workspace(workspace) {
            place.leases.turn(&*self.0.shared.clock).await;
        }
        Ok(())
    }

    /// Lets go of a committed cut after [`Self::act`] with the revision of the manifest that has it. `adopted` is the owner's epoch, which
    /// stays so until this resolves. What the owner sealed for the cut goes, and nothing else; an owner that did
    /// not seal it, and is in no later epoch, lets go of the whole window and counts it as sealed; one in a later epoch keeps what
    /// it has, for that epoch's cut.
    pub async fn release(
        &self,
        workspace: WorkspaceId,
        epoch: Epoch,
        window: Window,
        adopted: Epoch,
    ) -> Result<Forgot, StorageError> {
        self.operate(workspace, |answer| What::Forget(Forgetting::new(epoch, window, adopted, answer))).await
    }

    /// Acts on a commit of the cut that was read in the manifest (rule 5), once the keep time is over: [`Self::act`], then
    /// [`Self::release`], for callers whose epoch does not change meanwhile.
    pub async fn forget(
        &self,
        workspace: WorkspaceId,
        epoch: Epoch,
        window: Window,
        adopted: Epoch,
        revision: ManifestRevision,
    ) -> Result<Forgot, StorageError> {
        self.act(workspace, revision).await?;
        self.release(workspace, epoch, window, adopted).await
    }

    /// Newest manifest revision by which samples of a workspace were forgotten: whoever reads this owner needs blocks by it or by a
    /// newer one. Kept over restarts.
    pub fn acted_revision(&self, workspace: WorkspaceId) -> ManifestRevision {
        let workspace = self.0.shared.workspace(workspace);
        workspace.map_or(ManifestRevision(0), |workspace| workspace.state.read().head.acted())
    }

    /// Lets series leave memory that hold no samples and were last written more than two hours before `now` on the data clock;
    /// to be called every few minutes. Returns how many left.
    pub async fn sweep(&self, now: TimestampMs) -> Result<u64, StorageError> {
        let mut left = 0;
        for id in self.workspaces() {
            let Some(workspace) = self.0.shared.workspace(id) else { continue };
            let lingering = {
                let mut state = workspace.state.write();
                state.head.active_series(now.0);
                state.head.may_linger()
            };
            if lingering {
                left +=
                    self.operate(id, |answer| What::Sweep { visited: Visited::default(), answer }).await?;
            }
        }
        Ok(left)
    }

    /// Drops all that is held of a workspace, which was deleted for good. Files go with the next checkpoint.
    pub async fn drop_workspace(&self, workspace: WorkspaceId) -> Result<(), StorageError> {
        if self.0.shared.workspace(workspace).is_none() {
            return Ok(());
        }
        self.operate(workspace, |answer| What::Drop { answer }).await
    }

    pub(super) async fn operate<T>(
        &self,
        workspace: WorkspaceId,
        what: impl FnOnce(oneshot::Sender<Result<T, StorageError>>) -> What,
    ) -> Result<T, StorageError> {
        let (answer, outcome) = oneshot::channel();
        self.0.shared.submit(Job::Operation(Operation { workspace, what: what(answer) }))?;
        outcome.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Windows of which this owner holds samples of a workspace, ascending: what there is to seal, or to forget. Costs nothing.
    pub fn open_windows(&self, workspace: WorkspaceId) -> Vec<WindowState> {
        let workspace = self.0.shared.workspace(workspace);
        workspace.map_or_else(Vec::new, |workspace| workspace.state.read().head.windows())
    }

    /// What this owner sealed for a cut. Fails if it is not sealed here.
    pub fn cut(&self, workspace: WorkspaceId, epoch: Epoch, window: Window) -> Result<CutView, StorageError> {
        let place = self.0.shared.workspace(workspace).ok_or(StorageError::NotSealed)?;
        let length = self.0.shared.config.window;
        let (seal, bound) = {
            let head = &place.state.read().head;
            match head.seal_of(epoch, window) {
                Some(seal) => (seal, head.id_bound()),
                // Closed and nothing held: an empty cut.
                None if head.is_closed(epoch, window) && !head.holds(window) => {
                    return Ok(CutView {
                        lease: None,
                        epoch,
                        window,
                        boundary: None,
                        length,
                        series: Vec::new(),
                    });
                }
                None => return Err(StorageError::NotSealed),
            }
        };
        let boundary = seal.boundary;
        let lease = Some(Lease::new(place.clone()));
        let mut view = CutView { lease, epoch, window, boundary: Some(boundary), length, series: Vec::new() };
        for first in (0..bound).step_by(SCAN as usize) {
            let state = place.state.read();
            view.check(&state.head)?;
            let ids = state.head.cut_series(window, boundary, first..bound.min(first.saturating_add(SCAN)));
            view.series.extend(ids.into_iter().map(|id| (state.head.labels_of(id), id)));
        }
        view.series.sort_unstable();
        Ok(view)
    }
}

/// A sealed cut: its series in `cmp_series` order.
#[derive(Debug)]
pub struct CutView {
    lease: Option<Lease>,
    epoch: Epoch,
    window: Window,
    boundary: Option<Boundary>,
    length: WindowLength,
    series: Vec<(Labels, u32)>,
}

impl CutView {
    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is nothing in the cut.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// How long windows are.
    pub fn window_length(&self) -> WindowLength {
        self.length
    }

    /// Labels in order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &Labels> {
        self.series.iter().map(|(labels, _)| labels)
    }

    /// The labels of one series, by its place in the order.
    pub fn label_set(&self, place: usize) -> Option<&Labels> {
        self.series.get(place).map(|(labels, _)| labels)
    }

    /// The place of the series with these labels.
    pub fn place_of(&self, labels: &Labels) -> Option<usize> {
        self.series.binary_search_by(|(other, _)| other.cmp(labels)).ok()
    }

    /// Whether any series has histograms.
    pub fn has_histograms(&self) -> Result<bool, StorageError> {
        let (Some(lease), Some(boundary)) = (&self.lease, self.boundary) else { return Ok(false) };
        for batch in self.series.chunks(BATCH) {
            let state = lease.workspace()?.state.read();
            self.check(&state.head)?;
            for (_, id) in batch {
                if state.head.cut_has_histograms(*id, self.window, boundary)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Hashes of the labels of some of the series, by their places in the order.
    pub fn series_hashes(&self, places: Range<usize>) -> impl Iterator<Item = SeriesHash> {
        self.within(places).iter().map(|(labels, _)| labels.series_hash())
    }

    /// The chunks of some of the series, by their places in the order; places beyond the end have none. Chunks lie within the window,
    /// oldest first by their beginning; they may overlap each other, `resolve` settles what competes.
    pub fn chunks(&self, places: Range<usize>) -> Result<Vec<Vec<Chunk>>, StorageError> {
        let (Some(lease), Some(boundary)) = (&self.lease, self.boundary) else { return Ok(Vec::new()) };
        let series = self.within(places);
        let mut out = Vec::with_capacity(series.len());
        for batch in series.chunks(BATCH) {
            let state = lease.workspace()?.state.read();
            self.check(&state.head)?;
            for (_, id) in batch {
                out.push(state.head.cut_chunks(*id, self.window, boundary)?);
            }
        }
        Ok(out)
    }

    /// The set hashes of some of the series, by their places in the order: over the samples that `resolve` leaves.
    pub fn digests(&self, places: Range<usize>) -> Result<Vec<SetHash>, StorageError> {
        let mut digests = Vec::with_capacity(self.within(places.clone()).len());
        for first in places.clone().step_by(BATCH) {
            for chunks in self.chunks(first..places.end.min(first + BATCH))? {
                digests.push(digest(&chunks)?);
            }
        }
        Ok(digests)
    }

    fn within(&self, places: Range<usize>) -> &[(Labels, u32)] {
        let end = places.end.min(self.series.len());
        &self.series[places.start.min(end)..end]
    }

    /// A series that has samples of the cut keeps its id while the seal stands.
    fn check(&self, head: &Head) -> Result<(), StorageError> {
        let seal = head.seal_of(self.epoch, self.window);
        if seal.map(|seal| seal.boundary) == self.boundary { Ok(()) } else { Err(StorageError::CutGone) }
    }
}

/// The set hash of the samples in a series' chunks; of values that compete for a timestamp one counts.
fn digest(chunks: &[Chunk]) -> Result<SetHash, ChunkError> {
    let mut samples = Vec::new();
    for chunk in chunks {
        let read = chunk.samples()?.into_iter();
        samples.extend(read.map(|(at, value)| Sample { timestamp: TimestampMs(at), value }));
    }
    normalise(&mut samples);
    let mut digest = SetHash::default();
    for Sample { timestamp, value } in &samples {
        match value {
            Value::Float(value) => digest.add_float(timestamp.0, *value),
            Value::Histogram(histogram) => digest.add_histogram(timestamp.0, &histogram.to_bytes()),
        }
    }
    Ok(digest)
}

//! One cut from the first look at the manifest to the commit.
//!
//! The steps: is it committed already (a LIST), seal here, seal at one more owner and compare digests, write the union as one
//! block, commit. Every step can be repeated by anyone at any time: a seal stands, an unfinished upload is no object, a block
//! that no manifest names is an orphan, and of two commits one is refused (F-1). F-2 rests on the two seals: an acknowledged
//! sample is on two owners, so one of the two sealed ones has it.

use std::{sync::Arc, time::Duration};

use narthex_manifest::{Edit, Entry, Manifest, ManifestError, ManifestStore, Outcome};
use narthex_model::{BlockId, Cut, Labels, WorkspaceId};
use narthex_ring::Replication;
use narthex_rpc::{
    Peers,
    v1::{CutRef, SealRequest},
};
use narthex_service::{Random, SharedClock, timeout};
use object_store::ObjectStore;

use super::{
    FlushError,
    compare::compare,
    fetched::{Fetched, Holder},
    peer_cut::{PeerCut, SILENCE},
    write::{Third, Writing, Written},
};
use crate::{service::IngesterService, storage::CutView};

/// Longest time of one seal with all its digests.
const SEAL_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Tries of one edit whose outcome is not known, before the block is given up.
const COMMIT_TRIES: u32 = 5;
/// Between two of them.
const COMMIT_PAUSE: Duration = Duration::from_secs(2);

/// What cuts are made with. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Cutter {
    pub(crate) service: IngesterService,
    pub(crate) peers: Peers,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) manifests: ManifestStore,
    pub(crate) clock: SharedClock,
    pub(crate) random: Random,
}

/// How a flush ended.
#[derive(Debug, Clone)]
pub(crate) struct Flushed {
    /// The newest manifest, in which the cut is committed.
    pub(crate) manifest: Arc<Manifest>,
    /// The block that this owner wrote for it: its size in bytes. `None` if it was committed before.
    pub(crate) bytes: Option<u64>,
    /// Series whose competing values were settled without the third owner.
    pub(crate) unsettled: usize,
}

/// Who takes part.
pub(super) struct Quorum {
    /// The other owner that sealed, and the series in which it differs. `None` at replication factor 1.
    other: Option<(Holder, Vec<Labels>)>,
    third: Third,
}

impl Cutter {
    /// Brings a cut into the manifest. `settle_alone`: competing values are settled by `resolve` when the third owner has been
    /// silent for too long. `None` if nobody holds a sample of it.
    pub(crate) async fn flush(
        &self,
        workspace: WorkspaceId,
        cut: Cut,
        settle_alone: bool,
    ) -> Result<Option<Flushed>, FlushError> {
        let manifest = self.manifests.newest(workspace).await?;
        if manifest.is_committed(&cut) {
            return Ok(Some(Flushed { manifest, bytes: None, unsettled: 0 }));
        }
        let sealed = self.seal(workspace, cut).await?;
        // An owner that hangs holds this up for a while, in which another may have been faster.
        if let Some(manifest) = self.manifests.known(workspace).filter(|known| known.is_committed(&cut)) {
            return Ok(Some(Flushed { manifest, bytes: None, unsettled: 0 }));
        }
        let Some((entry, unsettled)) = self.block(workspace, cut, sealed, settle_alone).await? else {
            return Ok(None);
        };
        let (id, bytes) = (entry.id, entry.bytes);
        let manifest = self.commit(workspace, entry).await?;
        // Another's block may have been first; this one is an orphan then.
        let bytes = manifest.names(id).then_some(bytes);
        Ok(Some(Flushed { manifest, bytes, unsettled }))
    }

    /// Seals here and at another owner, and compares.
    pub(super) async fn seal(
        &self,
        workspace: WorkspaceId,
        cut: Cut,
    ) -> Result<(Arc<CutView>, Quorum), FlushError> {
        let ring = self.service.cluster().snapshot().ring.clone();
        let reference = CutRef {
            workspace: workspace.to_bytes().to_vec().into(),
            partition: cut.partition.0,
            epoch: cut.epoch.0,
            window: cut.window.0,
            ring_revision: ring.revision().0,
        };
        let view = self.service.sealed_cut(&reference).await.map_err(FlushError::NotNow)?;
        let quorum = match ring.replication() {
            Replication::One => Quorum { other: None, third: Third::None },
            Replication::Three => self.quorum(&cut, &reference, &view).await?,
        };
        Ok((view, quorum))
    }

    /// Writes the block; nothing names it yet. Also tells how many series were not settled.
    pub(super) async fn block(
        &self,
        workspace: WorkspaceId,
        cut: Cut,
        (view, quorum): (Arc<CutView>, Quorum),
        settle_alone: bool,
    ) -> Result<Option<(Entry, usize)>, FlushError> {
        let written = self.write(workspace, &view, quorum, settle_alone, &cut).await?;
        Ok(written.map(|(id, written)| (Entry::of_block(id, cut.into(), &written.meta), written.unsettled)))
    }

    /// Seals at one of the other owners and compares; the one that is left decides where two contradict each other.
    async fn quorum(&self, cut: &Cut, reference: &CutRef, view: &CutView) -> Result<Quorum, FlushError> {
        let mut holders = self.holders(reference);
        let mut reasons = Vec::new();
        for at in 0..holders.len() {
            match self.sealed_by(&holders[at], cut, view).await {
                Ok(differ) => {
                    let holder = holders.remove(at);
                    let third = match holders.pop() {
                        // Nothing can compete where nothing differs.
                        Some(_) if differ.is_empty() => Third::None,
                        Some(third) => match self.seal_only(&third, cut).await {
                            Ok(()) => Third::Sealed(third),
                            Err(error) => Third::Silent(format!("{}: {error}", third.name)),
                        },
                        None => Third::Silent("it has not registered".to_owned()),
                    };
                    return Ok(Quorum { other: Some((holder, differ)), third });
                }
                Err(error) => reasons.push(format!("{}: {error}", holders[at].name)),
            }
        }
        let why = if reasons.is_empty() { "none has registered".to_owned() } else { reasons.join("; ") };
        Err(FlushError::NoQuorum { cut: *cut, why })
    }

    /// The other owners, the one in the next zone first.
    fn holders(&self, reference: &CutRef) -> Vec<Holder> {
        let snapshot = self.service.cluster().snapshot();
        let Some(partition) = snapshot.ring.partition(self.service.partition()) else { return Vec::new() };
        let own = self.service.place_in(&snapshot).unwrap_or(0);
        let owners = partition.owners.len();
        let others = (1..owners).map(|next| &partition.owners[(own + next) % owners]);
        others
            .map(|owner| Holder {
                name: owner.instance.to_string(),
                address: owner.address.clone(),
                peers: self.peers.clone(),
                cut: reference.clone(),
            })
            .collect()
    }

    async fn open(&self, holder: &Holder, cut: &Cut) -> Result<PeerCut, FlushError> {
        let request = SealRequest { cut: Some(holder.cut.clone()) };
        let (owner, clock) = (holder.name.clone(), self.clock.clone());
        let began = timeout(&*clock, SILENCE, self.peers.seal(&holder.address, request, SEAL_LIMIT)).await;
        let messages = began.map_err(|elapsed| FlushError::Silent { owner: owner.clone(), elapsed })??;
        PeerCut::open(owner, cut, messages, clock).await
    }

    async fn sealed_by(&self, holder: &Holder, cut: &Cut, view: &CutView) -> Result<Vec<Labels>, FlushError> {
        let mut peer = self.open(holder, cut).await?;
        compare(view, &mut peer).await
    }

    /// Seals without reading the digests.
    async fn seal_only(&self, holder: &Holder, cut: &Cut) -> Result<(), FlushError> {
        self.open(holder, cut).await.map(drop)
    }

    async fn write(
        &self,
        workspace: WorkspaceId,
        view: &CutView,
        quorum: Quorum,
        settle_alone: bool,
        cut: &Cut,
    ) -> Result<Option<(BlockId, Written)>, FlushError> {
        let Quorum { other, third } = quorum;
        let (holder, differ) = match other {
            Some((holder, differ)) => (Some(holder), differ),
            None => (None, Vec::new()),
        };
        let id = BlockId::new(self.clock.now().0.max(0).cast_unsigned(), self.random.bits128());
        let fetched = Fetched::new(holder, differ);
        let (store, cut) = (self.store.clone(), *cut);
        let writing = Writing { store, workspace, cut, id, view, fetched, third, settle_alone };
        Ok(writing.write().await?.map(|written| (id, written)))
    }

    /// Commits the block; the manifest returned is the newest, and the cut is committed in it, by this block or another.
    pub(super) async fn commit(
        &self,
        workspace: WorkspaceId,
        entry: Entry,
    ) -> Result<Arc<Manifest>, FlushError> {
        let edit = Edit::Commit(entry);
        let mut tries = 1;
        loop {
            match self.manifests.commit(workspace, edit.clone()).await {
                Ok(Outcome::Committed(newest)) => return Ok(newest),
                Ok(Outcome::Refused { refused, newest }) if refused.releases_cut() => return Ok(newest),
                Ok(Outcome::Refused { refused, .. }) => return Err(refused.into()),
                Ok(Outcome::Rewrite(rewrite)) => return Err(rewrite.into()),
                // The same edit again: it may have been committed, and another block would be one too many.
                Ok(Outcome::Undecided) | Err(ManifestError::Undecided { .. }) if tries < COMMIT_TRIES => {
                    tries += 1;
                    self.clock.sleep(COMMIT_PAUSE).await;
                }
                Ok(Outcome::Undecided) => {
                    let why = "the bucket does not answer".to_owned();
                    return Err(ManifestError::Undecided { workspace, why }.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

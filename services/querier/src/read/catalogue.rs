//! Which manifest a read may plan on (rules 5 to 7, R-3).
//!
//! The bucket is asked for as little as possible: a manifest that is known stays good while nothing speaks against it. What
//! does: an owner's answer that acted on a newer one, a partition that left the ring since (its last cuts were committed
//! before, and no owner is left to say so), a hint, and silence. The first two are proofs, so without a newer manifest the
//! read fails; the others only save reads of blocks that were replaced.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use narthex_cluster::Hints;
use narthex_manifest::{Freshness, Manifest, ManifestError, ManifestStore};
use narthex_model::{Epoch, ManifestRevision, PartitionId, RingRevision, WorkspaceId};
use narthex_ring::Ring;
use narthex_service::SharedClock;
use parking_lot::Mutex;

/// After this long without a look at a workspace's manifest a read begins with one.
const SILENCE: Duration = Duration::from_secs(60);

/// After this long so much may have been committed that a LIST is the shorter way to the newest.
const LONG_SILENCE: Duration = Duration::from_secs(600);

/// Revisions that are followed one by one.
const NEAR: u64 = 4;

/// The manifests of all workspaces: those of a bucket, or what tests and simulations put in their place.
#[async_trait]
pub trait Catalogue: Send + Sync + 'static {
    /// What was read last; asks nobody.
    fn known(&self, workspace: WorkspaceId) -> Option<Arc<Manifest>>;

    /// A manifest as new as is asked for.
    async fn follow(&self, workspace: WorkspaceId, wanted: Freshness)
    -> Result<Arc<Manifest>, ManifestError>;

    /// Forgets what was read of a workspace that is gone.
    fn forget(&self, workspace: WorkspaceId);
}

#[async_trait]
impl Catalogue for ManifestStore {
    fn known(&self, workspace: WorkspaceId) -> Option<Arc<Manifest>> {
        Self::known(self, workspace)
    }

    async fn follow(
        &self,
        workspace: WorkspaceId,
        wanted: Freshness,
    ) -> Result<Arc<Manifest>, ManifestError> {
        Self::follow(self, workspace, wanted).await
    }

    fn forget(&self, workspace: WorkspaceId) {
        Self::forget(self, workspace);
    }
}

/// A manifest, and what it is proven to hold.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// It was looked for when this ring was known: what partitions that had left it committed is inside.
    pub ring: RingRevision,
}

/// When a workspace's manifest was looked for last.
#[derive(Debug, Clone, Copy)]
struct Looked {
    ring: RingRevision,
    at: Duration,
    /// The hint of then: one that did not come true makes nobody look again.
    hint: ManifestRevision,
}

/// The catalogue with what reads know about its freshness.
pub(crate) struct Manifests {
    catalogue: Arc<dyn Catalogue>,
    hints: Hints,
    clock: SharedClock,
    looked: Mutex<HashMap<WorkspaceId, Looked>>,
}

impl fmt::Debug for Manifests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifests").field("looked", &self.looked.lock().len()).finish_non_exhaustive()
    }
}

impl Manifests {
    pub(crate) fn new(catalogue: Arc<dyn Catalogue>, hints: Hints, clock: SharedClock) -> Self {
        Self { catalogue, hints, clock, looked: Mutex::default() }
    }

    /// What a read may begin with while owners are asked. `ring` is the caller's, `departed` since when no partition left.
    pub(crate) async fn begin(
        &self,
        workspace: WorkspaceId,
        ring: RingRevision,
        departed: RingRevision,
    ) -> Result<Proven, ManifestError> {
        let known = self.known(workspace, departed);
        let wanted = match &known {
            Some((proven, looked)) => match self.worth_a_look(workspace, proven, *looked) {
                None => return Ok(proven.clone()),
                Some(wanted) => wanted,
            },
            None => Freshness::Listed,
        };
        match (self.look(workspace, ring, wanted).await, known) {
            (Ok(proven), _) => Ok(proven),
            // Nothing is proven against what is known; the owners' answers will tell.
            (Err(error), Some((proven, _))) => {
                tracing::warn!(%workspace, %error, "cannot look for a newer manifest; planning on the known one");
                Ok(proven)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// A manifest as new as the owners' answers, and newer than the departure of any partition.
    pub(crate) async fn at_least(
        &self,
        workspace: WorkspaceId,
        revision: ManifestRevision,
        ring: RingRevision,
        departed: RingRevision,
    ) -> Result<Proven, ManifestError> {
        let proven = match self.known(workspace, departed) {
            Some((proven, _)) => proven,
            None => self.look(workspace, ring, Freshness::Newest).await?,
        };
        if proven.manifest.revision() >= revision {
            return Ok(proven);
        }
        let manifest = self.catalogue.follow(workspace, Freshness::AtLeast(revision)).await?;
        Ok(Proven { manifest, ring: proven.ring })
    }

    /// The newest manifest by a LIST.
    pub(crate) async fn listed(
        &self,
        workspace: WorkspaceId,
        ring: RingRevision,
    ) -> Result<Proven, ManifestError> {
        self.look(workspace, ring, Freshness::Listed).await
    }

    /// Forgets workspaces that are no more.
    pub(crate) fn retain(&self, mut exists: impl FnMut(&WorkspaceId) -> bool) {
        self.looked.lock().retain(|workspace, _| {
            let keep = exists(workspace);
            if !keep {
                self.catalogue.forget(*workspace);
            }
            keep
        });
    }

    /// What is known, if no partition left since it was looked for.
    fn known(&self, workspace: WorkspaceId, departed: RingRevision) -> Option<(Proven, Looked)> {
        let looked = *self.looked.lock().get(&workspace)?;
        let manifest = self.catalogue.known(workspace)?;
        (looked.ring >= departed).then_some((Proven { manifest, ring: looked.ring }, looked))
    }

    fn worth_a_look(&self, workspace: WorkspaceId, known: &Proven, looked: Looked) -> Option<Freshness> {
        let quiet = self.clock.monotonic().saturating_sub(looked.at);
        let hint = self.hints.newest(workspace);
        let revision = known.manifest.revision();
        if quiet >= LONG_SILENCE || hint > looked.hint && hint.0.saturating_sub(revision.0) > NEAR {
            return Some(Freshness::Listed);
        }
        (quiet >= SILENCE || hint > looked.hint.max(revision)).then_some(Freshness::Newest)
    }

    /// Asks the bucket, and remembers that it was asked.
    async fn look(
        &self,
        workspace: WorkspaceId,
        ring: RingRevision,
        wanted: Freshness,
    ) -> Result<Proven, ManifestError> {
        let (at, hint) = (self.clock.monotonic(), self.hints.newest(workspace));
        let manifest = self.catalogue.follow(workspace, wanted).await?;
        let mut looked = self.looked.lock();
        let known = looked.entry(workspace).or_insert(Looked { ring, at, hint });
        // Looks overlap, so each is the newest in its own respect.
        known.ring = known.ring.max(ring);
        known.at = known.at.max(at);
        known.hint = known.hint.max(hint);
        Ok(Proven { manifest, ring })
    }
}

/// The rings that this process has seen, for one question: since which of them no partition has left.
///
/// A partition takes writes only after this process acknowledged a ring with it, and is gone only after it acknowledged
/// another (rule 7), so a process that watches the ring sees each of them come before it goes.
#[derive(Debug, Default)]
pub struct Departures(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    revision: RingRevision,
    partitions: BTreeMap<PartitionId, Epoch>,
    departed: RingRevision,
}

impl Departures {
    /// Takes note of a ring; the revision since which nothing has left.
    pub fn observe(&self, ring: &Ring) -> RingRevision {
        let mut seen = self.0.lock();
        if ring.revision() > seen.revision {
            let now: BTreeMap<_, _> = ring.partitions().iter().map(|one| (one.id, one.epoch)).collect();
            // Under another epoch it may have been away meanwhile, unless it is its first.
            let stays = |(id, epoch): (&PartitionId, &Epoch)| {
                now.get(id).is_some_and(|now| now == epoch || *epoch == Epoch(0))
            };
            if !seen.partitions.iter().all(stays) {
                seen.departed = ring.revision();
            }
            (seen.revision, seen.partitions) = (ring.revision(), now);
        }
        seen.departed
    }
}

#[cfg(test)]
mod tests {
    use narthex_ring::{Partition, PartitionState, Replication};

    use super::*;

    fn ring(revision: u64, partitions: &[(u32, u64)]) -> Ring {
        let partition = |(id, epoch): &(u32, u64)| Partition {
            id: PartitionId(*id),
            state: PartitionState::Active,
            epoch: Epoch(*epoch),
            owners: Vec::new(),
        };
        Ring::new(RingRevision(revision), Replication::Three, partitions.iter().map(partition).collect())
    }

    #[test]
    fn partitions_that_leave_or_were_away_are_departures_and_new_ones_are_not() {
        let departures = Departures::default();
        let see = |revision, partitions: &[(u32, u64)]| departures.observe(&ring(revision, partitions)).0;
        assert_eq!(see(1, &[(0, 1)]), 0);
        assert_eq!(see(2, &[(0, 1), (1, 0)]), 0, "one more, PENDING");
        assert_eq!(see(3, &[(0, 1), (1, 3)]), 0, "it became ACTIVE");
        assert_eq!(see(4, &[(0, 1)]), 4);
        assert_eq!(see(2, &[(0, 1), (1, 0)]), 4, "an old ring is no news");
        assert_eq!(see(5, &[(0, 1), (1, 5)]), 4);
        assert_eq!(see(9, &[(0, 1), (1, 8)]), 9, "it may have been gone in between");
    }
}

//! Driving readers.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use narthex_model::{ManifestRevision, WorkspaceId};

use super::{ManifestError, ManifestStore};
use crate::{Freshness, Manifest, ReadAction, ReadEvent};

/// Requests of one look, after which the bucket is thought to be unsettled.
const MAX_REQUESTS: usize = 64;
/// How often a revision that is not there yet is looked for.
const TRIES_BEHIND: u32 = 3;
/// How long to wait for it in between.
const WAIT_BEHIND: Duration = Duration::from_millis(100);

impl ManifestStore {
    /// The newest manifest by a LIST; revision 0 if there is none.
    pub async fn newest(&self, workspace: WorkspaceId) -> Result<Arc<Manifest>, ManifestError> {
        self.follow(workspace, Freshness::Listed).await
    }

    /// One revision, as far as it was not collected; `None` if it is not there.
    pub async fn read(
        &self,
        workspace: WorkspaceId,
        revision: ManifestRevision,
    ) -> Result<Option<Arc<Manifest>>, ManifestError> {
        self.0.load(workspace, revision, self.known(workspace).as_deref()).await
    }

    /// The manifest, as new as is asked for. Callers for one workspace take turns and share what was found.
    pub async fn follow(
        &self,
        workspace: WorkspaceId,
        wanted: Freshness,
    ) -> Result<Arc<Manifest>, ManifestError> {
        for _ in 0..TRIES_BEHIND {
            match self.look(workspace, wanted).await? {
                Ok(manifest) => return Ok(manifest),
                Err(_) => self.0.clock.sleep(WAIT_BEHIND).await,
            }
        }
        self.look(workspace, wanted).await?.map_err(|(wanted, newest)| ManifestError::Behind {
            workspace,
            wanted,
            newest,
        })
    }

    /// Looks if a hint told of something newer, or nothing was looked at for `silence`; otherwise answers what is known.
    pub async fn refresh(
        &self,
        workspace: WorkspaceId,
        silence: Duration,
    ) -> Result<Arc<Manifest>, ManifestError> {
        let shelf = self.shelf(workspace);
        let due = {
            let mut reader = shelf.reader.lock().await;
            reader.hint(ManifestRevision(shelf.hinted.load(Ordering::Relaxed)));
            reader.is_due(self.0.ages.now(), silence)
        };
        let wanted = if due { Freshness::Newest } else { Freshness::AtLeast(ManifestRevision(0)) };
        self.follow(workspace, wanted).await
    }

    /// One look: the manifest, or the revision that was wanted and the one that is there.
    async fn look(
        &self,
        workspace: WorkspaceId,
        wanted: Freshness,
    ) -> Result<Result<Arc<Manifest>, (ManifestRevision, ManifestRevision)>, ManifestError> {
        let shelf = self.shelf(workspace);
        let mut reader = shelf.reader.lock().await;
        let hinted = shelf.hinted.load(Ordering::Relaxed);
        reader.hint(ManifestRevision(hinted));
        let mut action = reader.begin(wanted, self.0.ages.now());
        for _ in 0..MAX_REQUESTS {
            let event = match action {
                ReadAction::Done(manifest) => {
                    shelf.place(&manifest);
                    // What did not come true is forgotten, unless it was told meanwhile.
                    let _ = shelf.hinted.compare_exchange(hinted, 0, Ordering::Relaxed, Ordering::Relaxed);
                    return Ok(Ok(manifest));
                }
                ReadAction::Behind { wanted, newest } => return Ok(Err((wanted, newest.revision()))),
                ReadAction::ListNewest => ReadEvent::Newest(self.0.list_newest(workspace).await?),
                ReadAction::Load(revision) => {
                    let shared = reader.known().cloned();
                    let found = self.0.load(workspace, revision, shared.as_deref()).await?;
                    found.map_or(ReadEvent::Absent, ReadEvent::Loaded)
                }
            };
            action = reader.on(event, self.0.ages.now());
        }
        Err(ManifestError::Unsettled { workspace })
    }
}

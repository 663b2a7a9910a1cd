//! Collecting garbage.

use futures::{StreamExt, TryStreamExt, stream};
use narthex_bucket::layout::{self, Key};
use narthex_model::WorkspaceId;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path};

use super::{ManifestError, ManifestStore, objects::date};
use crate::{BucketTime, Listing, Outcome, Plan, plan};

/// What one sweep over a workspace deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Roots.
    pub roots: usize,
    /// Segments.
    pub segments: usize,
    /// Blocks.
    pub blocks: usize,
    /// Objects below the prefix that nothing here has a name for; they are left alone.
    pub strays: usize,
}

/// Written over and over, to ask the bucket for the time.
const CLOCK: &str = "probe/clock";

impl ManifestStore {
    /// The bucket's present, by the date of an object that is written for it. Once for a round of [`Self::collect`].
    pub async fn bucket_time(&self) -> Result<BucketTime, ManifestError> {
        let path = Path::from(CLOCK);
        self.0.ask(self.0.store.put(&path, PutPayload::new())).await?;
        let now = date(&self.0.ask(self.0.store.head(&path)).await?);
        self.0.bucket_clock.observe(now);
        Ok(now)
    }

    /// Deletes what nobody needs any more of a workspace, deleted ones included (B-3, rule 10). `now` must not be later than the
    /// bucket's present: see [`Self::bucket_time`]. Several at once do no harm.
    pub async fn collect(&self, workspace: WorkspaceId, now: BucketTime) -> Result<Collected, ManifestError> {
        let (listing, strays) = self.list(workspace).await?;
        self.0.metrics.strays.set(i64::try_from(strays).unwrap_or(i64::MAX));
        let margins = self.settings().margins;
        let mut newest = self.newest(workspace).await?;
        let mut todo = plan(&listing, &newest, now, margins);
        if let Some(edit) = todo.edit(&newest) {
            // Orphans that the manifest did not give up stay until it does.
            if let Outcome::Committed(manifest) = self.commit(workspace, edit).await? {
                newest = manifest;
                todo = plan(&listing, &newest, now, margins);
            }
        }
        self.delete(workspace, &todo).await?;
        let (roots, segments, blocks) = (todo.roots.len(), todo.segments.len(), todo.blocks.len());
        Ok(Collected { roots, segments, blocks, strays })
    }

    async fn list(&self, workspace: WorkspaceId) -> Result<(Listing, usize), ManifestError> {
        let (mut listing, mut strays) = (Listing::default(), 0);
        let mut objects = self.0.store.list(Some(&layout::workspace_prefix(workspace)));
        while let Some(meta) = self.0.ask(async { objects.try_next().await }).await? {
            let put = date(&meta);
            match layout::parse(&meta.location) {
                Some(Key::Root(_, revision)) => drop(listing.roots.insert(revision, put)),
                Some(Key::Segment(_, id)) => drop(listing.segments.insert(id, put)),
                Some(Key::Block(_, id)) => drop(listing.blocks.insert(id, put)),
                None => strays += 1,
            }
        }
        Ok((listing, strays))
    }

    async fn delete(&self, workspace: WorkspaceId, todo: &Plan) -> Result<(), ManifestError> {
        let blocks = todo.blocks.iter().map(|id| layout::block_data(workspace, *id));
        let segments = todo.segments.iter().map(|id| layout::segment(workspace, *id));
        let roots = todo.roots.iter().map(|revision| layout::manifest_root(workspace, *revision));
        for (kind, paths) in [
            ("block", blocks.collect::<Vec<_>>()),
            ("segment", segments.collect()),
            ("root", roots.collect()),
        ] {
            let count = paths.len();
            let mut deletions = self.0.store.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
            while self.0.ask(async { deletions.try_next().await }).await?.is_some() {}
            self.0.metrics.collected(kind, count);
            if count > 0 {
                tracing::info!(%workspace, kind, count, "deleted garbage");
            }
        }
        Ok(())
    }
}

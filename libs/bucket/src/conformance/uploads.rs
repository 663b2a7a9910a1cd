//! Objects in several parts: nothing until they are complete, all of it then, nothing if they are given up.

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use object_store::ObjectStoreExt;

use super::{Suite, is_not_found, pattern};

/// S3's smallest part, but for the last.
const PART: usize = 5 << 20;

impl Suite {
    pub(super) async fn uploads_appear_when_complete(&self) -> Result<()> {
        let key = self.key("upload/whole");
        let body = pattern(3 * PART + 12_345);
        let mut upload = self.store.put_multipart(&key).await?;
        let parts: Vec<_> = (0..body.len())
            .step_by(PART)
            .map(|start| upload.put_part(body.slice(start..body.len().min(start + PART)).into()))
            .collect();
        // Side by side: parts may arrive in any order.
        try_join_all(parts).await?;
        ensure!(is_not_found(&self.store.head(&key).await), "an unfinished upload is visible");
        ensure!(self.keys("upload").await?.is_empty(), "an unfinished upload is listed");
        upload.complete().await?;
        ensure!(self.keys("upload").await? == ["upload/whole"], "a complete upload is not listed");
        ensure!(self.store.head(&key).await?.size == body.len() as u64, "the size is wrong");
        ensure!(self.read(&key).await? == body, "the parts are not the body");
        let seam = (PART - 3) as u64..(PART + 3) as u64;
        let read = self.store.get_range(&key, seam).await?;
        ensure!(read == body.slice(PART - 3..PART + 3), "a range over a seam is wrong");

        let key = self.key("upload/aborted");
        let mut upload = self.store.put_multipart(&key).await?;
        upload.put_part(body.slice(..PART).into()).await?;
        upload.abort().await?;
        ensure!(is_not_found(&self.store.head(&key).await), "an aborted upload is visible");
        ensure!(self.keys("upload").await? == ["upload/whole"], "an aborted upload is listed");
        Ok(())
    }
}

//! What every backend must do: one suite, run against each that can run here.
//!
//! The checks are what commits, readers and garbage collection rest on, not what object_store could do besides: atomic
//! writes, one winner of a put-if-absent, lists that are ordered and current, reads of ranges, dates of the bucket's own.
//! The store must have nothing under `conformance/`; the suite leaves nothing there.

mod deletes;
mod lists;
mod reads;
mod uploads;
mod writes;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::TryStreamExt;
use narthex_service::SharedClock;
use object_store::{Error, ObjectStore, ObjectStoreExt, path::Path};

/// Runs every check; the first that does not hold is the error. `clock` is held against the dates of objects: the store's
/// must not be more than a minute away, as that of a server on the same machine is not.
pub async fn run(store: &Arc<dyn ObjectStore>, clock: &SharedClock) -> Result<()> {
    let suite = Suite { store: Arc::clone(store), clock: clock.clone() };
    ensure!(suite.keys("").await?.is_empty(), "{store} has objects under conformance/ already");
    suite.bodies_read_back().await.context("bodies read back")?;
    suite.put_if_absent_has_one_winner().await.context("put-if-absent has one winner")?;
    suite.writes_are_atomic().await.context("writes are atomic")?;
    suite.dates_are_the_buckets().await.context("dates are the bucket's")?;
    suite.uploads_appear_when_complete().await.context("uploads appear when complete")?;
    suite.ranges_are_exact().await.context("ranges are exact")?;
    suite.absent_objects_are_not_found().await.context("absent objects are not found")?;
    suite.lists_are_in_key_order().await.context("lists are in key order")?;
    suite.lists_go_on_after_pages().await.context("lists go on after pages")?;
    suite.lists_are_current().await.context("lists are current")?;
    suite.deletes_are_lenient().await.context("deletes are lenient")?;
    suite.sweep().await.context("the suite's objects are deleted")
}

struct Suite {
    store: Arc<dyn ObjectStore>,
    clock: SharedClock,
}

impl Suite {
    fn key(&self, name: &str) -> Path {
        Path::from(format!("conformance/{name}"))
    }

    async fn write(&self, name: &str, body: impl Into<Bytes>) -> Result<Path> {
        let key = self.key(name);
        let body: Bytes = body.into();
        self.store.put(&key, body.into()).await.with_context(|| format!("writing {key}"))?;
        Ok(key)
    }

    async fn read(&self, key: &Path) -> object_store::Result<Bytes> {
        self.store.get(key).await?.bytes().await
    }

    /// Names below `conformance/<under>`, as listed.
    async fn keys(&self, under: &str) -> Result<Vec<String>> {
        let list = self.store.list(Some(&self.key(under)));
        let listed: Vec<_> = list.map_ok(|meta| meta.location.to_string()).try_collect().await?;
        Ok(listed.into_iter().filter_map(|key| key.strip_prefix("conformance/").map(str::to_owned)).collect())
    }

    async fn sweep(&self) -> Result<()> {
        let listed = self.store.list(Some(&Path::from("conformance"))).map_ok(|meta| meta.location);
        let keys: Vec<_> = listed.try_collect().await?;
        let keys = futures::stream::iter(keys.into_iter().map(Ok));
        self.store.delete_stream(Box::pin(keys)).try_collect::<Vec<_>>().await?;
        ensure!(self.keys("").await?.is_empty(), "objects remain");
        Ok(())
    }
}

/// Bytes that tell their position, so that a shifted or repeated piece shows.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

fn is_not_found<T>(result: &object_store::Result<T>) -> bool {
    matches!(result, Err(Error::NotFound { .. }))
}

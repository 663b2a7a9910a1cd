//! Deletes: of one key, of many, of absent ones.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use super::{Suite, is_not_found};

impl Suite {
    pub(super) async fn deletes_are_lenient(&self) -> Result<()> {
        let key = self.write("delete/one", "x").await?;
        self.store.delete(&key).await?;
        ensure!(is_not_found(&self.store.head(&key).await), "a deleted object is there");
        self.store.delete(&key).await.context("deleting an absent key")?;
        let again = self.store.put_opts(&key, "y".into(), PutMode::Create.into()).await;
        again.context("a deleted key is absent again")?;

        let kept = self.write("delete/kept", "x").await?;
        let mut keys = vec![key];
        for number in 0..30 {
            let name = format!("delete/many/{number}");
            keys.push(if number % 3 == 0 { self.key(&name) } else { self.write(&name, "x").await? });
        }
        let given = stream::iter(keys.clone()).map(Ok).boxed();
        let mut deleted: Vec<_> = self.store.delete_stream(given).try_collect().await?;
        // A provider may answer for many keys in any order.
        deleted.sort_unstable();
        keys.sort_unstable();
        ensure!(deleted == keys, "deleted {deleted:?}");
        ensure!(self.keys("delete").await? == ["delete/kept"], "deleted too much or too little");
        self.store.delete(&kept).await?;
        Ok(())
    }
}

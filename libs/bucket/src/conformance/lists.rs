//! Lists: order, pages, offsets, prefixes, and that they are current.

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};

use super::Suite;

/// More than a provider's page of 1,000.
const MANY: usize = 1_100;
const WRITERS: usize = 16;

impl Suite {
    pub(super) async fn lists_are_in_key_order(&self) -> Result<()> {
        // Names as ours: none continues the name of a neighbouring folder by a character before the slash. Servers that keep
        // folders (SeaweedFS) put `a-b` behind `a/a`, where AWS has it before.
        let sorted = [
            "order/0",
            "order/00",
            "order/A",
            "order/_",
            "order/a/a",
            "order/a/b/c",
            "order/a0",
            "order/b/a",
            "order/c-d",
            "order/c.d",
        ];
        for step in 0..sorted.len() {
            // 7 has no common divisor with the count: every key, in another order.
            self.write(sorted[step * 7 % sorted.len()], "x").await?;
        }
        ensure!(self.keys("order").await? == sorted, "listed {:?}", self.keys("order").await?);
        ensure!(self.keys("order/a").await? == ["order/a/a", "order/a/b/c"], "a prefix ends at a slash");
        ensure!(self.keys("nothing").await?.is_empty(), "an absent prefix lists something");

        let first = self.store.list(Some(&self.key("order"))).next().await.transpose()?;
        ensure!(first.is_some_and(|meta| meta.location == self.key("order/0")), "the first is not the least");
        for offset in ["order/a0", "order/a1", "order/A", "order/a/a", "order/c.d", "order/"] {
            let offset = self.key(offset);
            let after = self.store.list_with_offset(Some(&self.key("order")), &offset);
            let after: Vec<_> = after.map_ok(|meta| meta.location).try_collect().await?;
            let expected: Vec<_> =
                sorted.iter().map(|key| self.key(key)).filter(|key| *key > offset).collect();
            ensure!(after == expected, "after {offset} come {after:?}");
        }
        let level = self.store.list_with_delimiter(Some(&self.key("order"))).await?;
        let objects: Vec<_> = level.objects.into_iter().map(|meta| meta.location).collect();
        let expected = ["order/0", "order/00", "order/A", "order/_", "order/a0", "order/c-d", "order/c.d"];
        ensure!(objects == expected.map(|key| self.key(key)), "a level has the objects {objects:?}");
        let prefixes = [self.key("order/a"), self.key("order/b")];
        ensure!(level.common_prefixes == prefixes, "a level has the prefixes {:?}", level.common_prefixes);
        Ok(())
    }

    pub(super) async fn lists_go_on_after_pages(&self) -> Result<()> {
        let names: Vec<String> = (0..MANY).map(|number| format!("pages/{number:06}")).collect();
        let writes = stream::iter(&names).map(|name| self.write(name, name.clone()));
        writes.buffer_unordered(WRITERS).try_collect::<Vec<_>>().await?;
        ensure!(self.keys("pages").await? == names, "a long list is not every key once, in order");
        let offset = self.key(&names[50]);
        let after = self.store.list_with_offset(Some(&self.key("pages")), &offset);
        let after: Vec<_> = after.map_ok(|meta| meta.location).try_collect().await?;
        let expected = names[51..].iter().map(|name| self.key(name));
        ensure!(after.into_iter().eq(expected), "a long list after an offset is wrong");
        Ok(())
    }

    /// A commit counts once a list shows it (rule 5): what is written is listed at once, what is deleted no more.
    pub(super) async fn lists_are_current(&self) -> Result<()> {
        for number in (0..20).rev() {
            let name = format!("current/{number:04}");
            let key = self.write(&name, "x").await?;
            let first = self.store.list(Some(&self.key("current"))).next().await.transpose()?;
            ensure!(first.is_some_and(|meta| meta.location == key), "{key} is not listed after its write");
        }
        for number in 0..20 {
            let name = format!("current/{number:04}");
            self.store.delete(&self.key(&name)).await?;
            ensure!(!self.keys("current").await?.contains(&name), "{name} is listed after its deletion");
        }
        Ok(())
    }
}

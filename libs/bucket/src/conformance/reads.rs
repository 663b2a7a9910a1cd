//! Gets: ranges of every kind, and absent objects.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::{Suite, is_not_found, pattern};

const LENGTH: u64 = 1_000_000;

impl Suite {
    pub(super) async fn ranges_are_exact(&self) -> Result<()> {
        let body = pattern(LENGTH as usize);
        let key = self.write("ranges", body.clone()).await?;
        let cut = |range: &Range<u64>| body.slice(range.start as usize..range.end.min(LENGTH) as usize);

        for range in [0..1, 0..LENGTH, 1..2, 255..257, LENGTH - 1..LENGTH, 999_000..LENGTH + 5] {
            let result = self.store.get_opts(&key, GetOptions::new().with_range(Some(range.clone()))).await?;
            ensure!(result.meta.size == LENGTH, "a range tells the size {}", result.meta.size);
            ensure!(result.bytes().await? == cut(&range), "the range {range:?} is wrong");
        }
        // A suffix without the object's size is not among what all providers offer.
        let tail = GetOptions::new().with_range(Some(GetRange::Offset(LENGTH - 7)));
        let result = self.store.get_opts(&key, tail).await?;
        ensure!(result.range == (LENGTH - 7..LENGTH), "an offset tells the range {:?}", result.range);
        ensure!(result.bytes().await? == body.slice(LENGTH as usize - 7..), "an offset is wrong");
        let beyond = self.store.get_range(&key, LENGTH..LENGTH + 1).await;
        ensure!(beyond.is_err(), "a range behind the end gives {beyond:?}");

        // Out of order, overlapping, twice, near and far.
        let ranges =
            [500..600, 0..10, 599_999..600_001, 590..700, 0..10, 5..8, LENGTH - 1..LENGTH, 300_000..300_100];
        let parts = self.store.get_ranges(&key, &ranges).await?;
        ensure!(parts.len() == ranges.len(), "{} parts for {} ranges", parts.len(), ranges.len());
        for (range, part) in ranges.iter().zip(parts) {
            ensure!(part == cut(range), "among several, the range {range:?} is wrong");
        }
        ensure!(self.store.get_ranges(&key, &[]).await?.is_empty(), "no range gives parts");
        let behind = self.store.get_ranges(&key, &[0..10, LENGTH - 5..LENGTH + 5]).await;
        ensure!(behind.is_err(), "ranges over the end give {behind:?}");
        Ok(())
    }

    pub(super) async fn absent_objects_are_not_found(&self) -> Result<()> {
        let key = self.key("absent");
        ensure!(is_not_found(&self.store.head(&key).await), "head finds what is not there");
        ensure!(is_not_found(&self.read(&key).await), "get finds what is not there");
        ensure!(is_not_found(&self.store.get_range(&key, 0..1).await), "a range of what is not there");
        ensure!(
            is_not_found(&self.store.get_ranges(&key, &[0..1, 5..9]).await),
            "ranges of what is not there"
        );
        // A key above another is no object.
        self.write("above/below", "x").await?;
        let above = self.store.head(&self.key("above")).await;
        ensure!(is_not_found(&above), "the prefix of a key is an object: {above:?}");
        self.store.delete(&self.key("above/below")).await.context("cleaning up")
    }
}

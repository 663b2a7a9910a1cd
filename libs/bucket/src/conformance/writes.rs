//! Puts: bodies, conditions, visibility, dates.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures::future::join_all;
use object_store::{Error, ObjectStoreExt, PutMode};

use super::{Suite, is_not_found, pattern};

const RACERS: u8 = 8;
const RACES: usize = 12;

impl Suite {
    pub(super) async fn bodies_read_back(&self) -> Result<()> {
        for length in [0, 1, 1000, 3 << 20] {
            let key = self.write("body", pattern(length)).await?;
            ensure!(self.read(&key).await? == pattern(length), "{length} bytes come back changed");
            let meta = self.store.head(&key).await?;
            ensure!(meta.size == length as u64 && meta.location == key, "head tells {meta:?}");
        }
        Ok(())
    }

    pub(super) async fn put_if_absent_has_one_winner(&self) -> Result<()> {
        for race in 0..RACES {
            let key = self.key(&format!("race/{race}"));
            // Small and larger bodies: a server may hold the larger ones back until they are whole.
            let length = if race % 2 == 0 { 40 } else { 100_000 };
            let body = |racer: u8| Bytes::from(vec![racer; length]);
            let tasks = (0..RACERS).map(|racer| {
                let (store, key, body) = (Arc::clone(&self.store), key.clone(), body(racer));
                tokio::spawn(async move { store.put_opts(&key, body.into(), PutMode::Create.into()).await })
            });
            let mut winners = Vec::new();
            for (racer, outcome) in (0..RACERS).zip(join_all(tasks).await) {
                match outcome? {
                    Ok(_) => winners.push(racer),
                    Err(Error::AlreadyExists { .. }) => {}
                    Err(other) => return Err(other).context("a loser of a race must hear AlreadyExists"),
                }
            }
            let [winner] = winners[..] else { bail!("{key} has the winners {winners:?}") };
            ensure!(self.read(&key).await? == body(winner), "{key} is not what its winner {winner} wrote");
            let late = self.store.put_opts(&key, "late".into(), PutMode::Create.into()).await;
            ensure!(matches!(late, Err(Error::AlreadyExists { .. })), "a late writer heard {late:?}");
            ensure!(self.read(&key).await? == body(winner), "a late writer changed {key}");
        }
        Ok(())
    }

    /// Readers see nothing, or one version whole: never part of a body, never parts of two.
    pub(super) async fn writes_are_atomic(&self) -> Result<()> {
        let key = self.key("atomic");
        let (done, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        // A version's byte and its length are both its number.
        let body = |version: u8| Bytes::from(vec![version; 300_000 + usize::from(version) * 1000]);
        let reader = {
            let (store, key, done) = (Arc::clone(&self.store), key.clone(), Arc::clone(&done));
            let reads = Arc::clone(&reads);
            tokio::spawn(async move {
                let mut last = 0;
                while !done.load(SeqCst) {
                    tokio::task::yield_now().await;
                    let read = async { store.get(&key).await?.bytes().await }.await;
                    if is_not_found(&read) {
                        ensure!(last == 0, "{key} was gone after version {last}");
                        continue;
                    }
                    let read = read?;
                    let version = *read.first().context("an empty body was never written")?;
                    let whole = read.len() == 300_000 + usize::from(version) * 1000;
                    ensure!(whole && read.iter().all(|byte| *byte == version), "a torn read of {key}");
                    ensure!(version >= last, "version {version} came after {last}");
                    last = version;
                    reads.fetch_add(1, SeqCst);
                }
                Ok(())
            })
        };
        let created = self.store.put_opts(&key, body(1).into(), PutMode::Create.into()).await;
        let mut outcome = created.map(drop);
        for version in 2..60 {
            if outcome.is_ok() {
                outcome = self.store.put(&key, body(version).into()).await.map(drop);
            }
            // A store in memory takes all versions before the reader begins, unless they wait for it.
            let before = reads.load(SeqCst);
            while outcome.is_ok() && reads.load(SeqCst) == before && !reader.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        done.store(true, SeqCst);
        let () = reader.await??;
        outcome?;
        ensure!(reads.load(SeqCst) > 0, "the reader never read");
        ensure!(self.read(&key).await? == body(59), "the last version is not the one that stays");
        Ok(())
    }

    /// Ages are judged by these dates (rule 10): set by the bucket at the write, the same wherever they are told.
    pub(super) async fn dates_are_the_buckets(&self) -> Result<()> {
        let first = self.write("dates/a", "a").await?;
        let old = self.store.head(&first).await?.last_modified;
        let away = (old.timestamp_millis() - self.clock.now().0).abs();
        ensure!(away < 60_000, "the date of a new object is {away} ms off");
        let listed = self.store.list_with_delimiter(Some(&self.key("dates"))).await?;
        let read = self.store.get(&first).await?.meta.last_modified;
        // Headers tell whole seconds, lists may tell more.
        for date in [listed.objects[0].last_modified, read] {
            let apart = (date - old).abs();
            ensure!(apart.num_milliseconds() < 1000, "one object has the dates {date} and {old}");
        }
        self.clock.sleep(Duration::from_millis(1100)).await;
        ensure!(self.store.head(&first).await?.last_modified == old, "a date moves by itself");
        let second = self.write("dates/b", "b").await?;
        ensure!(self.store.head(&second).await?.last_modified > old, "a later object is not younger");
        self.write("dates/a", "again").await?;
        ensure!(self.store.head(&first).await?.last_modified > old, "a write leaves the old date");
        Ok(())
    }
}

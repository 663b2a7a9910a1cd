//! Log files in a bucket, with CloudTrail's names and content, so that what reads trails (Athena, importers) reads these:
//!
//!     AWSLogs/<account>/CloudTrail/<region>/<yyyy>/<mm>/<dd>/<account>_CloudTrail_<region>_<yyyymmddThhmmZ>_<16 letters>.json.gz
//!
//! holding `{"Records":[...]}`. Records are gathered by account and written when the first of them is old enough or they are
//! large enough. What is gathered is in memory: a process that dies loses up to `--audit.bucket-max-wait` of it here, while the
//! log file of the same process has it. A write that fails is repeated with the next ones; past [`MAX_HELD`] the oldest records
//! are lost. Records of callers without an account go under `000000000000`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use narthex_model::TimestampMs;
use narthex_service::{Components, Random, SharedClock};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use time::OffsetDateTime;

use crate::{
    audit::Record,
    sink::{Counts, Place, Writing},
};

/// Bytes of records of one account that wait for a bucket that cannot be written.
const MAX_HELD: usize = 64 << 20;

/// Pause after a write failed.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Where callers without an account are written.
const NO_ACCOUNT: &str = "000000000000";

/// How log files are made.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    pub(crate) region: String,
    pub(crate) batch_bytes: usize,
    pub(crate) max_wait: Duration,
}

/// Gathers records and writes them as objects.
#[derive(Debug)]
pub(crate) struct BucketSink {
    store: Arc<dyn ObjectStore>,
    trail: Trail,
    clock: SharedClock,
    random: Random,
    gathered: BTreeMap<String, Batch>,
}

/// Records of one account.
#[derive(Debug)]
struct Batch {
    records: Vec<Record>,
    bytes: usize,
    /// When it is old enough to be written, in monotonic time.
    due: Duration,
    /// After a failure: not before this.
    pause: Duration,
}

impl Batch {
    /// When it is to be written.
    fn ready_at(&self, batch_bytes: usize) -> Duration {
        if self.bytes >= batch_bytes { self.pause } else { self.due.max(self.pause) }
    }

    /// Loses the oldest records until the rest fits; how many were lost.
    fn cut(&mut self, max_bytes: usize) -> usize {
        let mut lost = 0;
        while self.bytes > max_bytes && lost < self.records.len() {
            self.bytes -= self.records[lost].line.len() + 1;
            lost += 1;
        }
        self.records.drain(..lost);
        lost
    }
}

impl BucketSink {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, trail: Trail, components: &Components) -> Self {
        let (clock, random) = (components.clock.clone(), components.random.clone());
        Self { store, trail, clock, random, gathered: BTreeMap::new() }
    }

    fn gather(&mut self, records: Vec<Record>) {
        let now = self.clock.monotonic();
        let due = now.saturating_add(self.trail.max_wait);
        for record in records {
            let account = record.account.as_ref().map_or(NO_ACCOUNT, |account| account.as_str());
            let fresh = || Batch { records: Vec::new(), bytes: 0, due, pause: now };
            let batch = self.gathered.entry(account.to_owned()).or_insert_with(fresh);
            batch.bytes += record.line.len() + 1;
            batch.records.push(record);
        }
    }

    /// Writes the batches whose time has come, at the end all.
    async fn write_ready(&mut self, end: bool) -> Counts {
        let now = self.clock.monotonic();
        let (mut written, mut lost) = (0, 0);
        for (account, mut batch) in std::mem::take(&mut self.gathered) {
            if !end && batch.ready_at(self.trail.batch_bytes) > now {
                self.gathered.insert(account, batch);
                continue;
            }
            let count = batch.records.len();
            match self.put(&account, &batch.records).await {
                Ok(()) => written += count,
                Err(error) => {
                    tracing::warn!(%error, account, records = count, "cannot write the audit log to its bucket");
                    if end {
                        lost += count;
                        continue;
                    }
                    lost += batch.cut(MAX_HELD);
                    batch.pause = now.saturating_add(RETRY_AFTER);
                    self.gathered.insert(account, batch);
                }
            }
        }
        (written, lost)
    }

    async fn put(&self, account: &str, records: &[Record]) -> object_store::Result<()> {
        let key = key(account, &self.trail.region, self.clock.now(), &self.random);
        let content = compressed(records)
            .map_err(|source| object_store::Error::Generic { store: "audit", source: source.into() })?;
        self.store.put(&Path::from(key), content.into()).await.map(drop)
    }
}

impl Place for BucketSink {
    fn name(&self) -> &'static str {
        "bucket"
    }

    fn write(&mut self, records: Vec<Record>) -> Writing<'_> {
        self.gather(records);
        Box::pin(self.write_ready(false))
    }

    fn next_flush(&self, now: Duration) -> Option<Duration> {
        let ready = self.gathered.values().map(|batch| batch.ready_at(self.trail.batch_bytes));
        ready.min().map(|at| at.saturating_sub(now))
    }

    fn flush(&mut self, end: bool) -> Writing<'_> {
        Box::pin(self.write_ready(end))
    }
}

/// The name of a log file.
fn key(account: &str, region: &str, now: TimestampMs, random: &Random) -> String {
    let moment =
        OffsetDateTime::from_unix_timestamp(now.0.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, _)) = (moment.date(), moment.to_hms());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let letters: String = (0..16).map(|_| letter(random.below(62))).collect();
    format!(
        "AWSLogs/{account}/CloudTrail/{region}/{year:04}/{month:02}/{day:02}/\
         {account}_CloudTrail_{region}_{year:04}{month:02}{day:02}T{hour:02}{minute:02}Z_{letters}.json.gz"
    )
}

fn letter(number: u64) -> char {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char::from(LETTERS[number as usize % LETTERS.len()])
}

fn compressed(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(br#"{"Records":["#)?;
    for (place, record) in records.iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        out.write_all(&record.line)?;
    }
    out.write_all(b"]}")?;
    out.finish()
}

#[cfg(test)]
#[path = "bucket_test.rs"]
mod tests;

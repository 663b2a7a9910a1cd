//! Opens blocks: footers from memory, pages from the disk cache, the rest from the bucket. What matchers found in a block is kept too:
//! dashboards ask for the same series again and again, and labels are most of the work where few of a block's series match.
//!
//! A block is named by its caller, which knows it from the manifest; this side looks nothing up and lists nothing, so starting up
//! touches no block. A footer that several requests need at once is read once.

mod error;

use std::{sync::Arc, time::Duration};

use narthex_block::{BlockError, BlockReader, Budget, Footer, FoundSeries, Selection};
use narthex_bucket::layout;
use narthex_model::{BlockId, Matcher, TimeRange, WorkspaceId};
use narthex_service::{Condition, SharedClock};
use object_store::{ObjectStore, path::Path};
use quick_cache::{Weighter, sync::Cache};
use xxhash_rust::xxh3::xxh3_128;

use futures::StreamExt;

pub(crate) use error::{Bounds, ReadError};

use crate::{
    cache::{BlockKey, BlockObject, DiskCache, PAGE},
    config::{GatewaySettings, Joined},
    metrics::{KindLabel, Metrics},
};

/// Longest pause between attempts to reach the bucket at start-up.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What was found is kept if it takes no more than this part of the memory for it, so that no question drives out all others.
const MOST_OF_FOUND: u64 = 16;

/// A block as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AskedBlock {
    pub(crate) workspace: WorkspaceId,
    pub(crate) id: BlockId,
    /// Size of the object.
    pub(crate) bytes: u64,
    /// Bytes at its end that are the footer.
    pub(crate) footer_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct ByMemory;

impl Weighter<BlockKey, Arc<Footer>> for ByMemory {
    fn weight(&self, _: &BlockKey, footer: &Arc<Footer>) -> u64 {
        footer.memory_size() as u64 + 256
    }
}

/// Matchers of a request, and the name under which their findings are kept.
#[derive(Debug)]
pub(crate) struct Question {
    matchers: Vec<Matcher>,
    name: u128,
}

impl Question {
    /// 128 bits of hash: two names never meet. Label names may hold any character, so they are quoted too.
    pub(crate) fn new(matchers: Vec<Matcher>) -> Self {
        let quoted = |matcher: &Matcher| format!("{:?}{matcher},", matcher.name());
        let text: String = matchers.iter().map(quoted).collect();
        Self { name: xxh3_128(text.as_bytes()), matchers }
    }
}

impl Weighter<(BlockKey, u128), Arc<FoundSeries>> for ByMemory {
    fn weight(&self, _: &(BlockKey, u128), found: &Arc<FoundSeries>) -> u64 {
        found.memory_size() as u64 + 256
    }
}

/// The bucket's blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    store: Arc<dyn ObjectStore>,
    cache: Option<DiskCache>,
    footers: Cache<BlockKey, Arc<Footer>, ByMemory>,
    found: Cache<(BlockKey, u128), Arc<FoundSeries>, ByMemory>,
    joined: Joined,
    metrics: Metrics,
}

impl Blocks {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        cache: Option<DiskCache>,
        settings: &GatewaySettings,
        metrics: Metrics,
    ) -> Self {
        // About as many as fit where each takes so much; a wrong guess costs nothing but a table.
        let expected =
            |bytes: u64, each: u64| usize::try_from(bytes / each).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        let footers =
            Cache::with_weighter(expected(settings.footer_bytes, 16 << 10), settings.footer_bytes, ByMemory);
        let found =
            Cache::with_weighter(expected(settings.found_bytes, 4 << 10), settings.found_bytes, ByMemory);
        Self { store, cache, footers, found, joined: settings.joined, metrics }
    }

    /// Finds the series of a block that match and have samples in windows which the range touches. All rows of those that match are found,
    /// whatever the range, and kept for later questions: a block reaches over a day at most, and its label pages all do.
    pub(crate) async fn select(
        &self,
        asked: AskedBlock,
        question: &Question,
        range: TimeRange,
        budget: Budget,
    ) -> Result<Selection, BlockError> {
        let reader = self.open(asked).await?;
        let key = (BlockKey::new(asked.workspace, asked.id, asked.bytes), question.name);
        if let Some(found) = self.found.get(&key) {
            self.metrics.found_hits.inc();
            return reader.select_found(&found, range, budget);
        }
        if !reader.footer().may_touch(range) {
            return reader.select(&question.matchers, range, budget).await;
        }
        self.metrics.found_misses.inc();
        let whole = match reader.select(&question.matchers, TimeRange::ALL, budget).await {
            // The range may take less.
            Err(BlockError::Budget { .. }) => return reader.select(&question.matchers, range, budget).await,
            whole => whole?,
        };
        let found = Arc::new(whole.found());
        let selection = reader.select_found(&found, range, budget);
        if found.memory_size() as u64 <= self.found.capacity() / MOST_OF_FOUND {
            self.found.insert(key, found);
            self.metrics.found_bytes.set(i64::try_from(self.found.weight()).unwrap_or(i64::MAX));
        }
        selection
    }

    /// As [`Self::select`], where everything is in memory: nothing is read and nothing waited for.
    pub(crate) fn select_known(
        &self,
        asked: AskedBlock,
        question: &Question,
        range: TimeRange,
        budget: Budget,
    ) -> Option<Result<Selection, BlockError>> {
        let key = BlockKey::new(asked.workspace, asked.id, asked.bytes);
        let found = self.found.get(&(key, question.name))?;
        let footer = self.footers.get(&key)?;
        self.metrics.found_hits.inc();
        self.metrics.footer_hits.inc();
        Some(self.reader(asked, footer).select_found(&found, range, budget))
    }

    fn reader(&self, asked: AskedBlock, footer: Arc<Footer>) -> BlockReader {
        let (store, path) = self.object(asked);
        BlockReader::with_footer(store, path, footer)
    }

    fn object(&self, asked: AskedBlock) -> (Arc<dyn ObjectStore>, Path) {
        let path = layout::block_data(asked.workspace, asked.id);
        let object = BlockObject {
            inner: Arc::clone(&self.store),
            path: path.clone(),
            size: asked.bytes,
            key: BlockKey::new(asked.workspace, asked.id, asked.bytes),
            cache: self.cache.clone(),
            joined: self.joined,
            metrics: self.metrics.reads.clone(),
        };
        (Arc::new(object), path)
    }

    /// Opens a block: one read of the bucket if nothing is known of it, none if its footer is.
    pub(crate) async fn open(&self, asked: AskedBlock) -> Result<BlockReader, BlockError> {
        let key = BlockKey::new(asked.workspace, asked.id, asked.bytes);
        if let Some(footer) = self.footers.get(&key) {
            self.metrics.footer_hits.inc();
            return Ok(self.reader(asked, footer));
        }
        let (store, path) = self.object(asked);
        let read = async {
            let reader = BlockReader::open(store, path, asked.bytes, asked.footer_bytes).await?;
            self.metrics.blocks_opened.inc();
            Ok(Arc::clone(reader.footer()))
        };
        let footer = self.footers.get_or_insert_async(&key, read).await?;
        self.metrics.footer_bytes.set(i64::try_from(self.footers.weight()).unwrap_or(i64::MAX));
        Ok(self.reader(asked, footer))
    }

    /// What an error means: counted, and told to the operator where only an operator can help. Nothing that was kept of a damaged
    /// block is used again, so that one which is repaired in the bucket is read anew.
    pub(crate) fn explain(&self, asked: AskedBlock, error: BlockError, bounds: Bounds) -> ReadError {
        let error = ReadError::new(asked.id, error, bounds);
        self.metrics.errors.get_or_create(&KindLabel { kind: error.kind() }).inc();
        if let ReadError::Damaged { .. } = error {
            tracing::error!(workspace = %asked.workspace, block = %asked.id, %error, "damaged block");
            let key = BlockKey::new(asked.workspace, asked.id, asked.bytes);
            self.footers.remove(&key);
            self.found.retain(|(block, _), _| *block != key);
            if let Some(cache) = &self.cache {
                cache.forget((0..asked.bytes.div_ceil(PAGE)).map(|number| key.page(number)));
            }
        }
        error
    }

    /// Asks the bucket until it answers, telling the condition what it says. No block is touched: one list of a prefix that is
    /// mostly empty shows that the bucket is there and may be listed, without which no provider tells a missing block from a
    /// forbidden one.
    pub(crate) async fn reach(&self, condition: &Condition, clock: &SharedClock) {
        let mut pause = Duration::from_millis(250);
        condition.not_ready("asking the bucket");
        loop {
            match self.store.list(Some(&Path::from("probe"))).next().await {
                None | Some(Ok(_)) => {
                    condition.ready();
                    return;
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the bucket does not answer; trying again");
                    condition.not_ready(format!("the bucket does not answer: {error}"));
                }
            }
            clock.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A label's name may look like two conditions.
    #[test]
    fn other_matchers_are_another_question() {
        let two = Question::new(vec![Matcher::equal("a", "x"), Matcher::equal("b", "y")]);
        let one = Question::new(vec![Matcher::equal("a=\"x\",b", "y")]);
        assert_ne!(two.name, one.name);
    }
}

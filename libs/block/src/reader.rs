//! Reads a block: ranged requests only, the footer in one, label columns before samples.
//!
//! Bytes from the bucket are outside bytes: each number is checked before it is used, damage is an error that names the
//! block, and memory is bounded by pages, row groups and the budget of the selection. The reader keeps nothing but
//! the footer; share that between readers to save its request.

mod batch;
mod budget;
mod cursor;
mod fetch;
mod footer;
mod histograms;
mod labels;
mod names;
mod prune;
mod rows;
mod sample_reader;
mod scan;
mod select;
mod slices;

use std::sync::Arc;

use bytes::Bytes;
use narthex_model::{Matcher, TimeRange};
use object_store::{ObjectStore, path::Path};

use self::footer::SharedFooter;
pub use self::{
    batch::{SampleBatch, SeriesSlice, StoredFloats, StoredHistograms, StoredSamples},
    budget::Budget,
    footer::Footer,
    sample_reader::{BatchLimits, SampleReader},
    select::{FoundSeries, SelectedSeries, Selection},
    slices::RowSlice,
};
use crate::BlockError;

/// One block in a bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlockReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    footer: SharedFooter,
}

impl BlockReader {
    /// Reads the footer with one request. `size` and `footer_length` are [`crate::BlockMeta`]'s `bytes` and `footer_length`.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        path: Path,
        size: u64,
        footer_length: u64,
    ) -> Result<Self, BlockError> {
        let tail = fetch::fetch_tail(store.as_ref(), &path, size, footer_length).await?;
        Self::from_footer_bytes(store, path, size, &tail)
    }

    /// Takes the last bytes of the object from a cache: what [`Self::open`] reads.
    pub fn from_footer_bytes(
        store: Arc<dyn ObjectStore>,
        path: Path,
        size: u64,
        tail: &Bytes,
    ) -> Result<Self, BlockError> {
        let footer = Arc::new(Footer::parse(&path, size, tail)?);
        Ok(Self { store, path, footer })
    }

    /// Takes a parsed footer from a cache.
    pub fn with_footer(store: Arc<dyn ObjectStore>, path: Path, footer: Arc<Footer>) -> Self {
        Self { store, path, footer }
    }

    /// The footer, to be cached.
    pub fn footer(&self) -> &Arc<Footer> {
        &self.footer
    }

    /// The object.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finds matching series that have samples in windows which the range touches. Reads label columns only; fails
    /// before it reads samples if those would exceed the budget.
    pub async fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: Budget,
    ) -> Result<Selection, BlockError> {
        Selection::find(self, matchers, range, budget).await
    }

    /// As [`Self::select`], from what the same matchers found in this block over [`TimeRange::ALL`]; reads nothing.
    ///
    /// # Errors
    /// The budget is exceeded.
    pub fn select_found(
        &self,
        found: &FoundSeries,
        range: TimeRange,
        budget: Budget,
    ) -> Result<Selection, BlockError> {
        Selection::of(self, found, range, budget)
    }

    fn store(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }
}

//! One block's object with the disk cache before it.
//!
//! Whole pages are read from the bucket and kept; what lies between two missing ranges is read along if that saves a request. Every
//! answer of the bucket tells the size of the object, and one that is not the block's size is damage: a cut object is not
//! mistaken for a bucket that does not answer. All other operations and keys go through untouched.

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use narthex_bucket::plan_reads;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, path::Path,
};

use super::{BlockKey, DiskCache, PAGE, Page};
use crate::{config::Joined, metrics::ReadMetrics};

/// Reads of one call that are under way at once.
const READS: usize = 10;

/// The object is not what the manifest says.
#[derive(Debug, thiserror::Error)]
#[error("the object has {found} bytes, the manifest says {expected}")]
pub(crate) struct WrongSize {
    found: u64,
    expected: u64,
}

/// A block as a store of one object.
#[derive(Debug, Clone)]
pub(crate) struct BlockObject {
    pub(crate) inner: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) size: u64,
    pub(crate) key: BlockKey,
    pub(crate) cache: Option<DiskCache>,
    pub(crate) joined: Joined,
    pub(crate) metrics: ReadMetrics,
}

/// Pieces of the object by where they begin.
type Pieces = BTreeMap<u64, Bytes>;

impl BlockObject {
    /// Reads ranges that lie inside of the object.
    async fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if let Some(range) = ranges.iter().find(|range| range.start > range.end || range.end > self.size) {
            return Err(generic(format!("{} has {} bytes, {range:?} was asked", self.path, self.size)));
        }
        let (mut pieces, missing) = match &self.cache {
            Some(cache) => self.cached(cache, ranges).await?,
            None => (Pieces::new(), ranges.to_vec()),
        };
        let runs = plan_reads(&missing, self.joined.gap, self.joined.size);
        let fetch = |run: Range<u64>| async move { Ok::<_, Error>((run.start, self.fetch(run).await?)) };
        let fetched: Vec<(u64, Bytes)> =
            futures::stream::iter(runs).map(fetch).buffer_unordered(READS).try_collect().await?;
        if let Some(cache) = &self.cache {
            fetched.iter().for_each(|(start, bytes)| self.keep(cache, *start, bytes));
        }
        pieces.extend(fetched);
        ranges
            .iter()
            .map(|range| assemble(&pieces, range).ok_or_else(|| generic("a read has a hole")))
            .collect()
    }

    /// The pages of ranges that are in the cache, and those that are not.
    async fn cached(&self, cache: &DiskCache, ranges: &[Range<u64>]) -> Result<(Pieces, Vec<Range<u64>>)> {
        let mut numbers: Vec<u64> =
            ranges.iter().filter(|range| !range.is_empty()).flat_map(pages_of).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let keys: Vec<_> = numbers.iter().map(|number| self.key.page(*number)).collect();
        let read = match cache.read_at_once(&keys) {
            Some(read) => read,
            None => {
                let cache = cache.clone();
                let read = tokio::task::spawn_blocking(move || cache.read(&keys)).await;
                read.map_err(|error| generic(format!("reading the cache failed: {error}")))?
            }
        };
        let (mut pieces, mut missing) = (Pieces::new(), Vec::new());
        for (number, page) in numbers.into_iter().zip(read) {
            let range = self.page_range(number);
            match page.filter(|page| page.len() as u64 == range.end - range.start) {
                Some(page) => {
                    pieces.insert(range.start, page);
                }
                None => missing.push(range),
            }
        }
        Ok((pieces, missing))
    }

    fn page_range(&self, number: u64) -> Range<u64> {
        number * PAGE..((number + 1) * PAGE).min(self.size)
    }

    /// Reads from the bucket.
    async fn fetch(&self, run: Range<u64>) -> Result<Bytes> {
        let options = GetOptions { range: Some(GetRange::Bounded(run.clone())), ..GetOptions::default() };
        let answer = match self.inner.get_opts(&self.path, options).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.explain(error).await),
        };
        if answer.meta.size != self.size {
            return Err(self.wrong_size(answer.meta.size));
        }
        let bytes = answer.bytes().await?;
        if bytes.len() as u64 != run.end - run.start {
            return Err(generic(format!("{} bytes of {run:?} came", bytes.len())));
        }
        self.metrics.bucket_reads.inc();
        self.metrics.bucket_bytes.inc_by(bytes.len() as u64);
        Ok(bytes)
    }

    /// A range behind the end of a cut object is refused with an error like any other: ask how large it is.
    async fn explain(&self, error: Error) -> Error {
        if !matches!(error, Error::Generic { .. }) {
            return error;
        }
        match self.inner.head(&self.path).await {
            Ok(meta) if meta.size != self.size => self.wrong_size(meta.size),
            Err(gone @ Error::NotFound { .. }) => gone,
            _ => error,
        }
    }

    fn wrong_size(&self, found: u64) -> Error {
        generic(WrongSize { found, expected: self.size })
    }

    /// Has the whole pages of a run written to the cache, if it keeps up.
    fn keep(&self, cache: &DiskCache, start: u64, run: &Bytes) {
        let end = start + run.len() as u64;
        let first = start.div_ceil(PAGE);
        let whole = (first..).map(|number| (number, self.page_range(number)));
        let whole = whole.take_while(|(_, range)| range.start < range.end && range.end <= end);
        let pages: Vec<Page> = whole
            .map(|(number, range)| {
                let bytes = run.slice((range.start - start) as usize..(range.end - start) as usize);
                Page { key: self.key.page(number), bytes }
            })
            .collect();
        if let Some(queued) = cache.queue(pages, run.len() as u64) {
            // Nobody waits: a page that is not kept is read again.
            drop(tokio::task::spawn_blocking(move || queued.write()));
        }
    }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "block", source: source.into() }
}

fn pages_of(range: &Range<u64>) -> Range<u64> {
    range.start / PAGE..range.end.div_ceil(PAGE)
}

/// The bytes of a range, from one piece where possible; `None` if the pieces leave a hole.
fn assemble(pieces: &Pieces, range: &Range<u64>) -> Option<Bytes> {
    let mut at = range.start;
    let mut whole = BytesMut::new();
    loop {
        if at >= range.end {
            return Some(whole.freeze());
        }
        // Of several pieces that hold a place, the last that begins before it; runs never lie within pages.
        let covers = |(start, bytes): &(&u64, &Bytes)| **start + bytes.len() as u64 > at;
        let (start, piece) = pieces.range(..=at).rev().find(covers)?;
        let end = range.end.min(start + piece.len() as u64);
        let part = piece.slice((at - start) as usize..(end - start) as usize);
        if at == range.start && end == range.end {
            return Some(part);
        }
        whole.extend_from_slice(&part);
        at = end;
    }
}

impl fmt::Display for BlockObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.path, self.inner)
    }
}

/// A read that the cache can answer: a range, and no conditions.
fn plain_range(options: &GetOptions, size: u64) -> Option<Range<u64>> {
    let unconditional = options.if_match.is_none()
        && options.if_none_match.is_none()
        && options.if_modified_since.is_none()
        && options.if_unmodified_since.is_none();
    match &options.range {
        Some(GetRange::Bounded(range)) if unconditional && options.version.is_none() && !options.head => {
            let range = range.start..range.end.min(size);
            (range.start < range.end).then_some(range)
        }
        _ => None,
    }
}

#[async_trait]
impl ObjectStore for BlockObject {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let range = plain_range(&options, self.size).filter(|_| *location == self.path);
        let Some(range) = range else { return self.inner.get_opts(location, options).await };
        let bytes = self.read(std::slice::from_ref(&range)).await?;
        let body = futures::stream::iter(bytes.into_iter().map(Ok)).boxed();
        Ok(GetResult {
            payload: GetResultPayload::Stream(body),
            // What the cache does not know is left out; blocks never change, so nobody asks.
            meta: ObjectMeta {
                location: location.clone(),
                last_modified: Default::default(),
                size: self.size,
                e_tag: None,
                version: None,
            },
            range,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if *location == self.path {
            self.read(ranges).await
        } else {
            self.inner.get_ranges(location, ranges).await
        }
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
#[path = "store_test.rs"]
mod tests;

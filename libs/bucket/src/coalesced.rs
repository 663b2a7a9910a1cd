//! Reads of several ranges of one object, joined to few requests.
//!
//! A request to a provider takes tens of milliseconds to begin and costs money, whatever its size: reading a gap of some
//! hundred kilobytes is cheaper than asking twice. The plan is a pure function; the reads run side by side.

use std::{fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    path::Path,
};

/// Reads of one call that are under way at once.
const READS: usize = 10;

/// A store that joins ranges.
#[derive(Debug)]
pub struct Coalesced {
    inner: Arc<dyn ObjectStore>,
    gap: u64,
    size: u64,
}

impl Coalesced {
    /// Joins ranges with at most `gap` bytes between them to reads of at most `size` bytes.
    pub fn new(inner: Arc<dyn ObjectStore>, gap: u64, size: u64) -> Self {
        Self { inner, gap, size }
    }
}

/// The reads that cover `ranges`, in order and apart from each other unless one range alone is longer than `size`.
///
/// Ranges are joined if no more than `gap` bytes lie between them and the joined read has at most `size` bytes. Every
/// range lies whole in one read.
pub fn plan_reads(ranges: &[Range<u64>], gap: u64, size: u64) -> Vec<Range<u64>> {
    let mut sorted: Vec<&Range<u64>> = ranges.iter().filter(|range| range.start < range.end).collect();
    sorted.sort_unstable_by_key(|range| (range.start, range.end));
    let mut reads: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        if let Some(last) = reads.last_mut() {
            let end = last.end.max(range.end);
            let near = range.start <= last.end.saturating_add(gap);
            if range.end <= last.end || (near && end - last.start <= size) {
                last.end = end;
                continue;
            }
        }
        reads.push(range.clone());
    }
    reads
}

/// The read of a plan that holds the whole of `range`: the last that begins at or before it.
fn read_of(reads: &[Range<u64>], range: &Range<u64>) -> Option<usize> {
    reads.partition_point(|read| read.start <= range.start).checked_sub(1)
}

/// The bytes of `range` from the reads' parts; `None` if the object ended before.
fn cut(reads: &[Range<u64>], parts: &[Bytes], range: &Range<u64>) -> Option<Bytes> {
    if range.start >= range.end {
        return Some(Bytes::new());
    }
    let at = read_of(reads, range)?;
    let offset = |position: u64| usize::try_from(position - reads[at].start).ok();
    let (start, end) = (offset(range.start)?, offset(range.end)?);
    (end <= parts[at].len()).then(|| parts[at].slice(start..end))
}

fn short(location: &Path, range: &Range<u64>) -> Error {
    let source = format!("{location} ends before the end of the range {range:?}").into();
    Error::Generic { store: "Coalesced", source }
}

impl fmt::Display for Coalesced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait]
impl ObjectStore for Coalesced {
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let reads = plan_reads(ranges, self.gap, self.size);
        let fetch = |read: Range<u64>| self.inner.get_range(location, read);
        let parts: Vec<Bytes> =
            futures::stream::iter(reads.iter().cloned()).map(fetch).buffered(READS).try_collect().await?;
        ranges.iter().map(|range| cut(&reads, &parts, range).ok_or_else(|| short(location, range))).collect()
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

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
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
mod tests;

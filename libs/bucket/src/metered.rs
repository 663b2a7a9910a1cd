//! Counts and times every operation of the store beneath. See the metrics' module for names.
//!
//! A body and a list are part of their operation: it ends with them, and fails if they do.

use std::{fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use narthex_service::{SharedClock, SharedRegistry};
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
    path::Path,
};

use crate::{
    Operation,
    metrics::{Metrics, Running},
};

/// A store that counts.
#[derive(Debug)]
pub struct Metered {
    inner: Arc<dyn ObjectStore>,
    metrics: Metrics,
}

impl Metered {
    /// Registers `narthex_bucket_...`; once per registry.
    pub fn new(inner: Arc<dyn ObjectStore>, clock: SharedClock, registry: &SharedRegistry) -> Self {
        Self { inner, metrics: Metrics::new(clock, registry) }
    }
}

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait]
impl ObjectStore for Metered {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let running = self.metrics.begin(Operation::of_put(&opts.mode));
        let bytes = payload.content_length();
        let result = self.inner.put_opts(location, payload, opts).await;
        if result.is_ok() {
            running.add_bytes(bytes as u64);
        }
        running.end(&result);
        result
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let running = self.metrics.begin(Operation::BeginMultipart);
        let result = self.inner.put_multipart_opts(location, opts).await;
        running.end(&result);
        let metrics = self.metrics.clone();
        result.map(|inner| Box::new(MeteredUpload { inner, metrics }) as Box<dyn MultipartUpload>)
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let mut running = self.metrics.begin(if head { Operation::Head } else { Operation::Get });
        let mut result = match self.inner.get_opts(location, options).await {
            Ok(result) if !head => result,
            other => {
                running.end(&other);
                return other;
            }
        };
        result.payload = match result.payload {
            GetResultPayload::Stream(body) => {
                let length = result.range.end - result.range.start;
                GetResultPayload::Stream(metered_body(body, length, running))
            }
            file @ GetResultPayload::File(..) => {
                running.add_bytes(result.range.end - result.range.start);
                running.satisfied();
                file
            }
        };
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let running = self.metrics.begin(Operation::GetRanges);
        let result = self.inner.get_ranges(location, ranges).await;
        if let Ok(parts) = &result {
            running.add_bytes(parts.iter().map(|part| part.len() as u64).sum());
        }
        running.end(&result);
        result
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        metered_items(self.inner.delete_stream(locations), self.metrics.begin(Operation::Delete))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        metered_items(self.inner.list(prefix), self.metrics.begin(Operation::List))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        metered_items(self.inner.list_with_offset(prefix, offset), self.metrics.begin(Operation::List))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let running = self.metrics.begin(Operation::ListLevel);
        let result = self.inner.list_with_delimiter(prefix).await;
        running.end(&result);
        result
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let running = self.metrics.begin(Operation::Copy);
        let result = self.inner.copy_opts(from, to, options).await;
        running.end(&result);
        result
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let running = self.metrics.begin(Operation::Rename);
        let result = self.inner.rename_opts(from, to, options).await;
        running.end(&result);
        result
    }
}

/// Counts the bytes that pass. The operation ends with the body, and well if all `length` bytes came.
fn metered_body(
    body: BoxStream<'static, Result<Bytes>>,
    length: u64,
    running: Running,
) -> BoxStream<'static, Result<Bytes>> {
    futures::stream::unfold((body, length, running), |(mut body, mut missing, mut running)| async move {
        let chunk = body.next().await;
        match &chunk {
            Some(Ok(chunk)) => {
                running.add_bytes(chunk.len() as u64);
                missing = missing.saturating_sub(chunk.len() as u64);
                if missing == 0 {
                    running.satisfied();
                }
            }
            Some(Err(error)) => running.fail(error),
            None => running.satisfied(),
        }
        chunk.map(|chunk| (chunk, (body, missing, running)))
    })
    // Some callers ask once more after the end.
    .fuse()
    .boxed()
}

/// Times a stream of items. Whoever leaves it after the first item has what it came for.
fn metered_items<T: Send + 'static>(
    items: BoxStream<'static, Result<T>>,
    running: Running,
) -> BoxStream<'static, Result<T>> {
    futures::stream::unfold((items, running), |(mut items, mut running)| async move {
        let item = items.next().await;
        match &item {
            Some(Err(error)) => running.fail(error),
            Some(Ok(_)) | None => running.satisfied(),
        }
        item.map(|item| (item, (items, running)))
    })
    // Some callers ask once more after the end.
    .fuse()
    .boxed()
}

#[derive(Debug)]
struct MeteredUpload {
    inner: Box<dyn MultipartUpload>,
    metrics: Metrics,
}

#[async_trait]
impl MultipartUpload for MeteredUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let bytes = data.content_length() as u64;
        let (part, metrics) = (self.inner.put_part(data), self.metrics.clone());
        Box::pin(async move {
            let running = metrics.begin(Operation::PutPart);
            let result = part.await;
            if result.is_ok() {
                running.add_bytes(bytes);
            }
            running.end(&result);
            result
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let running = self.metrics.begin(Operation::CompleteMultipart);
        let result = self.inner.complete().await;
        running.end(&result);
        result
    }

    async fn abort(&mut self) -> Result<()> {
        let running = self.metrics.begin(Operation::AbortMultipart);
        let result = self.inner.abort().await;
        running.end(&result);
        result
    }
}

#[cfg(test)]
mod tests;

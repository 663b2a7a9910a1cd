//! The requests that the protocol is made of.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use narthex_bucket::layout::{self, Key, SegmentId};
use narthex_model::{BlockId, ManifestRevision, WorkspaceId};
use narthex_service::timeout;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path};

use super::{Inner, ManifestError};
use crate::{BucketTime, FormatError, MAX_FILE_BYTES, Manifest, Segment, format};

/// Segments that are read at once.
const PARALLEL: usize = 16;

/// What came of writing a root.
pub(super) enum PutRoot {
    Written,
    Exists,
    /// No reply, or one that leaves open whether it was written.
    Unknown(ManifestError),
}

impl Inner {
    /// One request within its time.
    pub(super) async fn ask<T>(
        &self,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ManifestError> {
        Ok(timeout(&*self.clock, self.settings.request_timeout, request).await??)
    }

    /// The newest root: the first key below the manifest.
    pub(super) async fn list_newest(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Option<ManifestRevision>, ManifestError> {
        self.metrics.lists.inc();
        let prefix = layout::manifest_prefix(workspace);
        let mut list = self.store.list(Some(&prefix));
        // Whatever else may lie there must not hide the roots.
        while let Some(meta) = self.ask(async { list.try_next().await }).await? {
            match layout::parse(&meta.location) {
                Some(Key::Root(_, revision)) => {
                    self.bucket_clock.observe(date(&meta));
                    return Ok(Some(revision));
                }
                Some(_) => break,
                None => {}
            }
        }
        Ok(None)
    }

    /// A root with its segments, of which those that `shared` holds are not read again; `None` if it is not there.
    pub(super) async fn load(
        &self,
        workspace: WorkspaceId,
        revision: ManifestRevision,
        shared: Option<&Manifest>,
    ) -> Result<Option<Arc<Manifest>>, ManifestError> {
        let path = layout::manifest_root(workspace, revision);
        let Some(bytes) = self.get(&path).await? else { return Ok(None) };
        self.metrics.roots_read.inc();
        let wrong = |source| ManifestError::Format { path: path.clone(), source };
        let root = format::decode_root(bytes, workspace, revision).map_err(wrong)?;
        let mut segments: BTreeMap<SegmentId, Arc<Segment>> = shared
            .iter()
            .flat_map(|manifest| manifest.segments())
            .map(|segment| (segment.segment().id(), Arc::clone(segment.segment())))
            .collect();
        let missing: Vec<_> = root.segments().filter(|(id, _)| !segments.contains_key(id)).collect();
        let read = futures::stream::iter(missing).map(|(id, crc32c)| async move {
            let segment = self.load_segment(workspace, id, crc32c).await?;
            segment.ok_or(ManifestError::SegmentMissing { workspace, revision, segment: id })
        });
        let read: Vec<Segment> = read.buffer_unordered(PARALLEL).try_collect().await?;
        segments.extend(read.into_iter().map(|segment| (segment.id(), Arc::new(segment))));
        let manifest = format::resolve(root, &segments).map_err(wrong)?;
        let own = self.settings.window_length;
        if manifest.window_length() != own {
            let manifest = manifest.window_length();
            return Err(ManifestError::WindowLength { workspace, manifest, own });
        }
        Ok(Some(Arc::new(manifest)))
    }

    async fn load_segment(
        &self,
        workspace: WorkspaceId,
        id: SegmentId,
        crc32c: u32,
    ) -> Result<Option<Segment>, ManifestError> {
        let path = layout::segment(workspace, id);
        let Some(bytes) = self.get(&path).await? else { return Ok(None) };
        self.metrics.segments_read.inc();
        let segment = format::decode_segment(bytes, workspace, id, crc32c);
        segment.map(Some).map_err(|source| ManifestError::Format { path, source })
    }

    async fn get(&self, path: &Path) -> Result<Option<Bytes>, ManifestError> {
        let bytes = self.ask(async {
            let result = self.store.get(path).await?;
            self.bucket_clock.observe(date(&result.meta));
            match usize::try_from(result.meta.size) {
                Ok(size) if size <= MAX_FILE_BYTES => Ok(Ok(result.bytes().await?)),
                size => Ok(Err(FormatError::Size(size.unwrap_or(usize::MAX)))),
            }
        });
        match bytes.await {
            Ok(bytes) => {
                bytes.map(Some).map_err(|source| ManifestError::Format { path: path.clone(), source })
            }
            Err(ManifestError::Bucket(Error::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When a block was put; `None` if it is not there.
    pub(super) async fn head(
        &self,
        workspace: WorkspaceId,
        block: BlockId,
    ) -> Result<Option<BucketTime>, ManifestError> {
        let path = layout::block_data(workspace, block);
        match self.ask(self.store.head(&path)).await {
            Ok(meta) => {
                self.bucket_clock.observe(date(&meta));
                Ok(Some(date(&meta)))
            }
            Err(ManifestError::Bucket(Error::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put_segment(
        &self,
        workspace: WorkspaceId,
        id: SegmentId,
        file: Bytes,
    ) -> Result<(), ManifestError> {
        let path = layout::segment(workspace, id);
        self.ask(self.store.put(&path, PutPayload::from(file))).await.map(drop)
    }

    /// Writes a root if there is none of its revision.
    pub(super) async fn put_root(&self, manifest: &Manifest, file: Bytes) -> Result<PutRoot, ManifestError> {
        let path = layout::manifest_root(manifest.workspace(), manifest.revision());
        let bytes = file.len();
        let options = PutOptions::from(PutMode::Create);
        match self.ask(self.store.put_opts(&path, PutPayload::from(file), options)).await {
            Ok(_) => {
                self.metrics.root_written(bytes);
                Ok(PutRoot::Written)
            }
            Err(ManifestError::Bucket(Error::AlreadyExists { .. } | Error::Precondition { .. })) => {
                Ok(PutRoot::Exists)
            }
            // A store that cannot write conditionally is none for manifests.
            Err(error @ ManifestError::Bucket(Error::NotImplemented { .. } | Error::NotSupported { .. })) => {
                Err(error)
            }
            Err(error) => Ok(PutRoot::Unknown(error)),
        }
    }
}

/// The bucket's date of an object.
pub(super) fn date(meta: &object_store::ObjectMeta) -> BucketTime {
    BucketTime(meta.last_modified.timestamp_millis())
}

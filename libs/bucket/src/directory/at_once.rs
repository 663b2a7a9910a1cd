//! A directory whose ranges are read at once where the kernel has them in memory, without handing the read to another thread: waking
//! two threads, one to open the file and one to read it, takes longer than copying some pages. The kernel says itself where it would
//! have to wait for a disk (`RESOLVE_CACHED` of openat2, `RWF_NOWAIT` of preadv2), and then the read takes the usual way, as does every
//! other operation.

use std::{
    fmt,
    fs::{File, Metadata},
    io::IoSliceMut,
    ops::Range,
    path::Path as FilePath,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    local::LocalFileSystem, path::Path,
};
use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, openat2},
    io::{ReadWriteFlags, preadv2},
};

/// Most bytes that are copied on the caller's thread.
const MOST: u64 = 1 << 20;

/// The directory as a store.
#[derive(Debug)]
pub(super) struct AtOnce(pub(super) LocalFileSystem);

impl AtOnce {
    /// A range of an object, if nothing needs to be waited for. `None` says nothing about the object: it may not even exist.
    fn range(&self, location: &Path, range: &Range<u64>) -> Option<(Metadata, Bytes)> {
        let length = range.end.checked_sub(range.start).filter(|length| (1..=MOST).contains(length))?;
        let path = self.0.path_to_filesystem(location).ok()?;
        let file = open_at_once(&path)?;
        let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        // A range that ends behind the object comes short, and is cut or refused by the usual way.
        let read = preadv2(&file, &mut [IoSliceMut::new(&mut bytes)], range.start, ReadWriteFlags::NOWAIT);
        read.is_ok_and(|read| read == bytes.len()).then(|| (metadata, bytes.into()))
    }
}

fn open_at_once(path: &FilePath) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok().map(File::from)
}

/// The range of a read that has no conditions.
fn plain_range(options: &GetOptions) -> Option<&Range<u64>> {
    match options {
        GetOptions {
            if_match: None,
            if_none_match: None,
            if_modified_since: None,
            if_unmodified_since: None,
            range: Some(GetRange::Bounded(range)),
            version: None,
            head: false,
            ..
        } => Some(range),
        _ => None,
    }
}

impl fmt::Display for AtOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[async_trait]
impl ObjectStore for AtOnce {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let at_once = plain_range(&options).and_then(|range| {
            let (metadata, bytes) = self.range(location, range)?;
            let meta = ObjectMeta {
                location: location.clone(),
                last_modified: metadata.modified().ok()?.into(),
                size: metadata.len(),
                // Only conditions need one, and a read with a condition takes the usual way.
                e_tag: None,
                version: None,
            };
            let body = futures::stream::once(async { Ok(bytes) }).boxed();
            Some(GetResult {
                payload: GetResultPayload::Stream(body),
                meta,
                range: range.clone(),
                attributes: Default::default(),
                extensions: Default::default(),
            })
        });
        match at_once {
            Some(result) => Ok(result),
            None => self.0.get_opts(location, options).await,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, opts).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    async fn get(store: &AtOnce, range: Range<u64>) -> Result<(Range<u64>, u64, bool, Bytes)> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let result = store.get_opts(&Path::from("a/b"), options).await?;
        let at_once = matches!(result.payload, GetResultPayload::Stream(_));
        let (range, size) = (result.range.clone(), result.meta.size);
        Ok((range, size, at_once, result.bytes().await?))
    }

    #[tokio::test]
    async fn ranges_are_read_at_once_and_odd_ones_as_ever() {
        let root = tempfile::tempdir().expect("a folder");
        let store = AtOnce(LocalFileSystem::new_with_prefix(root.path()).expect("a store"));
        assert!(get(&store, 0..4).await.is_err(), "no object");
        store.put(&Path::from("a/b"), "0123456789".into()).await.expect("written");

        let (range, size, at_once, bytes) = get(&store, 2..6).await.expect("read");
        assert_eq!((range, size, &bytes[..]), (2..6, 10, &b"2345"[..]));
        // A kernel or a file system that cannot tell what it has in memory has every read take the usual way.
        assert_eq!(at_once, store.range(&Path::from("a/b"), &(2..6)).is_some());

        let (range, size, at_once, bytes) = get(&store, 8..40).await.expect("cut");
        assert_eq!((range, size, at_once, &bytes[..]), (8..10, 10, false, &b"89"[..]));
        assert!(get(&store, 10..12).await.is_err(), "behind the end");
        assert!(store.range(&Path::from("a"), &(0..1)).is_none(), "a folder is no object");
    }
}

//! The files of the cache: `pages`, `table`, and `lock`, which one process holds.
//!
//! A page is written before its record, and neither is synced: after a crash a record may tell of bytes that are not there,
//! and then their checksum does not agree. A page that waits to be written is read from the queue, so that the steps of one
//! request, which come faster than a disk writes, do not ask the bucket twice for it. All calls here block, and
//! [`super::BlockObject`] makes them on threads for that, but for [`DiskCache::read_at_once`]: waking a thread takes longer than
//! copying a few pages that the kernel has in memory.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufReader, IoSliceMut, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::io::{ReadWriteFlags, preadv2};

use super::{
    PAGE, Page, PageKey,
    index::{Index, Stored},
    table::{self, HEADER_BYTES, RECORD_BYTES},
};
use crate::{config::CacheSettings, metrics::CacheMetrics};

/// Pages that wait to be written, in bytes. More are not kept: a slow disk must not hold up reads, nor fill the memory.
const WRITE_QUEUE_BYTES: u64 = 64 << 20;

/// Most pages that are copied at once, on the thread that needs them.
const AT_ONCE: usize = 16;

/// The cache cannot be used; no gateway starts without the cache that it was told to have.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file system failed.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("the cache directory {} is in use by another process; give each gateway its own", .0.display())]
    InUse(PathBuf),
    /// Not even one page would fit.
    #[error("a cache of {0} bytes is too small: give it at least 1 MiB, or 0 for none")]
    TooSmall(u64),
    /// Threads could not be started.
    #[error("cannot start the threads that read blocks: {0}")]
    Threads(io::Error),
}

/// An open cache. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct DiskCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pages: File,
    table: File,
    /// Locked for as long as it is open.
    _lock: File,
    index: Mutex<Index>,
    queue: Mutex<Queue>,
    metrics: CacheMetrics,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Queue {
    /// Memory that it keeps.
    bytes: u64,
    pages: HashMap<PageKey, Bytes>,
}

impl DiskCache {
    /// Opens or makes the cache and restores what is in it. Blocks for as long as the table takes to read.
    pub(crate) fn open(settings: &CacheSettings, metrics: CacheMetrics) -> Result<Self, CacheError> {
        let slots = settings.bytes / (PAGE + RECORD_BYTES as u64);
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        if u64::from(slots) * PAGE < 1 << 19 {
            return Err(CacheError::TooSmall(settings.bytes));
        }
        let directory = &settings.directory;
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::Io { action, path, source }
        };
        fs::create_dir_all(directory).map_err(failed("make", directory))?;
        let open = |name: &str| {
            let path = directory.join(name);
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            file.map_err(failed("open", &path))
        };
        let lock = open("lock")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CacheError::InUse(directory.clone())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", directory)(source)),
        }
        let (pages, table) = (open("pages")?, open("table")?);
        let index = restore(&table, &pages, slots).map_err(failed("read the table of", directory))?;
        metrics.pages.set(index.pages() as i64);
        let (index, queue) = (Mutex::new(index), Mutex::default());
        Ok(Self(Arc::new(Inner { pages, table, _lock: lock, index, queue, metrics })))
    }

    /// The pages that are there.
    pub(crate) fn read(&self, keys: &[PageKey]) -> Vec<Option<Bytes>> {
        self.counted(keys.iter().map(|key| self.read_one(*key)).collect())
    }

    /// As [`Self::read`], if no disk needs to be waited for: the kernel has all of the pages in memory, and tells so.
    pub(crate) fn read_at_once(&self, keys: &[PageKey]) -> Option<Vec<Option<Bytes>>> {
        if keys.len() > AT_ONCE {
            return None;
        }
        let pages: Option<Vec<_>> = keys.iter().map(|key| self.read_one_at_once(*key)).collect();
        pages.map(|pages| self.counted(pages))
    }

    fn counted(&self, pages: Vec<Option<Bytes>>) -> Vec<Option<Bytes>> {
        let hits = pages.iter().flatten().count() as u64;
        let metrics = &self.0.metrics;
        metrics.hits.inc_by(hits);
        metrics.misses.inc_by(pages.len() as u64 - hits);
        metrics.read_bytes.inc_by(pages.iter().flatten().map(|page| page.len() as u64).sum());
        pages
    }

    fn read_one(&self, key: PageKey) -> Option<Bytes> {
        let fill = |bytes: &mut [u8], place| self.0.pages.read_exact_at(bytes, place).is_ok();
        self.look_up(key, fill).unwrap_or_else(|(found, damaged)| {
            self.drop_page(key, found, damaged);
            None
        })
    }

    /// `None` where the page cannot be had without waiting, or does not read back; `Some(None)` where it is not in the cache.
    fn read_one_at_once(&self, key: PageKey) -> Option<Option<Bytes>> {
        let fill = |bytes: &mut [u8], place| {
            let length = bytes.len();
            let read = preadv2(&self.0.pages, &mut [IoSliceMut::new(bytes)], place, ReadWriteFlags::NOWAIT);
            read.is_ok_and(|read| read == length)
        };
        self.look_up(key, fill).ok()
    }

    /// A page, if it is there: from the queue of writes, or as `fill` reads it from its place. One that does not read back is an error:
    /// what is known of it, and whether it was read and is another.
    fn look_up(
        &self,
        key: PageKey,
        fill: impl FnOnce(&mut [u8], u64) -> bool,
    ) -> Result<Option<Bytes>, (Stored, bool)> {
        let inner = &self.0;
        if let Some(bytes) = inner.queue.lock().pages.get(&key) {
            return Ok(Some(bytes.clone()));
        }
        let Some(found) = inner.index.lock().read(key) else { return Ok(None) };
        let mut bytes = vec![0; found.length as usize];
        let read = fill(&mut bytes, u64::from(found.slot) * PAGE);
        if read && key.checksum(&bytes) == found.checksum {
            return Ok(Some(bytes.into()));
        }
        Err((found, read))
    }

    /// Forgets a page that did not read back. If its slot was given to another page meanwhile, nothing is wrong.
    fn drop_page(&self, key: PageKey, found: Stored, damaged: bool) {
        let mut index = self.0.index.lock();
        if index.forget(key, found) {
            self.0.metrics.pages.set(index.pages() as i64);
            drop(index);
            match damaged {
                true => self.0.metrics.damaged.inc(),
                false => self.0.metrics.failed.inc(),
            };
        }
    }

    /// Puts pages, which keep so many bytes of memory, into the queue of writes; without room they are not kept.
    pub(crate) fn queue(&self, pages: Vec<Page>, bytes: u64) -> Option<Queued> {
        let mut queue = self.0.queue.lock();
        if queue.bytes + bytes > WRITE_QUEUE_BYTES {
            self.0.metrics.skipped.inc();
            return None;
        }
        queue.bytes += bytes;
        queue.pages.extend(pages.iter().map(|page| (page.key, page.bytes.clone())));
        Some(Queued { cache: self.clone(), pages, bytes })
    }

    fn write_one(&self, Page { key, bytes }: &Page) {
        let (inner, metrics) = (&self.0, &self.0.metrics);
        let Ok(length) = u32::try_from(bytes.len()) else { return };
        if length == 0 || u64::from(length) > PAGE {
            return;
        }
        let Some(claim) = inner.index.lock().claim(*key) else { return };
        metrics.evicted.inc_by(u64::from(claim.evicted));
        let checksum = key.checksum(bytes);
        let slot = u64::from(claim.slot);
        let record = table::record(*key, length, checksum);
        let written = inner
            .pages
            .write_all_at(bytes, slot * PAGE)
            .and_then(|()| inner.table.write_all_at(&record, record_place(slot)));
        let mut index = inner.index.lock();
        match written {
            Ok(()) => {
                index.commit(claim.slot, length, checksum);
                metrics.written_bytes.inc_by(u64::from(length));
            }
            Err(_) => {
                index.give_up(claim.slot);
                metrics.failed.inc();
            }
        }
        metrics.pages.set(index.pages() as i64);
    }

    /// Forgets pages, so that they are read from the bucket again.
    pub(crate) fn forget(&self, keys: impl Iterator<Item = PageKey>) {
        for key in keys {
            self.0.queue.lock().pages.remove(&key);
            let mut index = self.0.index.lock();
            if let Some(found) = index.read(key) {
                index.forget(key, found);
                self.0.metrics.pages.set(index.pages() as i64);
            }
        }
    }
}

/// Pages in the queue of writes; they leave it when this is dropped, written or not.
#[derive(Debug)]
pub(crate) struct Queued {
    cache: DiskCache,
    pages: Vec<Page>,
    bytes: u64,
}

impl Queued {
    /// Writes them, but for those that were forgotten meanwhile, or written by another request that read them too.
    pub(crate) fn write(self) {
        for page in &self.pages {
            let waits = self.cache.0.queue.lock().pages.contains_key(&page.key);
            if waits {
                self.cache.write_one(page);
                self.cache.0.queue.lock().pages.remove(&page.key);
            }
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let mut queue = self.cache.0.queue.lock();
        queue.bytes -= self.bytes;
        for page in &self.pages {
            queue.pages.remove(&page.key);
        }
    }
}

fn record_place(slot: u64) -> u64 {
    HEADER_BYTES as u64 + slot * RECORD_BYTES as u64
}

/// Reads the table. One of another format, or of a larger cache, is cut to what can be used.
fn restore(table: &File, pages: &File, slots: u32) -> io::Result<Index> {
    let mut index = Index::new(slots);
    let mut reader = BufReader::with_capacity(1 << 20, table);
    let mut header = [0; HEADER_BYTES];
    let known = match reader.read_exact(&mut header) {
        Ok(()) => header == table::header(),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error),
    };
    if known {
        let mut record = [0; RECORD_BYTES];
        for _ in 0..slots {
            match reader.read_exact(&mut record) {
                Ok(()) => index.restore(table::parse(&record)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
        }
    } else {
        table.set_len(0)?;
        table.write_all_at(&table::header(), 0)?;
    }
    let (table_end, pages_end) = (record_place(slots.into()), u64::from(slots) * PAGE);
    if table.metadata()?.len() > table_end {
        table.set_len(table_end)?;
    }
    if pages.metadata()?.len() > pages_end {
        pages.set_len(pages_end)?;
    }
    Ok(index)
}

#[cfg(test)]
#[path = "disk_test.rs"]
mod tests;

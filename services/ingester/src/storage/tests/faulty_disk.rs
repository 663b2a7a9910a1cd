//! A disk that fails on command and never waits for the real one: no test here cuts the power.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use bytes::Bytes;

use crate::storage::{Disk, DiskFile, OsDisk};

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) writes_fail: AtomicBool,
    pub(super) syncs_fail: AtomicBool,
    pub(super) full: AtomicBool,
    /// Operations that still succeed before all fail, if not negative.
    pub(super) operations_left: AtomicI64,
    pub(super) syncs: AtomicI64,
}

impl Faults {
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Self { operations_left: AtomicI64::new(-1), ..Self::default() })
    }

    fn operation(&self) -> io::Result<()> {
        let left = self.operations_left.load(Ordering::SeqCst);
        if left < 0 {
            return Ok(());
        }
        if left == 0 {
            return Err(io::Error::other("injected: the disk is gone"));
        }
        self.operations_left.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct FaultyDisk(pub(super) Arc<Faults>);

#[derive(Debug)]
struct FaultyFile(Arc<dyn DiskFile>, Arc<Faults>);

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

impl DiskFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.1.operation()?;
        if self.1.writes_fail.load(Ordering::SeqCst) {
            // Half of the bytes arrive, as a real failure may leave them.
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(io::Error::other("injected: write failed"));
        }
        self.0.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.operation()?;
        self.1.syncs.fetch_add(1, Ordering::SeqCst);
        if self.1.syncs_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected: sync failed"));
        }
        Ok(())
    }

    fn allocate(&self, from: u64, length: u64) -> io::Result<()> {
        self.1.operation()?;
        if self.1.full.load(Ordering::SeqCst) { Err(full()) } else { self.0.allocate(from, length) }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.1.operation()?;
        self.0.truncate(length)
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.operation()?;
        if self.0.full.load(Ordering::SeqCst) {
            return Err(full());
        }
        Ok(Arc::new(FaultyFile(OsDisk.create(path)?, self.0.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(FaultyFile(OsDisk.open(path)?, self.0.clone())))
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        OsDisk.read(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(directory)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.operation()?;
        OsDisk.create_directory(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.operation()?;
        OsDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.operation()?;
        OsDisk.remove(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.0.operation()?;
        OsDisk.remove_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.0.operation()?;
        if path.is_dir() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::NotFound)) }
    }
}

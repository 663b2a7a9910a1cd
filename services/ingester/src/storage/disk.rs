//! The file system as storage uses it, as a trait, so that tests can make it fail.
//!
//! Everything that decides durability goes through here: creating, preallocating, writing and syncing files, renaming, and
//! syncing directories. [`OsDisk`] is the real one. Reading maps files (see `mapping` for what that relies on).

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;

use super::mapping;

/// A file open for writing.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Writes all bytes at an offset.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Waits until what was written is on stable storage. After a failure nothing is known of what was written before.
    fn sync(&self) -> io::Result<()>;
    /// Reserves space up to `length`, so that writing there cannot run out of it; the new space reads as zeros.
    fn allocate(&self, from: u64, length: u64) -> io::Result<()>;
    /// Cuts the file off.
    fn truncate(&self, length: u64) -> io::Result<()>;
}

/// The operations on names.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Creates a file, empty, replacing one that is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// The bytes of a file that no one writes to any more.
    fn read(&self, path: &Path) -> io::Result<Bytes>;
    /// Names in a directory; none if it does not exist.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Creates a directory and those above it.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Renames, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory, which must be empty.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes created, renamed and removed names of a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OsFile(OpenOptions::new().write(true).create(true).truncate(true).open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OsFile(OpenOptions::new().write(true).open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        mapping::map(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        match fs::read_dir(directory) {
            Ok(entries) => {
                entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

#[derive(Debug)]
struct OsFile(File);

impl DiskFile for OsFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, from: u64, length: u64) -> io::Result<()> {
        use rustix::{fs::FallocateFlags, io::Errno};
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), from, length.saturating_sub(from)) {
            // A file system that cannot reserve: writing may run out of space, which stops storage instead of refusing.
            Err(Errno::OPNOTSUPP) => self.0.set_len(length),
            other => Ok(other?),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

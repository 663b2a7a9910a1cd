//! Segments that are over, as files: what was kept survives a restart.
//!
//! A folder for each workspace, a file for each segment, named by a hash of its key; both are made here, and nothing else in the
//! folder is touched. A file is written beside its place and moved there; one that cannot be believed is deleted. Nothing waits
//! for a write, and one that fails only means that the segment is evaluated again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use narthex_model::WorkspaceId;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    cache::Key,
    extent::Extent,
    file::{decode, encode, identity},
    shares::{Shares, Weighs},
};
use crate::metrics::Metrics;

/// What files end with; those of writes that were cut short end with [`UNFINISHED`].
const FILE: &str = "range";
const UNFINISHED: &str = "range-unfinished";

/// Bytes of a file.
#[derive(Debug, Clone, Copy)]
struct Size(u64);

impl Weighs<u128> for Size {
    fn bytes(&self, _: &u128) -> u64 {
        self.0
    }
}

/// Segments on disk. Cloning shares them.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    folder: Arc<Path>,
    files: Arc<Shares<u128, Size>>,
    metrics: Metrics,
}

impl Disk {
    /// Takes over what a folder holds, within these bounds.
    pub(super) fn open(folder: &Path, all: u64, one: u64, metrics: &Metrics) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder: Arc<Path> = folder.into();
        let (place, evictions) = (Arc::clone(&folder), metrics.range_evictions.clone());
        let files = Shares::new(all, one, metrics.range_disk_bytes.clone(), move |workspace, name: &u128| {
            evictions.inc();
            forget(&path(&place, workspace, *name, FILE));
        });
        let disk = Self { folder, files: Arc::new(files), metrics: metrics.clone() };
        for entry in fs::read_dir(&disk.folder)?.flatten() {
            if let Some(workspace) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                disk.take_over(workspace, &entry.path());
            }
        }
        Ok(disk)
    }

    fn take_over(&self, workspace: WorkspaceId, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = path.file_stem().and_then(|name| u128::from_str_radix(name.to_str()?, 16).ok());
            let (Some(name), Ok(about)) = (name, entry.metadata()) else { continue };
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(FILE) => self.files.add(workspace, name, Size(about.len())),
                Some(UNFINISHED) => forget(&path),
                _ => {}
            }
        }
    }

    /// What is kept of a segment. Unpacked it has at most so many bytes.
    pub(super) async fn get(&self, workspace: WorkspaceId, key: &Key, most: u64) -> Option<Vec<Arc<Extent>>> {
        let name = xxh3_128(&identity(workspace, key));
        self.files.get(workspace, &name)?;
        let (disk, key) = (self.clone(), key.clone());
        let read = move || {
            let path = path(&disk.folder, workspace, name, FILE);
            let found = fs::read(&path).ok().and_then(|bytes| decode(&bytes, workspace, &key, most));
            if found.is_none() {
                disk.metrics.range_disk_damaged.inc();
                disk.files.remove(workspace, &name);
                forget(&path);
            }
            found
        };
        let found = tokio::task::spawn_blocking(read).await.ok().flatten()?;
        self.metrics.range_disk_hits.inc();
        Some(found)
    }

    /// Writes the extents of a segment, some time soon.
    pub(super) fn put(&self, workspace: WorkspaceId, key: Key, extents: Arc<[Arc<Extent>]>) {
        let disk = self.clone();
        let write = move || {
            let Some(file) = encode(workspace, &key, &extents) else { return };
            if file.len() as u64 > disk.files.most() {
                return;
            }
            let name = xxh3_128(&identity(workspace, &key));
            if let Err(error) = disk.write(workspace, name, &file) {
                tracing::warn!(folder = %disk.folder.display(), %error, "a result was not kept on disk");
            }
        };
        drop(tokio::task::spawn_blocking(write));
    }

    fn write(&self, workspace: WorkspaceId, name: u128, file: &[u8]) -> io::Result<()> {
        let unfinished = path(&self.folder, workspace, name, UNFINISHED);
        if let Some(folder) = unfinished.parent() {
            fs::create_dir_all(folder)?;
        }
        let moved = fs::write(&unfinished, file)
            .and_then(|()| fs::rename(&unfinished, path(&self.folder, workspace, name, FILE)));
        if moved.is_err() {
            forget(&unfinished);
        }
        moved?;
        self.files.add(workspace, name, Size(file.len() as u64));
        Ok(())
    }

    /// Deletes the files of workspaces that are no more.
    pub(super) fn retain(&self, exists: impl Fn(&WorkspaceId) -> bool) {
        for workspace in self.files.retain(exists) {
            let _ = fs::remove_dir_all(self.folder.join(workspace.to_string()));
        }
    }
}

fn path(folder: &Path, workspace: WorkspaceId, name: u128, ending: &str) -> PathBuf {
    folder.join(workspace.to_string()).join(format!("{name:032x}.{ending}"))
}

/// Deletes a file; one that stays is overwritten or found damaged one day.
fn forget(path: &Path) {
    let _ = fs::remove_file(path);
}

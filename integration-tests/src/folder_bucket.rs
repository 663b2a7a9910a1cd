//! A bucket that is a folder, looked at from outside: which blocks it holds, and what happens to them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// A block's object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockFile {
    /// The block's name, by which errors call it.
    pub id: String,
    /// Its data.
    pub path: PathBuf,
}

impl BlockFile {
    /// Spoils bytes in the middle of the object, where its pages are; its size and its footer stay.
    pub fn corrupt(&self) -> Result<()> {
        let mut bytes = fs::read(&self.path)?;
        let size = bytes.len();
        ensure!(size > 512, "{} has only {size} bytes", self.path.display());
        bytes[4..size / 2].iter_mut().for_each(|byte| *byte = !*byte);
        fs::write(&self.path, bytes).with_context(|| format!("{} cannot be written", self.path.display()))
    }

    /// Deletes the object.
    pub fn remove(&self) -> Result<()> {
        fs::remove_file(&self.path).with_context(|| format!("{} cannot be removed", self.path.display()))
    }
}

/// The blocks of a workspace in the order of their names, which is that of their making.
pub fn blocks(bucket: &Path, workspace: &str) -> Result<Vec<BlockFile>> {
    let folder = bucket.join("workspaces").join(workspace).join("blocks");
    let mut blocks = Vec::new();
    for entry in entries(&folder)? {
        let path = entry.join("data.parquet");
        if path.exists() {
            let id = entry.file_name().and_then(|name| name.to_str()).context("a block's name is text")?;
            blocks.push(BlockFile { id: id.to_owned(), path });
        }
    }
    blocks.sort();
    Ok(blocks)
}

/// How many manifest roots a workspace has.
pub fn roots(bucket: &Path, workspace: &str) -> Result<usize> {
    let folder = bucket.join("workspaces").join(workspace).join("manifest");
    Ok(entries(&folder)?.iter().filter(|entry| entry.is_file()).count())
}

/// What a folder holds; nothing if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

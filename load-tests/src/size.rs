//! What the same samples of real exporters take on disk in a block, in Prometheus and in VictoriaMetrics, with everything included.
//!
//! Samples are recorded by a real Prometheus from itself and a node exporter at a stated interval, never thinned or made up. All
//! of a recording is moved to begin with a window, so that it is one window's worth; differences of times stay. Then each store
//! gets the same samples and writes them to its last form: our writer with its default settings, Prometheus's head as a block
//! by a snapshot, VictoriaMetrics's parts after a forced merge. Write-ahead logs and caches do not count for any of them.

mod block;
mod peers;
mod recording;
mod table;

use std::{fs, path::Path};

use anyhow::Result;

pub use self::{
    block::{Block, block},
    peers::{prometheus, victoria_metrics},
    recording::{Recorder, Recording, recorded},
    table::table,
};

/// What a store takes.
#[derive(Debug, Clone)]
pub struct Size {
    /// The store, with its version.
    pub name: String,
    /// Bytes of timestamps and values.
    pub samples: u64,
    /// All other bytes: labels, index, metadata.
    pub rest: u64,
    /// Samples that it holds.
    pub held: u64,
}

/// The lengths of all files in a folder and the folders in it.
fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

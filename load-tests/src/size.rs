//! What the same samples of real exporters take on disk in a block, in Prometheus and in VictoriaMetrics, with everything included.
//!
//! Samples are recorded by a real Prometheus from itself and a node exporter at a stated interval, never thinned or made up. All
//! of a recording is moved to begin with a window, so that two hours fill one; differences of times stay. Then each store gets
//! the same samples and writes them to its last form: our writer with its default settings, Prometheus's head as a block by a
//! snapshot, VictoriaMetrics's parts after a forced merge. Write-ahead logs and caches do not count for any of them.
//!
//! # The way to VictoriaMetrics's figure
//!
//! Four things brought a block of standard encodings below it:
//! - Rows lie in the order of names, so that series of one metric share a page and zstd. A store that compresses each series by
//!   itself pays a header and a fresh start for each, which shows most where rows are short.
//! - The times of a scrape are those of all its series. As whole lists they repeat, and almost all but the first vanish.
//! - Values are decimals, whose differences are packed in whole bytes with a steady base: odd widths are smaller by themselves
//!   and larger after zstd. Sums that seldom change stay whole doubles, because those repeat too.
//! - The first page of a column tries what the column may have, because none of it is best for all data.
//!
//! What is left to take, largest first:
//! - Differences of decimals as bytes of a kind, all lowest bytes together, would take about a fifth off the decimals. No standard
//!   encoding does both, so `decimals` would have to hold differences, and every reader would have to add them up.
//! - A row costs about 20 bytes for its hash and its labels, and a small block about 3 KB of footer: a fifth of all at 200 samples
//!   a row, a tenth in a full window of 15 s, less when compaction joins blocks.
//! - Targets whose scrapes jitter each in their own way have each their own list of times in every page. Larger pages of times
//!   would have fewer first lists, and a lookup would decode more.

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

//! Bytes of the write-ahead log that change while nobody runs: what a crash and what a bad disk leave behind.
//!
//! All that is known here of the log's form is how a record begins: `nrec` at a multiple of eight bytes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

const RECORD: &[u8; 4] = b"nrec";

/// Where something was changed.
#[derive(Debug, Clone)]
pub struct Damaged {
    /// The segment.
    pub segment: PathBuf,
    /// Offset of the record.
    pub offset: usize,
    /// Records of the segment from the damaged one on.
    pub records_from_here: usize,
}

impl Damaged {
    /// Flips a bit of the record, or flips it back.
    pub fn flip(&self) -> Result<()> {
        let mut bytes = fs::read(&self.segment)?;
        let at = self.offset + 40;
        ensure!(at < bytes.len(), "{} has become short", self.segment.display());
        bytes[at] ^= 0x10;
        Ok(fs::write(&self.segment, bytes)?)
    }
}

/// Flips a bit in a record of the log in `data_dir`, so many records from the end. It passes for damage only if records behind it
/// were written after it had been synced; otherwise it is a torn end.
pub fn damage_in_the_middle(data_dir: &Path, from_the_end: usize) -> Result<Damaged> {
    let (segment, bytes) = last_segment(data_dir)?;
    let starts = records(&bytes);
    ensure!(starts.len() > from_the_end, "{} has {} records only", segment.display(), starts.len());
    let offset = starts[starts.len() - from_the_end];
    let damaged = Damaged { segment, offset, records_from_here: from_the_end };
    damaged.flip()?;
    Ok(damaged)
}

/// Appends the beginning of a record, as a crash in the middle of a write leaves it.
pub fn tear_the_end(data_dir: &Path) -> Result<Damaged> {
    let (segment, mut bytes) = last_segment(data_dir)?;
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    // Behind the padding of a last record that ends with zeros.
    let offset = end.next_multiple_of(8) + 64;
    let torn = offset + 48;
    if bytes.len() < torn {
        bytes.resize(torn, 0);
    }
    bytes[offset..offset + 4].copy_from_slice(RECORD);
    bytes[offset + 4..offset + 8].copy_from_slice(&600_u32.to_le_bytes());
    bytes[offset + 24..torn].fill(7);
    fs::write(&segment, bytes)?;
    Ok(Damaged { segment, offset, records_from_here: 0 })
}

/// Records in the newest segment that has any.
pub fn count_records(data_dir: &Path) -> Result<usize> {
    Ok(records(&last_segment(data_dir)?.1).len())
}

/// The newest segment that has records, and its bytes.
fn last_segment(data_dir: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let folder = data_dir.join("wal");
    let entries = fs::read_dir(&folder).with_context(|| format!("{} cannot be listed", folder.display()))?;
    let mut segments = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
    segments.sort();
    for segment in segments.into_iter().rev() {
        let bytes = fs::read(&segment)?;
        if !records(&bytes).is_empty() {
            return Ok((segment, bytes));
        }
    }
    anyhow::bail!("no segment in {} has a record", folder.display())
}

fn records(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len().saturating_sub(24)).step_by(8).filter(|at| bytes[*at..].starts_with(RECORD)).collect()
}

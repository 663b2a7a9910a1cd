//! Reading files by mapping them: the one place with `unsafe`.
//!
//! Mapped are log segments (during replay only), snapshots and chunk files. All are complete when they are mapped: they
//! are written under another name or by an earlier process, synced, and never written, truncated or replaced in place afterwards;
//! the lock on the data directory keeps other processes of ours out. Whoever truncates such a file from outside kills the
//! process (SIGBUS), which is what a damaged disk deserves; removing one is harmless.
#![allow(unsafe_code)]

use std::{fs::File, io, path::Path};

use bytes::Bytes;
use memmap2::Mmap;

struct Mapping(Mmap);

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Maps a whole file. The bytes stay valid as long as a clone of them lives, also when the file is removed.
pub(super) fn map(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the file is not written to or truncated while it is mapped: see the module's documentation.
    let mapping = unsafe { Mmap::map(&file)? };
    Ok(Bytes::from_owner(Mapping(mapping)))
}

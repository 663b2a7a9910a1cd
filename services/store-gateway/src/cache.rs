//! The disk cache: pages of blocks, in a file of fixed slots.
//!
//! Blocks never change, so a page of one stays true for ever and needs no protocol: a cache that loses or drops a page costs one
//! request. What must not happen is that it gives wrong bytes. Every page has a checksum that is bound to its name (workspace,
//! block, size of the block, number of the page), so bytes of another page, of a write that a crash tore, or that the disk
//! damaged are noticed, counted and read from the bucket again. The operating system's page cache keeps the hot part in
//! memory.
//!
//! Own code rather than a library: foyer, the candidate, brings 25 crates (lz4 and a second zstd among them, built from C),
//! reads clocks and randomness by itself, evicts whole regions, and scans its device at start; all that is needed here is a
//! slot per page and a table that one sequential read restores (32 bytes for 64 KiB, so 100 GiB take 50 MB).

mod disk;
mod index;
mod store;
mod table;

use bytes::Bytes;
use narthex_model::{BlockId, WorkspaceId};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

pub use disk::CacheError;
pub(crate) use disk::DiskCache;
pub(crate) use store::{BlockObject, WrongSize};

/// Bytes of a page; the last one of a block is shorter.
pub(crate) const PAGE: u64 = 64 << 10;

/// Names a block's content: its workspace, its id and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BlockKey(u128);

impl BlockKey {
    pub(crate) fn new(workspace: WorkspaceId, block: BlockId, size: u64) -> Self {
        let mut bytes = [0; 40];
        bytes[..16].copy_from_slice(&workspace.to_bytes());
        bytes[16..32].copy_from_slice(&block.as_u128().to_be_bytes());
        bytes[32..].copy_from_slice(&size.to_be_bytes());
        Self(xxh3_128(&bytes))
    }

    /// The name of one of the block's pages.
    pub(crate) fn page(self, number: u64) -> PageKey {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.0.to_be_bytes());
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        PageKey(xxh3_128(&bytes))
    }
}

/// Names a page. 128 bits of hash: two names never meet, and if they did the checksum would tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PageKey(u128);

impl PageKey {
    /// The checksum of a page's bytes under this name.
    fn checksum(self, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.0 as u64)
    }
}

/// A page to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) key: PageKey,
    pub(crate) bytes: Bytes,
}

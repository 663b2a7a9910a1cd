//! Ports that no other test, in this process or another, hands out at the same time.
//!
//! The range below the kernel's ephemeral ports is cut into blocks; a block belongs to whoever holds the lock on its
//! file. The kernel drops the lock when its holder dies, so nothing has to be cleaned up. A port that some other
//! program listens on is passed over.

use std::{
    env,
    fs::{self, File},
    net::TcpListener,
    process,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};

const FIRST: u16 = 12_000;
const BLOCK: u16 = 100;
const BLOCKS: u16 = 200;

/// A block of ports.
#[derive(Debug)]
pub struct Ports {
    _lock: File,
    base: u16,
    used: AtomicU16,
}

impl Ports {
    /// Takes a block that nobody holds.
    pub fn reserve() -> Result<Self> {
        let folder = env::temp_dir().join("narthex-test-ports");
        fs::create_dir_all(&folder)?;
        // Processes begin at different blocks, so that the search is short.
        let start = (process::id() % u32::from(BLOCKS)) as u16;
        for step in 0..BLOCKS {
            let block = (start + step) % BLOCKS;
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(block.to_string()))?;
            let base = FIRST + block * BLOCK;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
                && (base..base + 40).all(is_free)
            {
                return Ok(Self { _lock: file, base, used: AtomicU16::new(0) });
            }
        }
        anyhow::bail!("all {BLOCKS} blocks of test ports are in use")
    }

    /// One free port.
    pub fn one(&self) -> Result<u16> {
        loop {
            let port = self.many(1)?;
            if is_free(port) {
                return Ok(port);
            }
        }
    }

    /// The first of `count` consecutive ports.
    pub fn many(&self, count: u16) -> Result<u16> {
        let taken = self.used.fetch_add(count, Relaxed);
        ensure!(taken + count <= BLOCK, "a test may use {BLOCK} ports");
        self.base.checked_add(taken).context("ports are below 65536")
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tests_get_different_ports() {
        let (one, other) = (Ports::reserve().unwrap(), Ports::reserve().unwrap());
        assert_ne!(one.base, other.base);
        assert_ne!(one.one().unwrap(), one.one().unwrap());
        assert!(one.many(BLOCK).is_err());
    }
}

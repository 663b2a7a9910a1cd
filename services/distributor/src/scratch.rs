//! Buffers that requests share one after the other. As many are kept as ever ran at once, within a bound; those that a very large
//! request has blown up are given back to the system.

use parking_lot::Mutex;

use crate::prepare::{RequestLimits, Scratch};

/// Buffers kept for later requests.
const KEPT: usize = 64;

/// Decoded size in bytes from which on a request's buffers are not kept.
const LARGE: usize = 4 << 20;

#[derive(Debug)]
pub(crate) struct ScratchPool {
    limits: RequestLimits,
    idle: Mutex<Vec<Scratch>>,
}

impl ScratchPool {
    pub(crate) fn new(limits: RequestLimits) -> Self {
        Self { limits, idle: Mutex::default() }
    }

    /// Runs `work` with buffers; it says how many bytes it decoded.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> (T, usize)) -> T {
        let idle = self.idle.lock().pop();
        let mut scratch = idle.unwrap_or_else(|| Scratch::new(self.limits));
        let (result, decoded) = work(&mut scratch);
        if decoded <= LARGE {
            let mut idle = self.idle.lock();
            if idle.len() < KEPT {
                idle.push(scratch);
            }
        }
        result
    }
}

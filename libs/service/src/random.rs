//! Randomness as an argument: the operating system's in production, a seeded generator in simulations.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// A shared source of random numbers. Cloning shares the state, so one seed makes a whole run repeatable.
#[derive(Clone)]
pub struct Random(Arc<Mutex<StdRng>>);

impl Random {
    /// Seeded by the operating system, with as many bits as the generator takes: secrets are made of it.
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
    pub fn from_system() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_seed(rand::random()))))
    }

    /// The same numbers for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// 128 random bits, as identifiers need them.
    pub fn bits128(&self) -> u128 {
        self.0.lock().random()
    }

    /// 64 random bits.
    pub fn bits64(&self) -> u64 {
        self.0.lock().random()
    }

    /// A number in `[0, bound)`; 0 when `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.lock().random_range(0..bound) }
    }

    /// Fills a buffer.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().fill(buffer);
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

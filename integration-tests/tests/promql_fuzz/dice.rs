//! Random choices, all from one seed.

use narthex_service::Random;

/// Throws for one expression or one set of data.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Random);

impl Dice {
    /// The throws that belong to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Random::from_seed(seed))
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    /// A number from `low` up to, without, `high`.
    pub(crate) fn between(&self, low: i64, high: i64) -> i64 {
        low + self.0.below((high - low) as u64) as i64
    }

    /// True `percent` times of a hundred.
    pub(crate) fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A number from 0 up to, without, 1.
    pub(crate) fn fraction(&self) -> f64 {
        (self.0.bits64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

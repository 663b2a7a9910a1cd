//! A histogram of durations with a relative error of at most 1/64: exponents in powers of two, 64 steps in each.

use std::time::Duration;

const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Counts of durations; quantiles are upper bounds of their bucket.
#[derive(Debug, Clone, Default)]
pub struct Quantiles {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Quantiles {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let bucket = bucket(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.longest = self.longest.max(duration);
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The duration that a share `quantile` (0 to 1) of all does not exceed; zero when nothing was counted.
    pub fn at(&self, quantile: f64) -> Duration {
        let rank = (quantile * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper(bucket)).min(self.longest);
            }
        }
        Duration::ZERO
    }
}

fn bucket(micros: u64) -> usize {
    let exponent = (u64::BITS - micros.leading_zeros()).saturating_sub(STEP_BITS + 1);
    (u64::from(exponent) * STEPS + (micros >> exponent)) as usize
}

fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let exponent = bucket / STEPS - 1;
    ((bucket - exponent * STEPS + 1) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_dense_and_bound_their_values() {
        let mut last = 0;
        for micros in 0..200_000 {
            let bucket = bucket(micros);
            assert!(bucket == last || bucket == last + 1, "{micros}");
            assert!(upper(bucket) >= micros && upper(bucket) - micros <= micros / STEPS, "{micros}");
            last = bucket;
        }
    }

    #[test]
    fn quantiles_are_those_of_the_data() {
        let mut quantiles = Quantiles::default();
        (1..=1000).for_each(|millis| quantiles.record(Duration::from_millis(millis)));
        let median = quantiles.at(0.5).as_secs_f64();
        assert!((0.5..0.51).contains(&median), "{median}");
        assert_eq!(quantiles.at(1.0), Duration::from_secs(1));
        assert_eq!(Quantiles::default().at(0.5), Duration::ZERO);
    }
}

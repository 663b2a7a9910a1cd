//! Buckets by key, as many as are in use.
//!
//! A bucket that is full again says nothing that a new one would not, so it is dropped. Dropping goes through all of them; it
//! is done when their number has doubled since the last time, or when a minute has passed, so it costs each call a constant
//! share. At most twice as many are kept as were in use at once within that minute.

use std::{collections::HashMap, hash::Hash, time::Duration};

use crate::{Rate, Refused, TokenBucket};

/// So few are never looked through.
const FEW: usize = 256;

/// How long full buckets are kept at most while others are taken from.
const SWEEP_AFTER: Duration = Duration::from_secs(60);

/// A set of token buckets. A key that is not in it has a full one.
#[derive(Debug, Clone)]
pub struct Buckets<K> {
    kept: HashMap<K, Kept>,
    /// Look through when as many are kept.
    sweep_at: usize,
    swept: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    bucket: TokenBucket,
    full_at: Duration,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { kept: HashMap::new(), sweep_at: FEW, swept: Duration::ZERO }
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Takes `amount` tokens of the key's bucket at the time `now`, or none.
    pub fn take(&mut self, key: K, rate: &Rate, now: Duration, amount: f64) -> Result<(), Refused> {
        self.sweep(now);
        let fresh = || Kept { bucket: TokenBucket::default(), full_at: now };
        let kept = self.kept.entry(key).or_insert_with(fresh);
        let outcome = kept.bucket.take(rate, now, amount);
        kept.full_at = kept.bucket.full_at(rate);
        outcome
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn sweep(&mut self, now: Duration) {
        let overdue = self.kept.len() >= FEW && now.saturating_sub(self.swept) >= SWEEP_AFTER;
        if self.kept.len() < self.sweep_at && !overdue {
            return;
        }
        self.kept.retain(|_, kept| kept.full_at > now);
        self.sweep_at = (self.kept.len() * 2).max(FEW);
        self.swept = now;
        self.kept.shrink_to(self.sweep_at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_do_not_share() {
        let rate = Rate::new(1.0, 2.0).expect("sound");
        let mut buckets = Buckets::default();
        for key in ["a", "b"] {
            assert_eq!(buckets.take(key, &rate, Duration::ZERO, 2.0), Ok(()), "{key}");
            assert!(buckets.take(key, &rate, Duration::ZERO, 1.0).is_err(), "{key}");
        }
    }

    #[test]
    fn memory_follows_the_keys_in_use() {
        let rate = Rate::new(10.0, 10.0).expect("sound");
        let mut buckets = Buckets::default();
        for key in 0..1_000_000u64 {
            // A thousand keys a second, each full again after a tenth of one.
            let now = Duration::from_millis(key);
            buckets.take(key, &rate, now, 1.0).expect("new keys are full");
            assert!(buckets.len() <= 2 * FEW, "{}", buckets.len());
        }
        let crowd = Duration::from_secs(2000);
        for key in 0..100_000u64 {
            buckets.take(key, &rate, crowd, 1.0).expect("new keys are full");
        }
        assert!(buckets.len() >= 100_000, "none that is in use is dropped");
        buckets.take(0, &rate, crowd + SWEEP_AFTER, 1.0).expect("full again");
        assert_eq!(buckets.len(), 1, "the crowd is forgotten");
    }

    proptest! {
        /// Forgetting is never seen: a set answers as if it had kept every bucket.
        #[test]
        fn a_set_answers_as_one_that_forgets_nothing(
            calls in prop::collection::vec((0u64..40, 0u16..2000, 0.0f64..3.0), 1..4000)
        ) {
            let rate = Rate::new(3.0, 3.0).expect("sound");
            let (mut buckets, mut all) = (Buckets::default(), HashMap::<u64, TokenBucket>::new());
            buckets.sweep_at = 4;
            let mut now = Duration::ZERO;
            for (pause, key, amount) in calls {
                now += Duration::from_millis(pause);
                let expected = all.entry(u64::from(key)).or_default().take(&rate, now, amount);
                prop_assert_eq!(buckets.take(u64::from(key), &rate, now, amount), expected);
            }
        }
    }
}

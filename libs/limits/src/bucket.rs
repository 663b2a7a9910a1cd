//! One token bucket.

use std::time::Duration;

use crate::Rate;

/// Tokens that were taken and have not come back yet. The default is a full bucket, whatever its rate.
///
/// Times are of a clock that does not go back, such as `Clock::monotonic`; an earlier time counts as the last one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TokenBucket {
    missing: f64,
    at: Duration,
}

/// Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The tokens will be there after this time, if nobody else takes them.
    Until(Duration),
    /// A full bucket holds fewer tokens.
    Never,
}

impl TokenBucket {
    /// Takes `amount` tokens at the time `now`, or none (RATE-6).
    pub fn take(&mut self, rate: &Rate, now: Duration, amount: f64) -> Result<(), Refused> {
        let missing = self.missing(rate, now);
        (self.missing, self.at) = (missing, self.at.max(now));
        let wanted = missing + amount;
        if wanted <= rate.burst() {
            self.missing = wanted;
            return Ok(());
        }
        if amount > rate.burst() {
            return Err(Refused::Never);
        }
        Err(Refused::Until(duration((wanted - rate.burst()) / rate.per_second())))
    }

    /// Tokens that are there. A burst that became smaller can leave it below zero.
    pub fn available(&self, rate: &Rate, now: Duration) -> f64 {
        rate.burst() - self.missing(rate, now)
    }

    /// When all tokens will be back.
    pub fn full_at(&self, rate: &Rate) -> Duration {
        self.at.saturating_add(duration(self.missing / rate.per_second()))
    }

    fn missing(&self, rate: &Rate, now: Duration) -> f64 {
        let returned = now.saturating_sub(self.at).as_secs_f64() * rate.per_second();
        (self.missing - returned).max(0.0)
    }
}

/// Rounded up by a nanosecond, so that whoever waits that long never comes too early; at most about 30 years.
fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 1e9)) + Duration::from_nanos(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// RATE-4 and the worked example: rate 170,000, bucket 1,000,000.
    #[test]
    fn the_worked_example() {
        let rate = Rate::new(170_000.0, 1_000_000.0).expect("sound");
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.take(&rate, at(100.0), 1_000_000.0), Ok(()));
        for (second, there) in [(101.0, 170_000.0), (105.0, 850_000.0), (106.0, 1_000_000.0), (900.0, 1e6)] {
            assert_eq!(bucket.available(&rate, at(second)), there, "{second}");
        }
        assert!(bucket.full_at(&rate) > at(105.8) && bucket.full_at(&rate) <= at(106.0));
    }

    /// RATE-6: 100 tokens left, 101 samples.
    #[test]
    fn a_request_is_taken_whole_or_not_at_all() {
        let rate = Rate::new(1000.0, 1000.0).expect("sound");
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.take(&rate, at(1.0), 900.0), Ok(()));
        let Err(Refused::Until(wait)) = bucket.take(&rate, at(1.0), 101.0) else { panic!("taken") };
        assert!(
            wait > Duration::from_millis(1) - Duration::from_nanos(10) && wait < Duration::from_millis(2)
        );
        assert_eq!(bucket.take(&rate, at(1.0), 100.0), Ok(()), "the refused one took nothing");
        assert_eq!(bucket.take(&rate, at(9.0), 1001.0), Err(Refused::Never));
    }

    /// RATE-5.
    #[test]
    fn a_drained_bucket_carries_its_rate() {
        let rate = Rate::new(10.0, 10.0).expect("sound");
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.take(&rate, Duration::ZERO, 10.0), Ok(()));
        for tenth in 1..10_000 {
            let now = Duration::from_millis(100 * tenth);
            assert_eq!(bucket.take(&rate, now, 1.0), Ok(()), "{tenth}");
            assert!(bucket.take(&rate, now, 1.0).is_err(), "{tenth}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let rate = Rate::new(1.0, 1.0).expect("sound");
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.take(&rate, at(10.0), 1.0), Ok(()));
        assert!(bucket.take(&rate, at(5.0), 1.0).is_err());
        assert!(bucket.take(&rate, at(10.5), 1.0).is_err());
        assert_eq!(bucket.take(&rate, at(11.0), 1.0), Ok(()));
    }

    #[test]
    fn unsound_rates_are_none() {
        for (per_second, burst) in
            [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)]
        {
            assert_eq!(Rate::new(per_second, burst), None, "{per_second} {burst}");
        }
    }

    proptest! {
        /// In no stretch of time is more taken than the burst and what comes back in it, and who waits as told gets it.
        #[test]
        fn the_rate_is_kept_and_promises_too(
            per_second in 0.01f64..1e7, burst in 0.1f64..1e7,
            steps in prop::collection::vec((0u64..3_000_000_000, 0.0f64..1.2), 1..60),
        ) {
            let rate = Rate::new(per_second, burst).expect("sound");
            let (mut bucket, mut now) = (TokenBucket::default(), at(1000.0));
            let mut taken: Vec<(Duration, f64)> = Vec::new();
            for (pause, share) in steps {
                now += Duration::from_nanos(pause);
                let amount = share * burst;
                match bucket.take(&rate, now, amount) {
                    Ok(()) => taken.push((now, amount)),
                    Err(Refused::Until(wait)) => {
                        let mut later = bucket;
                        prop_assert_eq!(later.take(&rate, now + wait, amount), Ok(()));
                        prop_assert!(amount <= burst && bucket.available(&rate, now) < amount);
                    }
                    Err(Refused::Never) => prop_assert!(amount > burst),
                }
                let available = bucket.available(&rate, now);
                prop_assert!((0.0..=burst).contains(&available), "{}", available);
                prop_assert_eq!(bucket.available(&rate, bucket.full_at(&rate)), burst);
            }
            for (first, (from, _)) in taken.iter().enumerate() {
                let mut sum = 0.0;
                for (until, amount) in &taken[first..] {
                    sum += amount;
                    let allowed = burst + (*until - *from).as_secs_f64() * per_second;
                    prop_assert!(sum <= allowed * (1.0 + 1e-9), "{} of {}", sum, allowed);
                }
            }
        }
    }
}

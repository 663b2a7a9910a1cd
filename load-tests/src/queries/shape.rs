//! What the samples of a series are, as a function of its seed and the time alone, so that any part of a load can be made by
//! itself and is the same in every run.
//!
//! A counter's pace swings over a day and over half an hour and never falls below a quarter of its mean; its noise is smaller
//! than what it gains between two samples, so it falls only where its process restarts. Buckets of one histogram share its
//! seed, and so rise together.

use std::f64::consts::TAU;

use narthex_model::{BucketSpan, Counts, Histogram};

const DAY: f64 = 86_400.0;
const HALF_HOUR: f64 = 1_800.0;
/// When counters started that never restart: before all data, seconds since the epoch.
const BEFORE: f64 = 1_766_000_000.0;
/// Swing of a counter's pace over a day and over half an hour.
const SWINGS: [f64; 2] = [0.4, 0.3];
/// Noise of a counter, as a share of what it gains between two samples on average.
const NOISE: f64 = 0.2;

/// Buckets of a native histogram: schema 2, four for each power of two.
const NATIVE_BUCKETS: u32 = 24;
const NATIVE_SCHEMA: i8 = 2;

/// The kind of a series, with its scale.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Rises by `rate` a second, of which it shows `share`, cut to multiples of `unit` (0: not cut).
    Counter { rate: f64, share: f64, unit: f64 },
    /// Swings around `base` by the share `swing`, cut to multiples of `unit`.
    Gauge { base: f64, swing: f64, unit: f64 },
    /// Never changes.
    Constant(f64),
    /// A native histogram of `rate` observations a second whose median is `median`.
    Native { rate: f64, median: f64 },
}

/// When a sample is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Seconds since the epoch.
    pub(super) seconds: f64,
    /// Seconds between samples.
    pub(super) interval: f64,
    /// When the series' process last started, seconds since the epoch; what came before the data counts as no restart.
    pub(super) started: Option<f64>,
}

/// The share of observations that are at most `bound` where half are at most `median`.
pub(super) fn share_up_to(bound: f64, median: f64) -> f64 {
    1.0 / (1.0 + (-(bound / median).ln() / 0.45).exp())
}

/// A number in 0..1 that `seed` and `salt` alone decide (the finalizer of SplitMix64).
pub(super) fn unit(seed: u64, salt: u64) -> f64 {
    let mut bits = seed.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

impl Shape {
    /// The value of a float series.
    pub(super) fn float(self, seed: u64, at: Moment) -> f64 {
        match self {
            Self::Counter { rate, share, unit } => cut(counted(seed, rate, at) * share, unit),
            Self::Gauge { base, swing, unit: step } => {
                let wave = 0.6 * wave(seed, DAY, at.seconds) + 0.4 * wave(seed ^ 1, HALF_HOUR, at.seconds);
                cut(base * (1.0 + swing * (wave + 0.2 * noise(seed, at))), step)
            }
            Self::Constant(value) => value,
            Self::Native { rate, .. } => counted(seed, rate, at),
        }
    }

    /// The value of a native histogram.
    pub(super) fn histogram(self, seed: u64, at: Moment) -> Option<Histogram> {
        let Self::Native { rate, median } = self else { return None };
        let count = counted(seed, rate, at);
        let per_power = f64::from(1u32 << NATIVE_SCHEMA);
        let first = (median.log2() * per_power).round() as i32 - NATIVE_BUCKETS as i32 / 2;
        let up_to = |index: i32| share_up_to((f64::from(index) / per_power).exp2(), median);
        let positive: Vec<i64> = (first..first + NATIVE_BUCKETS as i32)
            .map(|index| (count * (up_to(index) - up_to(index - 1))) as i64)
            .collect();
        let total = positive.iter().sum::<i64>().unsigned_abs();
        Some(Histogram {
            schema: NATIVE_SCHEMA,
            sum: total as f64 * median * 1.2,
            zero_threshold: 1e-128,
            positive_spans: vec![BucketSpan { offset: first, length: NATIVE_BUCKETS }],
            counts: Counts::Int { zero: 0, total, positive, negative: Vec::new() },
            ..Histogram::default()
        })
    }
}

/// What a counter has counted since its process started.
fn counted(seed: u64, rate: f64, at: Moment) -> f64 {
    let swung = |seconds: f64| {
        let [day, half_hour] = [(DAY, seed), (HALF_HOUR, seed ^ 1)]
            .map(|(period, seed)| period / TAU * (1.0 - wave_down(seed, period, seconds)));
        seconds + SWINGS[0] * day + SWINGS[1] * half_hour
    };
    let gained = match at.started {
        Some(started) => swung(at.seconds) - swung(started),
        None => swung(at.seconds) - swung(BEFORE) + unit(seed, 2) * 1e5,
    };
    rate * (gained + NOISE * at.interval * noise(seed, at))
}

fn wave(seed: u64, period: f64, seconds: f64) -> f64 {
    (TAU * (seconds / period + unit(seed, 3)).fract()).sin()
}

/// The cosine that [`wave`] is the falling slope of.
fn wave_down(seed: u64, period: f64, seconds: f64) -> f64 {
    (TAU * (seconds / period + unit(seed, 3)).fract()).cos()
}

fn noise(seed: u64, at: Moment) -> f64 {
    unit(seed, (at.seconds * 1000.0) as u64)
}

fn cut(value: f64, step: f64) -> f64 {
    if step == 0.0 {
        value
    } else if step < 1.0 {
        // Dividing by a whole number gives the float nearest to the decimal.
        (value * step.recip().round()).floor() / step.recip().round()
    } else {
        (value / step).floor() * step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments() -> impl Iterator<Item = Moment> {
        (0..5_000).map(|tick| Moment {
            seconds: 1_767_000_000.123 + f64::from(tick) * 15.0,
            interval: 15.0,
            started: (tick >= 2_000).then_some(1_767_030_000.0),
        })
    }

    #[test]
    fn counters_fall_only_when_their_process_restarts() {
        for seed in 0..20 {
            let shape = Shape::Counter { rate: 3.0, share: 1.0, unit: 0.01 };
            let values: Vec<f64> = moments().map(|at| shape.float(seed, at)).collect();
            let falls: Vec<usize> =
                (1..values.len()).filter(|&tick| values[tick] < values[tick - 1]).collect();
            assert_eq!(falls, [2_000]);
        }
    }

    #[test]
    fn buckets_are_cumulative_and_add_up() {
        let at = moments().nth(100).unwrap();
        let bucket = |bound: f64| {
            let share = share_up_to(bound, 0.05);
            Shape::Counter { rate: 9.0, share, unit: 1.0 }.float(7, at)
        };
        assert!(bucket(0.01) < bucket(0.05) && bucket(0.05) < bucket(0.25));
        let histogram = Shape::Native { rate: 9.0, median: 0.05 }.histogram(7, at).unwrap();
        histogram.validate().unwrap();
        assert!(matches!(histogram.counts, Counts::Int { total, .. } if total > 1_000));
    }
}

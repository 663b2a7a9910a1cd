//! A histogram of durations in both forms: classic buckets that grow by a half, and native ones.

use std::collections::BTreeMap;

use narthex_model::{BucketSpan, Counts, Histogram};

/// Classic buckets: 0.0001 s, and each half as much again as the one before.
const BUCKETS: i32 = 25;
/// Four native buckets for each doubling.
const SCHEMA: i8 = 2;

/// Observed durations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durations {
    classic: [u64; BUCKETS as usize + 1],
    native: BTreeMap<i32, i64>,
    sum: f64,
    count: u64,
}

impl Durations {
    pub(crate) fn observe(&mut self, seconds: f64) {
        let bucket = (0..BUCKETS).find(|number| seconds <= bound(*number)).unwrap_or(BUCKETS);
        self.classic[bucket as usize] += 1;
        let index = (seconds.log2() * f64::from(1 << SCHEMA)).ceil() as i32;
        *self.native.entry(index).or_default() += 1;
        self.sum += seconds;
        self.count += 1;
    }

    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// `le` and how many took that long at most.
    pub(crate) fn classic(&self) -> Vec<(String, f64)> {
        let mut below = 0;
        let buckets = self.classic.iter().zip(0..).map(|(count, number)| {
            below += count;
            let le = if number == BUCKETS { "+Inf".to_owned() } else { bound(number).to_string() };
            (le, below as f64)
        });
        buckets.collect()
    }

    pub(crate) fn native(&self) -> Histogram {
        let mut positive_spans: Vec<BucketSpan> = Vec::new();
        let mut next = 0;
        for index in self.native.keys() {
            match positive_spans.last_mut() {
                Some(span) if *index == next => span.length += 1,
                _ => positive_spans.push(BucketSpan { offset: index - next, length: 1 }),
            }
            next = index + 1;
        }
        let positive = self.native.values().copied().collect();
        let counts = Counts::Int { zero: 0, total: self.count, positive, negative: Vec::new() };
        Histogram {
            schema: SCHEMA,
            zero_threshold: f64::from_bits(0x37f0_0000_0000_0000),
            sum: self.sum,
            positive_spans,
            counts,
            ..Histogram::default()
        }
    }
}

fn bound(number: i32) -> f64 {
    0.0001 * 1.5f64.powi(number)
}

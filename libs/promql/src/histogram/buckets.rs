//! Bucket bounds, and all buckets of a histogram in order.

use super::{
    bounds::BOUNDS,
    float::{CUSTOM, FloatHistogram},
};

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

impl Bucket {
    /// Which part of the bucket lies at or below `value`, which must be inside of finite bounds.
    pub(crate) fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let (lower, upper, at) = (self.lower.abs().log2(), self.upper.abs().log2(), value.abs().log2());
        if value > 0.0 { (at - lower) / (upper - lower) } else { 1.0 - (at - upper) / (lower - upper) }
    }
}

/// Upper bound of the bucket `index` (of positive buckets).
pub(crate) fn bound(index: i32, schema: i32, custom: &[f64]) -> f64 {
    if schema == CUSTOM {
        return match usize::try_from(index) {
            Err(_) => f64::NEG_INFINITY,
            Ok(index) => custom.get(index).copied().unwrap_or(f64::INFINITY),
        };
    }
    if schema < 0 {
        let exponent = i64::from(index) << -schema;
        return if exponent == 1024 { f64::MAX } else { power_of_two(exponent) };
    }
    let steps = 1i64 << schema;
    let (exponent, part) = (i64::from(index).div_euclid(steps), i64::from(index).rem_euclid(steps));
    if part == 0 {
        return if exponent == 1024 { f64::MAX } else { power_of_two(exponent) };
    }
    // The mantissa lies in (0.5, 1), so that the largest bounds do not overflow early.
    let mantissa = BOUNDS[(part as usize) << (8 - schema)];
    if exponent >= 1023 {
        mantissa * power_of_two(exponent - 1) * 4.0
    } else {
        mantissa * power_of_two(exponent + 1)
    }
}

/// By its bits: it is asked for every bucket of every histogram that is compared.
fn power_of_two(exponent: i64) -> f64 {
    match exponent {
        1024.. => f64::INFINITY,
        -1022..1024 => f64::from_bits(((exponent + 1023) as u64) << 52),
        -1074..-1022 => f64::from_bits(1 << (exponent + 1074)),
        _ => 0.0,
    }
}

impl FloatHistogram {
    /// The positive bucket at a position of the sparse list.
    pub(crate) fn positive_bucket(&self, (index, count): (i32, f64)) -> Bucket {
        let edge = |index| bound(index, self.schema, &self.custom);
        Bucket { lower: edge(index.saturating_sub(1)), upper: edge(index), count }
    }

    /// The negative bucket at a position of the sparse list.
    pub(crate) fn negative_bucket(&self, (index, count): (i32, f64)) -> Bucket {
        let edge = |index| -bound(index, self.schema, &[]);
        Bucket { lower: edge(index), upper: edge(index.saturating_sub(1)), count }
    }

    /// The bucket around zero.
    pub(crate) fn zero_bucket(&self) -> Bucket {
        Bucket { lower: -self.zero_threshold, upper: self.zero_threshold, count: self.zero_count }
    }

    /// All buckets, ascending; those next to the zero bucket are cut at its edges.
    pub(crate) fn all_buckets(&self) -> Vec<Bucket> {
        let edge = self.zero_threshold;
        let mut all = Vec::with_capacity(self.negative.len() + self.positive.len() + 1);
        for entry in self.negative.iter().rev() {
            let mut bucket = self.negative_bucket(*entry);
            if bucket.upper < 0.0 && bucket.upper > -edge {
                bucket.upper = -edge;
            }
            all.push(bucket);
        }
        if self.zero_count > 0.0 {
            all.push(self.zero_bucket());
        }
        for entry in &self.positive {
            let mut bucket = self.positive_bucket(*entry);
            if bucket.lower > 0.0 && bucket.lower < edge {
                bucket.lower = edge;
            }
            all.push(bucket);
        }
        all
    }
}

//! The operators `</` and `>/`: what lies on one side of a value is kept, the rest is cut off.
//!
//! Where the cut goes through a bucket, observations are assumed to be spread over it (evenly over custom and zero
//! buckets, exponentially elsewhere), and the sum is estimated from the buckets' midpoints.

use super::{buckets::Bucket, float::FloatHistogram};

impl FloatHistogram {
    /// Keeps observations below (`upper_trim`) or above `edge`.
    pub(crate) fn trim(mut self, edge: f64, upper_trim: bool) -> Self {
        let linear = self.uses_custom_buckets();
        let (mut count, mut sum, mut trimmed) = (0.0, 0.0, false);
        let has = |sparse: &[(i32, f64)]| sparse.iter().any(|(_, count)| *count != 0.0);
        let (has_positive, has_negative) = (has(&self.positive), has(&self.negative));
        for positive in [true, false] {
            let source = if positive { &self.positive } else { &self.negative };
            let cut: Vec<(i32, f64)> = source
                .iter()
                .map(|entry| {
                    if entry.1 == 0.0 {
                        return *entry;
                    }
                    let bucket =
                        if positive { self.positive_bucket(*entry) } else { self.negative_bucket(*entry) };
                    let (kept, midpoint) = cut_bucket(&bucket, edge, upper_trim, positive, linear);
                    count += kept;
                    sum += midpoint * kept;
                    trimmed |= kept != bucket.count;
                    (entry.0, kept)
                })
                .collect();
            *(if positive { &mut self.positive } else { &mut self.negative }) = cut;
        }
        if self.zero_count > 0.0 {
            let (kept, midpoint) = cut_zero(self.zero_bucket(), edge, has_negative, has_positive, upper_trim);
            trimmed |= kept != self.zero_count;
            self.zero_count = kept;
            sum += midpoint * kept;
            count += kept;
        }
        if !trimmed {
            return self;
        }
        self.count = count;
        self.sum = sum;
        self.compact()
    }
}

/// How much of a bucket is kept, and the value that stands for it.
fn cut_bucket(bucket: &Bucket, edge: f64, upper_trim: bool, positive: bool, linear: bool) -> (f64, f64) {
    let Bucket { lower, upper, count } = *bucket;
    let (whole, nothing) =
        if upper_trim { (upper <= edge, lower >= edge) } else { (lower >= edge, upper <= edge) };
    if whole {
        return (count, midpoint(lower, upper, positive, linear));
    }
    if nothing || edge.is_nan() {
        return (0.0, 0.0);
    }
    if lower == f64::NEG_INFINITY || upper == f64::INFINITY {
        return cut_infinite(bucket, edge, upper_trim);
    }
    let under = count * bucket.fraction_below(edge, linear);
    if upper_trim {
        (under, midpoint(lower, edge, positive, linear))
    } else {
        (count - under, midpoint(edge, upper, positive, linear))
    }
}

fn cut_infinite(bucket: &Bucket, edge: f64, upper_trim: bool) -> (f64, f64) {
    let Bucket { lower, upper, count } = *bucket;
    let finite = |value: f64| if value.is_infinite() { 0.0 } else { value };
    if lower == f64::NEG_INFINITY {
        return match upper_trim {
            true if edge >= upper => (count, 0.0),
            true if edge > 0.0 && upper > 0.0 && upper != f64::INFINITY => (count * edge / upper, edge / 2.0),
            true if upper <= 0.0 => (count, edge),
            false if edge <= lower => (count, 0.0),
            false if edge >= 0.0 && upper > edge && upper != f64::INFINITY => {
                (count * (1.0 - edge / upper), (edge + upper) / 2.0)
            }
            _ => (0.0, finite(upper)),
        };
    }
    if !upper_trim && edge >= lower { (count, edge) } else { (0.0, finite(lower)) }
}

fn cut_zero(zero: Bucket, edge: f64, has_negative: bool, has_positive: bool, upper_trim: bool) -> (f64, f64) {
    let lower = if has_positive && !has_negative { 0.0 } else { zero.lower };
    let upper = if has_negative && !has_positive { 0.0 } else { zero.upper };
    let (all, none) =
        if upper_trim { (edge >= upper, edge <= lower) } else { (edge <= lower, edge >= upper) };
    // Of a zero bucket without width, both are true at its edge.
    if none && (upper_trim || !all) {
        return (0.0, 0.0);
    }
    if all {
        return (zero.count, (lower + upper) / 2.0);
    }
    let width = upper - lower;
    if upper_trim {
        (zero.count * ((edge - lower) / width), (lower + edge) / 2.0)
    } else {
        (zero.count * ((upper - edge) / width), (edge + upper) / 2.0)
    }
}

/// The value that stands for observations between two bounds.
fn midpoint(lower: f64, upper: f64, positive: bool, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) => {
            if upper > 0.0 {
                upper / 2.0
            } else {
                upper
            }
        }
        (false, true) => lower,
        (false, false) if linear => (lower + upper) / 2.0,
        (false, false) => {
            let mean = (lower * upper).abs().sqrt();
            if positive { mean } else { -mean }
        }
    }
}

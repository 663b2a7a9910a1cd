//! Quantiles and fractions of native histograms.

use super::{buckets::Bucket, float::FloatHistogram};

/// What the user should know about a quantile or fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuantileNote {
    /// NaN observations decide: the result is NaN.
    Undefined,
    /// NaN observations push the result up.
    Skewed,
    /// NaN observations are in no fraction.
    Excluded,
}

/// The `q`-quantile.
pub(crate) fn native_quantile(q: f64, histogram: &FloatHistogram) -> (f64, Option<QuantileNote>) {
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if histogram.count == 0.0 || q.is_nan() {
        return (f64::NAN, None);
    }
    // From the nearer end, unless NaN observations sit at the upper one.
    let nan_sum = histogram.sum.is_nan();
    let forward = nan_sum || q < 0.5;
    let mut buckets = histogram.all_buckets();
    if !forward {
        buckets.reverse();
    }
    let mut rank = if forward { q * histogram.count } else { (1.0 - q) * histogram.count };
    let mut bucket = Bucket { lower: 0.0, upper: 0.0, count: 0.0 };
    let (mut count, mut rest) = (0.0, buckets.iter());
    for candidate in rest.by_ref().filter(|bucket| bucket.count != 0.0) {
        bucket = *candidate;
        count += bucket.count;
        if count >= rank {
            break;
        }
    }
    if histogram.uses_custom_buckets() {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return (bucket.upper, None);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return (bucket.lower, None);
        }
    } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
        one_sided_zero(histogram, &mut bucket);
    }
    count = count.min(histogram.count);
    if count < rank {
        return if nan_sum { (f64::NAN, Some(QuantileNote::Undefined)) } else { (bucket.upper, None) };
    }
    rank = if forward { rank - (count - bucket.count) } else { count - rank };
    let all: f64 = count + rest.map(|bucket| bucket.count).sum::<f64>();
    let note = (nan_sum && all < histogram.count).then_some(QuantileNote::Skewed);
    let fraction = rank / bucket.count;
    if histogram.uses_custom_buckets() || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return (bucket.lower + (bucket.upper - bucket.lower) * fraction, note);
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        return ((lower + (upper - lower) * fraction).exp2(), note);
    }
    (-(upper + (lower - upper) * (1.0 - fraction)).exp2(), note)
}

/// With observations on one side only, the zero bucket is taken to lie on that side.
fn one_sided_zero(histogram: &FloatHistogram, bucket: &mut Bucket) {
    match (histogram.negative.is_empty(), histogram.positive.is_empty()) {
        (true, false) => bucket.lower = 0.0,
        (false, true) => bucket.upper = 0.0,
        _ => {}
    }
}

/// The fraction of observations between `lower` and `upper`.
pub(crate) fn native_fraction(
    lower: f64,
    upper: f64,
    histogram: &FloatHistogram,
) -> (f64, Option<QuantileNote>) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, None);
    }
    if lower >= upper {
        return (0.0, None);
    }
    let (mut count, mut rank) = (0.0, 0.0);
    let (mut lower_rank, mut upper_rank) = (None, None);
    let buckets = histogram.all_buckets();
    let mut rest = buckets.iter();
    for bucket in rest.by_ref() {
        let mut bucket = *bucket;
        count += bucket.count;
        let zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if zero {
            one_sided_zero(histogram, &mut bucket);
        }
        let linear = histogram.uses_custom_buckets() || zero;
        let at = |value: f64| {
            if linear && bucket.lower == f64::NEG_INFINITY {
                return bucket.count;
            }
            rank + bucket.count * bucket.fraction_below(value, linear)
        };
        for (edge, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if found.is_none() && bucket.lower >= edge {
                *found = Some(rank);
            }
            if found.is_none() && bucket.lower < edge && bucket.upper > edge {
                *found = Some(at(edge));
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let mut note = None;
    if histogram.sum.is_nan() {
        count += rest.map(|bucket| bucket.count).sum::<f64>();
        note = (count < histogram.count).then_some(QuantileNote::Excluded);
    } else {
        count = histogram.count;
    }
    let settle = |rank: Option<f64>| rank.filter(|rank| *rank <= count).unwrap_or(count);
    ((settle(upper_rank) - settle(lower_rank)) / histogram.count, note)
}

//! Sums, means, variances and quantiles of floats, in Prometheus's order and with its compensation.

use crate::histogram::kahan;

/// The mean: of the sum as long as that does not overflow, then incrementally.
pub(in crate::engine) fn mean(values: &[f64]) -> f64 {
    let mut sum = values.first().copied().unwrap_or(f64::NAN);
    let (mut lost, mut mean, mut incremental) = (0.0, 0.0, false);
    for (at, value) in values.iter().enumerate().skip(1) {
        let count = (at + 1) as f64;
        if !incremental {
            let (mut new_sum, mut new_lost) = (sum, lost);
            kahan(*value, &mut new_sum, &mut new_lost);
            if !new_sum.is_infinite() {
                (sum, lost) = (new_sum, new_lost);
                continue;
            }
            incremental = true;
            mean = sum / (count - 1.0);
            lost /= count - 1.0;
        }
        let keep = (count - 1.0) / count;
        mean *= keep;
        lost *= keep;
        kahan(value / count, &mut mean, &mut lost);
    }
    if incremental {
        return mean + lost;
    }
    let count = values.len() as f64;
    sum / count + lost / count
}

/// The compensated sum.
pub(in crate::engine) fn sum(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0, 0.0);
    values.iter().for_each(|value| kahan(*value, &mut sum, &mut lost));
    if sum.is_infinite() { sum } else { sum + lost }
}

/// The variance of the population.
pub(in crate::engine) fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut mean_lost, mut squares, mut squares_lost) = (0.0, 0.0, 0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let delta = value - (mean + mean_lost);
        kahan(delta / (at + 1) as f64, &mut mean, &mut mean_lost);
        kahan(delta * (value - (mean + mean_lost)), &mut squares, &mut squares_lost);
    }
    (squares + squares_lost) / values.len() as f64
}

/// The `q`-quantile by linear interpolation between neighbours; NaN sorts first.
pub(in crate::engine) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| {
        b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    });
    let most = (values.len() - 1) as f64;
    let rank = q * most;
    let lower = rank.floor().max(0.0);
    let upper = most.min(lower + 1.0);
    let weight = rank - rank.floor();
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

//! Exact sums, one for every step of a group.
//!
//! A sum of floats that is rounded on the way depends on the order of its parts, and with that on how many cores and machines
//! took part. Here nothing is rounded until the end, so every way leads to the same bits: those of the true sum rounded once,
//! which is what Prometheus's compensated sums give as well unless they lose much. A sum is kept as two floats
//! as long as they hold it without an error, which is nearly always, and as a list of floats from then on (Shewchuk 1997).

use std::collections::HashMap;

use crate::histogram::two_sum;

/// Floats that are at least this large are summed apart, scaled, so that no partial sum overflows.
const LARGE: f64 = f64::from_bits(((1023 + 900) as u64) << 52);
/// What large floats are scaled by; a power of two, so nothing is lost.
const SCALE: f64 = f64::from_bits(((1023 - 600) as u64) << 52);

/// What does not fit into two floats.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::engine) struct Rest {
    /// Floats whose exact sum belongs to the total.
    pub(in crate::engine) parts: Vec<f64>,
    /// Likewise, but scaled.
    pub(in crate::engine) large: Vec<f64>,
    /// Not a number if both infinities or NaN were added.
    pub(in crate::engine) infinite: f64,
}

/// Sums of as many steps as they were made for.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct ExactSums {
    pub(in crate::engine) high: Vec<f64>,
    pub(in crate::engine) low: Vec<f64>,
    pub(in crate::engine) rest: HashMap<usize, Rest>,
}

impl ExactSums {
    pub(in crate::engine) fn new(steps: usize) -> Self {
        Self { high: vec![0.0; steps], low: vec![0.0; steps], rest: HashMap::new() }
    }

    /// Adds to the sum of one step.
    #[inline]
    pub(in crate::engine) fn add(&mut self, at: usize, value: f64) {
        let (high, error) = two_sum(self.high[at], value);
        let (low, lost) = two_sum(self.low[at], error);
        if lost == 0.0 && value.abs() < LARGE {
            self.high[at] = high;
            self.low[at] = low;
        } else {
            self.add_slowly(at, value);
        }
    }

    #[cold]
    fn add_slowly(&mut self, at: usize, value: f64) {
        let rest = self.rest.entry(at).or_default();
        if !value.is_finite() {
            rest.infinite += value;
        } else if value.abs() >= LARGE {
            grow(&mut rest.large, value * SCALE);
        } else {
            grow(&mut rest.parts, value);
        }
    }

    /// Adds the sums of the same steps.
    pub(in crate::engine) fn merge(&mut self, other: Self) {
        for (at, (high, low)) in other.high.into_iter().zip(other.low).enumerate() {
            self.add(at, high);
            self.add(at, low);
        }
        for (at, rest) in other.rest {
            rest.parts.iter().for_each(|part| self.add(at, *part));
            let mine = self.rest.entry(at).or_default();
            mine.infinite += rest.infinite;
            rest.large.iter().for_each(|part| grow(&mut mine.large, *part));
        }
    }

    /// The sum of a step, rounded to the nearest float.
    pub(in crate::engine) fn sum(&self, at: usize) -> f64 {
        self.total(at).map_or_else(|infinite| infinite, |(sum, _, scale)| sum / scale)
    }

    /// The sum of a step divided by `count`; finite wherever the mean is, though the sum may not be.
    pub(in crate::engine) fn mean(&self, at: usize, count: f64) -> f64 {
        self.total(at)
            .map_or_else(|infinite| infinite, |(sum, error, scale)| (sum / count + error / count) / scale)
    }

    /// The sum, what rounding took from it, and what both are to be divided by; or the sum that is not finite.
    fn total(&self, at: usize) -> Result<(f64, f64, f64), f64> {
        let (high, low) = (self.high[at], self.low[at]);
        let Some(rest) = self.rest.get(&at) else {
            let (sum, error) = two_sum(high, low);
            return Ok((sum, error, 1.0));
        };
        if rest.infinite != 0.0 {
            return Err(rest.infinite);
        }
        let mut parts = Vec::with_capacity(rest.parts.len() + rest.large.len() + 2);
        let scale = if rest.large.iter().sum::<f64>() == 0.0 { 1.0 } else { SCALE };
        for part in rest.parts.iter().chain([&low, &high]) {
            grow(&mut parts, part * scale);
        }
        rest.large.iter().for_each(|part| grow(&mut parts, *part));
        let sum = rounded(&parts);
        grow(&mut parts, -sum);
        Ok((sum, rounded(&parts), scale))
    }
}

/// Adds to a list of floats that do not overlap, smallest first.
fn grow(parts: &mut Vec<f64>, value: f64) {
    let mut value = value;
    let mut kept = 0;
    for at in 0..parts.len() {
        let (sum, error) = two_sum(value, parts[at]);
        value = sum;
        if error != 0.0 {
            parts[kept] = error;
            kept += 1;
        }
    }
    parts.truncate(kept);
    if value != 0.0 {
        parts.push(value);
    }
}

/// The float nearest to the sum of floats that do not overlap, smallest first; ties go to even.
fn rounded(parts: &[f64]) -> f64 {
    let Some((largest, mut others)) = parts.split_last() else { return 0.0 };
    let mut sum = *largest;
    while let Some((next, before)) = others.split_last() {
        let (total, error) = two_sum(sum, *next);
        (sum, others) = (total, before);
        if error != 0.0 {
            // Half way between two floats: what is below decides.
            let below = before.last().copied().unwrap_or_default();
            if (error < 0.0 && below < 0.0) || (error > 0.0 && below > 0.0) {
                let doubled = error * 2.0;
                let other = sum + doubled;
                if other - sum == doubled {
                    sum = other;
                }
            }
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum_of(values: &[f64]) -> ExactSums {
        let mut sums = ExactSums::new(1);
        values.iter().for_each(|value| sums.add(0, *value));
        sums
    }

    #[test]
    fn nothing_is_lost_between_large_and_small() {
        assert_eq!(sum_of(&[1.0, 1e100, 1.0, -1e100]).sum(0), 2.0);
        assert_eq!(sum_of(&[1e308, 1e308, -1e308]).sum(0), 1e308);
        assert_eq!(sum_of(&[f64::MAX, 5e-324, -f64::MAX]).sum(0), 5e-324);
        assert_eq!(sum_of(&[0.1; 10]).sum(0), 1.0);
        assert_eq!(sum_of(&[1.0, f64::EPSILON / 2.0, 5e-324]).sum(0), 1.0 + f64::EPSILON, "above the tie");
        assert_eq!(sum_of(&[1.0, f64::EPSILON / 2.0]).sum(0), 1.0, "the tie goes to even");
    }

    #[test]
    fn infinities_and_nan_win() {
        assert_eq!(sum_of(&[1.0, f64::INFINITY, 1e308]).sum(0), f64::INFINITY);
        assert!(sum_of(&[f64::NEG_INFINITY, f64::INFINITY]).sum(0).is_nan());
        assert!(sum_of(&[1.0, f64::NAN]).mean(0, 2.0).is_nan());
        assert_eq!(sum_of(&[f64::MAX, f64::MAX]).sum(0), f64::INFINITY, "beyond what a float holds");
    }

    #[test]
    fn the_mean_of_large_floats_is_finite() {
        assert_eq!(sum_of(&[f64::MAX; 3]).mean(0, 3.0), f64::MAX);
    }

    fn floats() -> impl Strategy<Value = Vec<f64>> {
        let any = prop_oneof![
            6 => -1e6..1e6f64,
            2 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
            1 => Just(f64::MAX),
            1 => Just(5e-324),
        ];
        proptest::collection::vec(any, 0..60)
    }

    proptest! {
        #[test]
        fn neither_order_nor_grouping_matters(values in floats(), cut in any::<prop::sample::Index>(), seed: u64) {
            let mut shuffled = values.clone();
            shuffled.sort_by_key(|value| value.to_bits().wrapping_mul(seed | 1));
            let cut = if shuffled.is_empty() { 0 } else { cut.index(shuffled.len()) };
            let mut parts = sum_of(&shuffled[cut..]);
            parts.merge(sum_of(&shuffled[..cut]));
            let whole = sum_of(&values);
            prop_assert_eq!(whole.sum(0).to_bits(), parts.sum(0).to_bits());
            prop_assert_eq!(whole.mean(0, 7.0).to_bits(), parts.mean(0, 7.0).to_bits());
        }
    }
}

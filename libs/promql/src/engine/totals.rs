//! Native histograms of which only counts and sums matter, as in `histogram_count(rate(...))`: what the buckets tell about resets
//! becomes the hint, and the buckets are left out.
//!
//! Nearly every histogram is the one before it with more observations, which its bytes tell without being taken apart
//! ([`EncodedHistogram::continues`]).

use std::sync::Arc;

use narthex_model::{CounterResetHint, EncodedHistogram, Totals, is_stale};

use crate::histogram::FloatHistogram;

/// Count and sum of each histogram, with a hint about resets.
pub(super) fn totals<'a>(
    histograms: impl Iterator<Item = &'a (i64, EncodedHistogram)>,
) -> Vec<(i64, Arc<FloatHistogram>)> {
    let mut last: Option<&EncodedHistogram> = None;
    let total = |(time, encoded): &'a (i64, EncodedHistogram)| {
        let Totals { schema, reset_hint, sum, total } = encoded.totals();
        let stale = is_stale(sum);
        let hint = match last {
            _ if stale || reset_hint != CounterResetHint::Unknown => reset_hint,
            None => CounterResetHint::Unknown,
            Some(last) if is_reset(encoded, last) => CounterResetHint::Reset,
            Some(_) => CounterResetHint::NotReset,
        };
        if !stale {
            last = Some(encoded);
        }
        let histogram =
            FloatHistogram { schema: schema.into(), hint, count: total, sum, ..FloatHistogram::default() };
        (*time, Arc::new(histogram))
    };
    histograms.map(total).collect()
}

fn is_reset(now: &EncodedHistogram, before: &EncodedHistogram) -> bool {
    let full = |encoded: &EncodedHistogram| FloatHistogram::from(encoded.sparse());
    !now.continues(before) && full(now).detect_reset(&full(before))
}

#[cfg(test)]
mod tests {
    use narthex_model::{BucketSpan, Counts, Histogram, stale_marker};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Few layouts and small counts, so that a histogram often continues another.
    fn histogram() -> impl Strategy<Value = Histogram> {
        let counts = (any::<bool>(), 0u64..3, 0u64..9, vec(0i64..3, 0..4));
        (0u8..4, 0i8..2, 0u32..3, prop::bool::weighted(0.1), prop::bool::weighted(0.1), counts).prop_map(
            |(hint, schema, length, wide, stale, (floats, zero, total, buckets))| {
                let counts = if floats {
                    let positive = buckets.iter().map(|count| *count as f64).collect();
                    Counts::Float { zero: zero as f64, total: total as f64, positive, negative: Vec::new() }
                } else {
                    Counts::Int { zero, total, positive: buckets, negative: Vec::new() }
                };
                Histogram {
                    schema,
                    // Mostly nothing is known of resets.
                    reset_hint: CounterResetHint::from_wire(if length == 0 { hint } else { 0 }),
                    zero_threshold: if wide { 2.0 } else { 0.001 },
                    sum: if stale { stale_marker() } else { 1.5 },
                    positive_spans: vec![
                        BucketSpan { offset: 0, length },
                        BucketSpan { offset: 1, length: 1 },
                    ],
                    counts,
                    ..Histogram::default()
                }
            },
        )
    }

    proptest! {
        #[test]
        fn hints_are_those_of_whole_histograms(histograms in vec(histogram(), 0..12)) {
            let encoded: Vec<(i64, EncodedHistogram)> =
                histograms.iter().enumerate().map(|(at, histogram)| (at as i64, histogram.into())).collect();
            let found = totals(encoded.iter());
            let mut last: Option<FloatHistogram> = None;
            for ((_, encoded), (_, found)) in encoded.iter().zip(&found) {
                let full = FloatHistogram::from(encoded.sparse());
                let stale = is_stale(full.sum);
                let hint = match &last {
                    _ if stale || full.hint != CounterResetHint::Unknown => full.hint,
                    None => CounterResetHint::Unknown,
                    Some(last) if full.detect_reset(last) => CounterResetHint::Reset,
                    Some(_) => CounterResetHint::NotReset,
                };
                prop_assert_eq!(found.hint, hint);
                prop_assert_eq!((found.schema, found.count.to_bits()), (full.schema, full.count.to_bits()));
                prop_assert_eq!(found.sum.to_bits(), full.sum.to_bits());
                if !stale {
                    last = Some(full);
                }
            }
        }
    }
}

use narthex_model::{BucketSpan, Counts, Histogram};
use proptest::prelude::*;

use super::*;

fn stored(schema: i8, zero: f64, positive: Vec<f64>, negative: Vec<f64>) -> Histogram {
    let spans = |counts: &[f64], offset| match counts.len() as u32 {
        0 => Vec::new(),
        length => vec![BucketSpan { offset, length }],
    };
    let total = zero + positive.iter().chain(&negative).sum::<f64>();
    Histogram {
        schema,
        sum: total,
        positive_spans: spans(&positive, -2),
        negative_spans: spans(&negative, 1),
        counts: Counts::Float { zero, total, positive, negative },
        ..Histogram::default()
    }
}

fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
    let counts = || proptest::collection::vec((0..50u8).prop_map(f64::from), 0..8);
    // Wider zero buckets than any other bucket is far from zero are not well-formed, and count twice when schemas differ.
    let threshold = prop_oneof![Just(0.0), Just(1e-9), Just(1e-6)];
    (-2..6i8, 0..9u8, threshold, counts(), counts()).prop_map(
        |(schema, zero, threshold, positive, negative)| {
            let histogram = Histogram {
                zero_threshold: threshold,
                ..stored(schema, f64::from(zero), positive, negative)
            };
            FloatHistogram::from_model(&histogram)
        },
    )
}

fn observations(histogram: &FloatHistogram) -> f64 {
    histogram.zero_count
        + histogram.positive.iter().chain(&histogram.negative).map(|(_, count)| count).sum::<f64>()
}

#[test]
fn bounds_are_powers_of_two() {
    for (index, schema, expected) in [
        (0, 0, 1.0),
        (1, 0, 2.0),
        (-1, 0, 0.5),
        (1, -1, 4.0),
        (2, 1, 2.0),
        (1024, 0, f64::MAX),
        (1025, 0, f64::INFINITY),
    ] {
        assert_eq!(buckets::bound(index, schema, &[]), expected, "{index} at {schema}");
    }
    assert!((buckets::bound(1, 1, &[]) - 2f64.sqrt()).abs() < 1e-15);
    assert_eq!(buckets::bound(-1, -53, &[5.0]), f64::NEG_INFINITY);
    assert_eq!(buckets::bound(1, -53, &[5.0]), f64::INFINITY);
}

#[test]
fn views_say_which_ends_belong_to_a_bucket() {
    let views = bucket_views(&stored(0, 3.0, vec![1.0], vec![2.0]));
    let seen: Vec<_> =
        views.iter().map(|view| (view.boundaries, view.lower, view.upper, view.count)).collect();
    assert_eq!(
        seen,
        [
            (BucketBoundaries::OpenRight, -2.0, -1.0, 2.0),
            (BucketBoundaries::ClosedBoth, 0.0, 0.0, 3.0),
            (BucketBoundaries::OpenLeft, 0.125, 0.25, 1.0),
        ]
    );
}

proptest! {
    #[test]
    fn the_model_keeps_everything(histogram in any_histogram()) {
        prop_assert!(FloatHistogram::from_model(&histogram.to_model()).same(&histogram));
    }

    /// However buckets are merged, no observation is lost, and subtraction undoes addition.
    #[test]
    fn sums_keep_every_observation(a in any_histogram(), b in any_histogram()) {
        let (mut sum, mut precise, mut lost) = (a.clone(), a.clone(), None);
        sum.add(&b).expect("both are exponential");
        precise.kahan_add(&b, &mut lost).expect("both are exponential");
        prop_assert_eq!(observations(&sum), observations(&a) + observations(&b));
        prop_assert_eq!(sum.count, a.count + b.count);
        prop_assert!(precise.compact().same(&sum.clone().compact()));
        prop_assert!(!sum.detect_reset(&a), "a sum is no reset of its parts");
        sum.sub(&b).expect("both are exponential");
        prop_assert_eq!(observations(&sum), observations(&a));
    }

    #[test]
    fn quantiles_rise_with_their_rank(histogram in any_histogram(), p in 0.0..1.0f64, q in 0.0..1.0f64) {
        let (low, high) = (native_quantile(p.min(q), &histogram).0, native_quantile(p.max(q), &histogram).0);
        prop_assert!(histogram.count == 0.0 || low <= high + high.abs() * 1e-9, "{} then {}", low, high);
        let (fraction, _) = native_fraction(f64::NEG_INFINITY, f64::INFINITY, &histogram);
        prop_assert!(histogram.count == 0.0 || fraction == 1.0);
    }

    #[test]
    fn what_is_cut_off_and_what_is_kept_are_the_whole(histogram in any_histogram(), edge in -3.0..3.0f64) {
        let (below, above) = (histogram.clone().trim(edge, true), histogram.clone().trim(edge, false));
        let both = observations(&below) + observations(&above);
        prop_assert!((both - observations(&histogram)).abs() < 1e-6, "{} of {}", both, observations(&histogram));
    }
}

use proptest::{collection::vec, prelude::*};

use super::*;

fn spans() -> impl Strategy<Value = Vec<BucketSpan>> {
    vec((any::<i32>(), any::<u32>()).prop_map(|(offset, length)| BucketSpan { offset, length }), 0..4)
}

fn floats() -> impl Strategy<Value = Vec<f64>> {
    vec(any::<u64>().prop_map(f64::from_bits), 0..5)
}

fn counts() -> impl Strategy<Value = Counts> {
    prop_oneof![
        (any::<u64>(), any::<u64>(), vec(any::<i64>(), 0..5), vec(any::<i64>(), 0..5))
            .prop_map(|(zero, total, positive, negative)| Counts::Int { zero, total, positive, negative }),
        (any::<f64>(), any::<f64>(), floats(), floats())
            .prop_map(|(zero, total, positive, negative)| Counts::Float { zero, total, positive, negative }),
    ]
}

fn histogram() -> impl Strategy<Value = Histogram> {
    (any::<i8>(), 0u8..4, any::<f64>(), any::<u64>(), spans(), spans(), floats(), counts()).prop_map(
        |(schema, hint, zero_threshold, sum, positive_spans, negative_spans, custom_bounds, counts)| {
            Histogram {
                schema,
                reset_hint: CounterResetHint::from_wire(hint),
                zero_threshold,
                sum: f64::from_bits(sum),
                positive_spans,
                negative_spans,
                custom_bounds,
                counts,
            }
        },
    )
}

proptest! {
    #[test]
    fn every_bit_survives_the_byte_form(histogram in histogram()) {
        let bytes = histogram.to_bytes();
        let back = Histogram::from_bytes(&bytes).expect("own bytes");
        prop_assert_eq!(back.to_bytes(), bytes);
        prop_assert_eq!(back, histogram);
    }

    #[test]
    fn outside_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(histogram) = Histogram::from_bytes(&bytes) {
            let _ = histogram.validate();
        }
    }
}

fn valid() -> Histogram {
    Histogram {
        positive_spans: vec![BucketSpan { offset: 0, length: 2 }],
        counts: Counts::Int { zero: 1, total: 6, positive: vec![2, 3], negative: vec![] },
        ..Histogram::default()
    }
}

#[test]
fn validation_speaks_as_prometheus_does() {
    assert_eq!(valid().validate(), Ok(()));
    let short = Histogram { positive_spans: vec![], ..valid() };
    let text = short.validate().expect_err("spans").to_string();
    assert!(text.starts_with("positive side: spans need 0 buckets, have 2 buckets"), "{text}");
    let miscounted = Histogram {
        counts: Counts::Int { zero: 0, total: 6, positive: vec![2, 3], negative: vec![] },
        ..valid()
    };
    let text = miscounted.validate().expect_err("count").to_string();
    assert!(text.starts_with("5 observations found in buckets, but the Count field is 6"), "{text}");
    assert_eq!(Histogram { schema: 9, ..valid() }.validate(), Err(HistogramError::Schema(9)));
    assert_eq!(
        Histogram {
            custom_bounds: vec![1.0, 1.0],
            schema: -53,
            counts: Counts::default(),
            positive_spans: vec![],
            ..valid()
        }
        .validate(),
        Err(HistogramError::Custom("bounds must ascend strictly and not be NaN"))
    );
}

#[test]
fn oversized_input_is_refused_before_it_is_read() {
    assert_eq!(
        Histogram::from_bytes(&vec![0; MAX_HISTOGRAM_BYTES + 1]),
        Err(HistogramError::TooLarge(MAX_HISTOGRAM_BYTES + 1))
    );
}

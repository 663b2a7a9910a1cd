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

/// What queries make of a histogram's buckets on one side.
fn by_index(spans: &[BucketSpan], counts: impl IntoIterator<Item = f64>) -> Vec<(i32, f64)> {
    let mut counts = counts.into_iter();
    let (mut out, mut index) = (Vec::new(), 0i32);
    for span in spans {
        index = index.saturating_add(span.offset);
        for count in counts.by_ref().take(span.length as usize) {
            out.push((index, count));
            index = index.saturating_add(1);
        }
    }
    out
}

proptest! {
    #[test]
    fn the_sparse_form_has_every_bucket_at_its_index(histogram in histogram()) {
        let encoded = EncodedHistogram::new(histogram.to_bytes().into()).expect("own bytes");
        let sparse = encoded.sparse();
        let (positive_spans, negative_spans) = (&histogram.positive_spans, &histogram.negative_spans);
        let (zero, total, positive, negative) = match &histogram.counts {
            Counts::Int { zero, total, positive, negative } => (
                *zero as f64,
                *total as f64,
                by_index(positive_spans, positive.iter().map(|count| *count as f64)),
                by_index(negative_spans, negative.iter().map(|count| *count as f64)),
            ),
            Counts::Float { zero, total, positive, negative } => (
                *zero,
                *total,
                by_index(positive_spans, positive.iter().copied()),
                by_index(negative_spans, negative.iter().copied()),
            ),
        };
        prop_assert_eq!((sparse.schema, sparse.reset_hint), (histogram.schema, histogram.reset_hint));
        let floats = |values: [f64; 4]| values.map(f64::to_bits);
        prop_assert_eq!(
            floats([sparse.zero_threshold, sparse.sum, sparse.zero, sparse.total]),
            floats([histogram.zero_threshold, histogram.sum, zero, total])
        );
        let bits = |buckets: &[(i32, f64)]| -> Vec<_> {
            buckets.iter().map(|(index, count)| (*index, count.to_bits())).collect()
        };
        prop_assert_eq!(bits(&sparse.positive), bits(&positive));
        prop_assert_eq!(bits(&sparse.negative), bits(&negative));
        let bounds = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bounds(&sparse.custom_bounds), bounds(&histogram.custom_bounds));
        let parts = sparse.positive.len() + sparse.negative.len() + sparse.custom_bounds.len();
        prop_assert!((parts..=encoded.as_bytes().len()).contains(&encoded.parts()));
        prop_assert_eq!(encoded.sum().to_bits(), histogram.sum.to_bits());
        prop_assert_eq!(encoded.decode(), histogram);
    }

    /// What is taken as well-formed is what can be read, whichever way; damage keeps most of a histogram.
    #[test]
    fn the_same_bytes_are_refused(histogram in histogram(), at: usize, byte: u8, cut in 0usize..3) {
        let mut bytes = histogram.to_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut);
        let encoded = EncodedHistogram::new(bytes.clone().into());
        prop_assert_eq!(encoded.is_ok(), Histogram::from_bytes(&bytes).is_ok());
        if let Ok(encoded) = encoded {
            let _ = encoded.sparse();
        }
    }

    /// A histogram continues another where no count is less; a negative count takes a closer look.
    #[test]
    fn counts_are_compared_bucket_by_bucket(
        buckets in vec((prop_oneof![0i64..3, 60i64..70, 8_000i64..9_000, any::<i64>()], -1i64..3), 0..30),
        negative in vec(0i64..200, 0..3),
        falls in prop::bool::weighted(0.5),
    ) {
        let (before, now): (Vec<i64>, Vec<i64>) = buckets
            .into_iter()
            .map(|(count, more)| (count, count.saturating_add(if falls { more } else { more.max(0) })))
            .unzip();
        let encoded = |positive: &[i64]| {
            let counts = Counts::Int { zero: 1, total: 9, positive: positive.to_vec(), negative: negative.clone() };
            EncodedHistogram::from(&Histogram { counts, ..Histogram::default() })
        };
        let expected = before.iter().zip(&now).all(|(before, now)| now >= before && *before >= 0);
        prop_assert_eq!(encoded(&now).continues(&encoded(&before)), expected);
    }
}

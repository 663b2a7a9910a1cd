//! W-5 and B-2, and what the writer tells and refuses.

use std::sync::Arc;

use narthex_block::{
    BlockError, BlockSchema, BlockUpload, BlockWriter, OwnedSamples, SeriesSamples, WriterSettings,
};
use narthex_model::{Histogram, Labels, SeriesHash, TimeRange, stale_marker};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory};
use proptest::prelude::*;

use crate::support::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_block_gives_back_every_bit(content in content(0..12), schema in schema(), small: bool) {
        let settings = if small { small_pages() } else { WriterSettings::default() };
        let (bytes, meta) = write(&content, schema, settings);
        let written: Vec<(Labels, OwnedSamples)> =
            content.iter().filter(|(_, samples)| !samples.is_empty()).map(|(a, b)| (a.clone(), b.clone())).collect();
        prop_assert_eq!(meta.bytes, bytes.len() as u64);
        prop_assert_eq!(meta.series, written.len() as u64);
        prop_assert_eq!(meta.samples, written.iter().map(|(_, samples)| samples.len() as u64).sum::<u64>());
        let hashes = written.iter().map(|(labels, _)| labels.series_hash());
        if let (Some(min), Some(max)) = (hashes.clone().min(), hashes.max()) {
            prop_assert_eq!(meta.hashes, (min, max));
        }
        let read = block_on(async {
            let reader = open(bytes, meta.footer_length).await?;
            assert_eq!((reader.footer().series(), reader.footer().samples()), (meta.series, meta.samples));
            select(&reader, &[], TimeRange::ALL).await
        });
        prop_assert_eq!(read.expect("readable"), written);
    }
}

proptest! {
    #[test]
    fn any_timestamps_survive(
        times in proptest::collection::btree_set(any::<i64>(), 1..300),
        near in proptest::collection::btree_set(i64::MAX - 9_000..=i64::MAX, 1..300),
        far in proptest::collection::btree_set(i64::MIN..i64::MIN + 9_000, 1..300),
    ) {
        let content: Content = [("a", times), ("b", near), ("c", far)]
            .into_iter()
            .map(|(name, times)| {
                let timestamps: Vec<i64> = times.into_iter().collect();
                let values = timestamps.iter().map(|at| (at >> 11) as f64).collect();
                let samples = OwnedSamples { timestamps, values, histograms: vec![] };
                (Labels::from_pairs([("__name__", name)]), samples)
            })
            .collect();
        let (bytes, meta) = write(&content, BlockSchema::with_labels([], |_| false, false), small_pages());
        let read = block_on(async {
            select(&open(bytes, meta.footer_length).await?, &[], TimeRange::ALL).await
        });
        prop_assert_eq!(read.expect("readable"), content.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_series_may_come_again_with_later_windows_only() {
    let (a, b) = (Labels::from_pairs([("__name__", "a")]), Labels::from_pairs([("__name__", "b")]));
    let schema = BlockSchema::with_labels([], |_| false, false);
    let mut writer = BlockWriter::new(schema, window(), WriterSettings::default()).expect("a writer");
    let mut push = |labels: &Labels, at: i64| {
        let samples = SeriesSamples { timestamps: &[at], values: &[1.0], histograms: &[] };
        writer.push(labels, labels.series_hash(), samples)
    };
    push(&b, 5_000).expect("the first");
    for (labels, at) in [(&a, 50_000), (&b, 9_000), (&b, 4_000)] {
        assert!(matches!(push(labels, at), Err(BlockError::Refused(_))), "{labels} at {at}");
    }
    push(&b, 10_000).expect("the next window");
    let (bytes, meta) = writer.finish().expect("what was refused changed nothing");
    assert_eq!((meta.series, meta.rows, meta.samples), (1, 2, 2));
    let read = block_on(async {
        let reader = open(bytes, meta.footer_length).await.expect("opens");
        select(&reader, &[], TimeRange::ALL).await.expect("readable")
    });
    assert_eq!(read[0].1.timestamps, [5_000, 10_000]);
}

#[test]
fn samples_that_no_block_can_hold_are_refused() {
    let labels = Labels::from_pairs([("__name__", "a")]);
    let histogram = |at| (at, Arc::new(Histogram::default()));
    let without = BlockSchema::with_labels([], |_| false, false);
    let with = BlockSchema::with_labels([], |_| false, true);
    let cases: [(&BlockSchema, SeriesSamples<'_>, &str); 5] = [
        (&with, SeriesSamples { timestamps: &[1], values: &[], histograms: &[] }, "as many values"),
        (
            &with,
            SeriesSamples { timestamps: &[1, 1], values: &[0.0, 0.0], histograms: &[] },
            "floats do not ascend",
        ),
        (
            &with,
            SeriesSamples { histograms: &[histogram(2), histogram(1)], ..Default::default() },
            "histograms do not",
        ),
        (&with, SeriesSamples { timestamps: &[1], values: &[0.0], histograms: &[histogram(1)] }, "both"),
        (&without, SeriesSamples { histograms: &[histogram(2)], ..Default::default() }, "without histograms"),
    ];
    for (schema, samples, reason) in cases {
        let mut writer =
            BlockWriter::new(schema.clone(), window(), WriterSettings::default()).expect("a writer");
        let error = writer.push(&labels, labels.series_hash(), samples).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_stale_marker_is_a_null_and_spoils_no_row() {
    let labels = Labels::from_pairs([("__name__", "a")]);
    let row = |last: f64| {
        let values: Vec<f64> =
            (0..480).map(|at| f64::from(at * 7_919 % 10_007) / 100.0).chain([last]).collect();
        let timestamps = (0..values.len() as i64).collect();
        let content = [(labels.clone(), OwnedSamples { timestamps, values, histograms: vec![] })].into();
        write(&content, BlockSchema::with_labels([], |_| false, false), WriterSettings::default()).1.bytes
    };
    assert!(row(stale_marker()) < row(1.0) + 20, "as small as without");
    assert!(row(f64::NAN) > row(1.0) + 100, "while another NaN makes doubles of the row");
}

#[test]
fn an_upload_of_many_row_groups_is_one_object() {
    let store = Arc::new(InMemory::new());
    let mut content = Content::new();
    for at in 0..40 {
        let samples = OwnedSamples { timestamps: vec![at], values: vec![at as f64], histograms: vec![] };
        content.insert(Labels::from_pairs([("__name__", format!("m{at}"))]), samples);
    }
    block_on(async {
        let shared = Arc::clone(&store) as Arc<dyn ObjectStore>;
        let schema = BlockSchema::with_labels([], |_| false, false);
        let mut upload =
            BlockUpload::new(shared, path(), schema.clone(), window(), small_pages()).expect("started");
        for (labels, samples) in &content {
            upload.push(labels, labels.series_hash(), samples.as_samples()).await.expect("pushed");
        }
        let meta = upload.finish().await.expect("finished");
        let stored = store.get(&path()).await.expect("there").bytes().await.expect("read");
        assert_eq!((stored.to_vec(), meta), write(&content, schema, small_pages()));
    });
}

#[test]
fn an_empty_block_is_readable() {
    let (bytes, meta) = write(&Content::new(), BlockSchema::with_labels([], |_| true, true), small_pages());
    assert_eq!((meta.rows, meta.hashes), (0, (SeriesHash(0), SeriesHash(0))));
    let read = block_on(async {
        let reader = open(bytes, meta.footer_length).await.expect("opens");
        select(&reader, &[], TimeRange::ALL).await.expect("readable")
    });
    assert!(read.is_empty());
}

//! Blocks in memory, strategies for their content, and a store that counts.

use std::{collections::BTreeMap, sync::Arc};

use narthex_block::{
    BlockError, BlockMeta, BlockReader, BlockSchema, BlockWriter, Budget, OwnedSamples, WriterSettings,
};
use narthex_model::{
    BucketSpan, CounterResetHint, Counts, Histogram, Labels, Matcher, TimeRange, WindowLength, stale_marker,
};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use proptest::{collection::vec, option, prelude::*};

pub(crate) type Content = BTreeMap<Labels, OwnedSamples>;

/// A window short enough that a few samples cross several.
pub(crate) fn window() -> WindowLength {
    WindowLength::from_millis(10_000).expect("a length")
}

/// Pages and row groups of a few rows, so that small blocks have many.
pub(crate) fn small_pages() -> WriterSettings {
    WriterSettings {
        row_group_rows: 7,
        label_page_rows: 2,
        sample_page_rows: 2,
        dictionary_bytes: 40,
        ..WriterSettings::default()
    }
}

pub(crate) fn write(
    content: &Content,
    schema: BlockSchema,
    settings: WriterSettings,
) -> (Vec<u8>, BlockMeta) {
    let mut writer = BlockWriter::new(schema, window(), settings).expect("a writer");
    for (labels, samples) in content {
        writer.push(labels, labels.series_hash(), samples.as_samples()).expect("in order");
    }
    writer.finish().expect("finished")
}

pub(crate) fn path() -> Path {
    Path::from("workspaces/w/blocks/b/data.parquet")
}

/// The block of some bytes, in memory.
pub(crate) async fn open(bytes: Vec<u8>, footer_length: u64) -> Result<BlockReader, BlockError> {
    let store = Arc::new(InMemory::new());
    let size = bytes.len() as u64;
    store.put(&path(), bytes.into()).await.expect("stored");
    BlockReader::open(store as Arc<dyn ObjectStore>, path(), size, footer_length).await
}

pub(crate) async fn select(
    reader: &BlockReader,
    matchers: &[Matcher],
    range: TimeRange,
) -> Result<Vec<(Labels, OwnedSamples)>, BlockError> {
    reader.select(matchers, range, Budget::default()).await?.collect().await
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Schemas that promote some of the labels that [`labels`] uses.
pub(crate) fn schema() -> impl Strategy<Value = BlockSchema> {
    (proptest::sample::subsequence(vec!["A", "ab", "b", "job", "never"], 0..=5), any::<bool>())
        .prop_map(|(names, bloom)| BlockSchema::with_labels(names, |_| bloom, true))
}

pub(crate) fn labels() -> impl Strategy<Value = Labels> {
    let value = prop_oneof!["[a-c]{1,2}", Just("ä\u{1F600}".to_owned()), "x{60,70}[ab]"];
    (option::weighted(0.9, "[m-o]"), vec(("(A|ab|b|job|z z)", value), 0..4)).prop_map(|(name, pairs)| {
        let name = name.map(|name| ("__name__".to_owned(), name));
        Labels::from_pairs(pairs.into_iter().chain(name))
    })
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-10_000i64..10_000).prop_map(|integer| integer as f64),
        3 => (-10_000i64..10_000, 0i32..6).prop_map(|(integer, places)| integer as f64 / 10f64.powi(places)),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(stale_marker()),
        1 => prop_oneof![Just(-0.0), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1.0 / 3.0)],
    ]
}

fn spans() -> impl Strategy<Value = Vec<BucketSpan>> {
    vec((any::<i32>(), any::<u32>()).prop_map(|(offset, length)| BucketSpan { offset, length }), 0..3)
}

fn counts() -> impl Strategy<Value = Counts> {
    prop_oneof![
        (any::<u64>(), any::<u64>(), vec(any::<i64>(), 0..4), vec(0i64..9, 0..4))
            .prop_map(|(zero, total, positive, negative)| Counts::Int { zero, total, positive, negative }),
        (float(), float(), vec(float(), 0..4), vec(float(), 0..4))
            .prop_map(|(zero, total, positive, negative)| Counts::Float { zero, total, positive, negative }),
    ]
}

/// Any histogram that can be expressed, sensible or not.
pub(crate) fn histogram() -> impl Strategy<Value = Histogram> {
    ((any::<i8>(), 0u8..4, float(), float()), spans(), spans(), vec(float(), 0..3), counts()).prop_map(
        |((schema, hint, zero_threshold, sum), positive_spans, negative_spans, custom_bounds, counts)| {
            Histogram {
                schema,
                reset_hint: CounterResetHint::from_wire(hint),
                zero_threshold,
                sum,
                positive_spans,
                negative_spans,
                custom_bounds,
                counts,
            }
        },
    )
}

/// Samples over a few windows: floats, histograms or both. Some series have decimals only.
pub(crate) fn samples() -> impl Strategy<Value = OwnedSamples> {
    let some = prop_oneof![
        2 => float().prop_map(Ok),
        1 => histogram().prop_map(Err),
    ];
    let floats = prop_oneof![float(), (0i32..999).prop_map(|tenths| f64::from(tenths) / 10.0)].prop_map(Ok);
    let times = -25_000i64..25_000;
    prop_oneof![
        proptest::collection::btree_map(times.clone(), some, 0..12),
        proptest::collection::btree_map(times, floats, 1..20),
    ]
    .prop_map(|points| {
        let mut samples = OwnedSamples::default();
        for (at, value) in points {
            match value {
                Ok(value) => {
                    samples.timestamps.push(at);
                    samples.values.push(value);
                }
                Err(histogram) => samples.histograms.push((at, Arc::new(histogram))),
            }
        }
        samples
    })
}

pub(crate) fn content(series: std::ops::Range<usize>) -> impl Strategy<Value = Content> {
    proptest::collection::btree_map(labels(), samples(), series)
}

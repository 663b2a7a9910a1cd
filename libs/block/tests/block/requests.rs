//! How a block is read: with few requests, labels before samples, and little of the object.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::Arc,
};

use narthex_block::{BlockReader, BlockSchema, Budget, OwnedSamples, WriterSettings};
use narthex_model::{Labels, Matcher, TimeRange};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory};

#[path = "../../benches/support/counting.rs"]
mod counting;

use crate::support::*;

#[test]
fn one_series_of_many_costs_few_requests_and_little_of_the_block() {
    let mut content = Content::new();
    for at in 0..4_000i64 {
        let name = format!("metric_{}", at / 40);
        let pod = format!("pod-{:016x}", (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let timestamps: Vec<i64> = (0..100).map(|step| step * 50 + at % 50).collect();
        let noise = |step: i64| {
            let mut hasher = DefaultHasher::new();
            (step, at).hash(&mut hasher);
            hasher.finish()
        };
        let values = (0..100).map(|step| (noise(step) % 1_000_003) as f64).collect();
        content.insert(
            Labels::from_pairs([("__name__", name.as_str()), ("pod", &pod), ("job", "x")]),
            OwnedSamples { timestamps, values, histograms: vec![] },
        );
    }
    let settings = WriterSettings {
        row_group_rows: 2_000,
        label_page_rows: 256,
        sample_page_rows: 64,
        dictionary_bytes: 8 << 10,
        ..WriterSettings::default()
    };
    let (bytes, meta) =
        write(&content, BlockSchema::with_labels(["pod", "job"], |name| name == "pod", false), settings);
    let size = bytes.len() as u64;
    let (labels, samples) = content.iter().nth(2_345).expect("a series");
    let pod = labels.get("pod").expect("a pod");
    block_on(async {
        let inner = Arc::new(InMemory::new());
        inner.put(&path(), bytes.into()).await.expect("stored");
        let store = Arc::new(counting::Counting::new(inner));
        let shared = Arc::clone(&store) as Arc<dyn ObjectStore>;
        let reader = BlockReader::open(shared, path(), size, meta.footer_length).await.expect("opens");
        assert_eq!(store.take(), vec![size - meta.footer_length..size], "the footer in one request");

        let matchers = [Matcher::equal("__name__", labels.metric_name()), Matcher::equal("pod", pod)];
        let selection = reader.select(&matchers, TimeRange::ALL, Budget::default()).await.expect("selected");
        let label_ranges = store.take();
        let found = selection.collect().await.expect("collected");
        let sample_ranges = store.take();
        assert_eq!(found, [(labels.clone(), samples.clone())]);
        let bytes = |ranges: &[Range<u64>]| ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        assert!(
            bytes(&label_ranges) + bytes(&sample_ranges) < size / 15,
            "{label_ranges:?} {sample_ranges:?} of {size}"
        );
        assert!(sample_ranges.len() <= 3, "{sample_ranges:?}");

        let nowhere = [Matcher::equal("pod", "pod-7000000000000bad")];
        let selection = reader.select(&nowhere, TimeRange::ALL, Budget::default()).await.expect("selected");
        assert!(selection.series().is_empty());
        let ranges = store.take();
        assert!(bytes(&ranges) < 12 << 10, "bloom filters answer: {ranges:?}");

        let names = [Matcher::equal("__name__", "metric_7")];
        let before = [-5i64, -1];
        let nothing =
            reader.select(&names, (before[0]..=before[1]).into(), Budget::default()).await.expect("selected");
        assert!(nothing.series().is_empty() && store.take().is_empty(), "the page index answers");
    });
}

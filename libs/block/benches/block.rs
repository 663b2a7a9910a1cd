//! Writing, decoding and point lookups. Figures per sample come from `examples/measure.rs`; this is for comparing changes.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use narthex_block::{BlockReader, Budget, WriterSettings};
use narthex_model::{Matcher, TimeRange};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use tokio::runtime::Runtime;

mod support;

use support::synthetic::Plan;

fn reader(runtime: &Runtime, bytes: Vec<u8>, footer_length: u64) -> BlockReader {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (path, size) = (Path::from("block"), bytes.len() as u64);
    runtime.block_on(async {
        store.put(&path, bytes.into()).await.expect("stored");
        BlockReader::open(store, path, size, footer_length).await.expect("opens")
    })
}

async fn read(reader: &BlockReader, matchers: &[Matcher]) -> usize {
    let selection = reader.select(matchers, TimeRange::ALL, Budget::default()).await.expect("selected");
    let mut samples = selection.into_samples();
    let mut count = 0;
    while let Some(batch) = samples.next_batch().await.expect("read") {
        count += batch.slices().map(|slice| slice.samples.len()).sum::<usize>();
    }
    count
}

fn benches(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let plan = Plan::default();
    let series = plan.series();
    let data = support::data(&plan, &series);
    let (bytes, meta) = support::write(&series, &data, WriterSettings::default());
    let small = reader(&runtime, bytes, meta.footer_length);

    let mut group = c.benchmark_group("block");
    group.sample_size(10).throughput(Throughput::Elements(meta.samples));
    group.bench_function("write", |b| {
        b.iter(|| support::write(&series, &data, WriterSettings::default()).1.bytes);
    });
    group.bench_function("decode", |b| {
        b.iter(|| assert_eq!(runtime.block_on(read(&small, &[])) as u64, meta.samples));
    });

    let many = Plan { series: 100_000, targets: 500, samples: 24, interval_ms: 300_000, ..Plan::default() };
    let series = many.series();
    let (bytes, meta) = support::write(&series, &support::data(&many, &series), WriterSettings::default());
    let large = reader(&runtime, bytes, meta.footer_length);
    let labels = &series[70_001].labels;
    let matchers: Vec<Matcher> = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
    group.throughput(Throughput::Elements(1));
    group.bench_function("one series of 100,000", |b| {
        b.iter(|| assert_eq!(runtime.block_on(read(&large, black_box(&matchers))), many.samples));
    });
    group.finish();
}

criterion_group!(block, benches);
criterion_main!(block);

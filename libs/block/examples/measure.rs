//! Measures what blocks of synthetic series cost, in bytes, in processor time and in requests.
//!
//! `cargo run --release -p narthex-block --example measure -- size` gives bytes per sample by column, `... pages` compares
//! settings, `... decode` reads one block ten times, `... lookup [SERIES]` writes SERIES (100,000) over 24 h and reads one, `... csv FILE` takes real samples: lines
//! of `labels as name=value pairs with a tab between TAB ... TAB = TAB milliseconds:value ...`.

#[path = "../benches/support/mod.rs"]
mod support;

use std::{collections::BTreeMap, env, sync::Arc};

use bytes::Bytes;
use narthex_block::{
    BlockMeta, BlockReader, BlockUpload, Budget, SampleReader, SeriesSamples, WriterSettings,
};
use narthex_model::{Labels, Matcher, TimeRange, WindowLength};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use parquet::file::reader::{FileReader, SerializedFileReader};
use rustix::time::{ClockId, clock_gettime};
use support::{
    Samples,
    counting::Counting,
    synthetic::{Plan, Series},
};

/// Processor time of this thread in nanoseconds: what other processes do does not count.
fn cpu_nanos() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

async fn drain(mut samples: SampleReader) -> u64 {
    let mut count = 0;
    while let Some(batch) = samples.next_batch().await.expect("read") {
        count += batch.slices().map(|slice| slice.samples.len() as u64).sum::<u64>();
    }
    count
}

/// Labels and decoding nanoseconds of reading everything.
fn read_all(bytes: &Bytes, meta: &BlockMeta) -> (f64, f64) {
    block_on(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("block");
        store.put(&path, bytes.clone().into()).await.expect("stored");
        let reader = BlockReader::open(store, path, meta.bytes, meta.footer_length).await.expect("opens");
        let started = cpu_nanos();
        let selection = reader.select(&[], TimeRange::ALL, Budget::default()).await.expect("selected");
        let selected = cpu_nanos();
        assert_eq!(drain(selection.into_samples()).await, meta.samples);
        (selected - started, cpu_nanos() - selected)
    })
}

fn report(name: &str, series: &[Series], data: &[Samples], settings: WriterSettings) {
    let started = cpu_nanos();
    let (bytes, meta) = support::write(series, data, settings);
    let write = (cpu_nanos() - started) / meta.samples as f64;
    let bytes = Bytes::from(bytes);
    let (labels, samples) = read_all(&bytes, &meta);
    println!(
        "{name}: {:.4} bytes/sample; write {write:.1}, decode {:.2} ns/sample, labels {:.0} ns/row; {} series, {} rows, {} samples, {} bytes, footer {}",
        meta.bytes as f64 / meta.samples as f64,
        samples / meta.samples as f64,
        labels / meta.rows as f64,
        meta.series,
        meta.rows,
        meta.samples,
        meta.bytes,
        meta.footer_length
    );
    if env::args().any(|argument| argument == "--columns") {
        columns(bytes, &meta);
    }
}

fn columns(bytes: Bytes, meta: &BlockMeta) {
    let reader = SerializedFileReader::new(bytes).expect("a file");
    let mut columns: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for column in reader.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        let entry = columns.entry(column.column_path().string()).or_default();
        entry.0 += column.compressed_size();
        entry.1 += column.uncompressed_size();
    }
    for (column, (compressed, plain)) in columns {
        println!(
            "    {column:40} {compressed:>10} of {plain:>10}, {:.4} per sample",
            compressed as f64 / meta.samples as f64
        );
    }
}

fn synthetic(name: &str, plan: &Plan, settings: &WriterSettings) {
    let series = plan.series();
    report(name, &series, &support::data(plan, &series), settings.clone());
}

fn sizes() {
    let settings = WriterSettings::default();
    let few = Plan { series: 2_000, targets: 2, samples: 1_420, ..Plan::default() };
    synthetic("two targets, steady", &few, &settings);
    synthetic("two targets, 3 ms jitter", &Plan { jitter_ms: 3, ..few }, &settings);
    let fleet = Plan { series: 20_000, targets: 200, ..Plan::default() };
    synthetic("200 targets, steady", &fleet, &settings);
    synthetic("200 targets, 3 ms jitter", &Plan { jitter_ms: 3, ..fleet }, &settings);
    synthetic("200 targets, half of the series end", &Plan { ending: 50, ..fleet }, &settings);
    synthetic("100 series", &Plan { series: 100, targets: 1, ..Plan::default() }, &settings);
}

fn pages(series: &[Series], data: &[Samples]) {
    let settings = WriterSettings::default();
    for rows in [128, 256, 512, 1024, 4096] {
        for kib in [64, 128, 256, 1024] {
            let settings =
                WriterSettings { sample_page_rows: rows, sample_page_bytes: kib << 10, ..settings.clone() };
            report(&format!("{rows} rows, {kib} KiB"), series, data, settings);
        }
    }
    for level in [1, 3, 6, 9, 12] {
        report(
            &format!("zstd {level}"),
            series,
            data,
            WriterSettings { zstd_level: level, ..settings.clone() },
        );
    }
}

fn real(file: &str) -> (Vec<Series>, Vec<Samples>) {
    let text = std::fs::read_to_string(file).expect("a readable file");
    let mut all: Vec<(Labels, Samples)> = text
        .lines()
        .map(|line| {
            let (labels, samples) = line.split_once("\t=\t").expect("labels and samples");
            let pairs = labels.split('\t').map(|pair| pair.split_once('=').expect("name=value"));
            let samples = samples.split(' ').map(|sample| {
                let (at, value) = sample.split_once(':').expect("milliseconds:value");
                (at.parse::<i64>().expect("milliseconds"), value.parse::<f64>().expect("a value"))
            });
            (Labels::from_pairs(pairs), samples.unzip())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter().map(|(labels, samples)| (Series::with_labels(labels), samples)).unzip()
}

/// A block of a day, and what one of its series costs.
fn lookup(count: usize) {
    let plan = Plan { series: count, targets: count.div_ceil(200), samples: 5_760, ..Plan::default() };
    let series = plan.series();
    block_on(async {
        let inner = Arc::new(InMemory::new());
        let path = Path::from("block");
        let upload = Arc::clone(&inner) as Arc<dyn ObjectStore>;
        let mut upload = BlockUpload::new(
            upload,
            path.clone(),
            support::schema(&series),
            WindowLength::DEFAULT,
            WriterSettings::default(),
        )
        .expect("started");
        let mut write = 0.0;
        for one in &series {
            let (timestamps, values) = plan.samples(one);
            let samples = SeriesSamples { timestamps: &timestamps, values: &values, histograms: &[] };
            let started = cpu_nanos();
            upload.push(&one.labels, one.labels.series_hash(), samples).await.expect("pushed");
            write += cpu_nanos() - started;
        }
        let meta = upload.finish().await.expect("finished");
        println!(
            "{} series, {} rows, {} samples, {} bytes ({:.4} per sample), footer {}, write {:.1} ns/sample",
            meta.series,
            meta.rows,
            meta.samples,
            meta.bytes,
            meta.bytes as f64 / meta.samples as f64,
            meta.footer_length,
            write / meta.samples as f64
        );
        let store = Arc::new(Counting::new(inner));
        let shared = Arc::clone(&store) as Arc<dyn ObjectStore>;
        let reader = BlockReader::open(shared, path, meta.bytes, meta.footer_length).await.expect("opens");
        println!("open: {} request", store.take_calls().len());
        let labels = &series[series.len() * 7 / 10].labels;
        let instance = labels.get("instance").unwrap_or_default();
        let name = Matcher::equal("__name__", labels.metric_name());
        let code = Matcher::equal("code", labels.get("code").unwrap_or_default());
        let device = Matcher::equal("device", labels.get("device").unwrap_or_default());
        let one = [name.clone(), Matcher::equal("instance", instance), code, device];
        look(&reader, &store, &meta, "one series by name and instance", &one).await;
        let pod = Matcher::equal("pod", labels.get("pod").unwrap_or_default());
        look(&reader, &store, &meta, "all series of a pod", &[pod]).await;
        look(&reader, &store, &meta, "all series of a name", &[name]).await;
    });
}

async fn look(reader: &BlockReader, store: &Counting, meta: &BlockMeta, what: &str, matchers: &[Matcher]) {
    store.take_calls();
    let started = cpu_nanos();
    let selection = reader.select(matchers, TimeRange::ALL, Budget::default()).await.expect("selected");
    let series = selection.series().len();
    let selected = cpu_nanos();
    let samples = drain(selection.into_samples()).await;
    let ended = cpu_nanos();
    let calls = store.take_calls();
    let ranges: usize = calls.iter().map(Vec::len).sum();
    let bytes: u64 = calls.iter().flatten().map(|range| range.end - range.start).sum();
    println!(
        "{what}: {series} series, {samples} samples; {} round trips, {ranges} ranges, {bytes} bytes ({:.3} % of the block); labels {:.2} ms, samples {:.2} ms of processor time",
        calls.len(),
        bytes as f64 * 100.0 / meta.bytes as f64,
        (selected - started) / 1e6,
        (ended - selected) / 1e6
    );
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--columns").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["size"] => sizes(),
        ["pages"] => {
            let plan = Plan { series: 20_000, targets: 200, ..Plan::default() };
            let series = plan.series();
            pages(&series, &support::data(&plan, &series));
        }
        ["decode"] => {
            let plan = Plan { series: 20_000, targets: 200, ..Plan::default() };
            let series = plan.series();
            let (bytes, meta) =
                support::write(&series, &support::data(&plan, &series), WriterSettings::default());
            let bytes = Bytes::from(bytes);
            for _ in 0..10 {
                let (labels, samples) = read_all(&bytes, &meta);
                let (rows, count) = (meta.rows as f64, meta.samples as f64);
                println!("labels {:.0} ns/row, decode {:.2} ns/sample", labels / rows, samples / count);
            }
        }
        ["lookup"] => lookup(100_000),
        ["lookup", series] => lookup(series.parse().expect("a number")),
        ["csv", file] => {
            let (series, data) = real(file);
            report(file, &series, &data, WriterSettings::default());
            pages(&series, &data);
        }
        _ => println!("one of: size, pages, decode, lookup [SERIES], csv FILE; and --columns"),
    }
}

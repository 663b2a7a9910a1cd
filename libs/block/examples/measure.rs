//! Measures what a block costs: bytes per sample by column. `cargo run --release -p narthex-block --example measure`.

#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

use std::{collections::BTreeMap, time::Instant};

use narthex_block::{
    BlockMeta, BlockSchema, BlockWriter, LabelCount, SchemaSettings, SeriesSamples, WriterSettings,
};
use narthex_model::WindowLength;
use parquet::file::reader::{FileReader, SerializedFileReader};
use synthetic::Plan;

fn schema(series: &[synthetic::Series]) -> BlockSchema {
    let mut counts: BTreeMap<&str, (u64, std::collections::BTreeSet<&str>)> = BTreeMap::new();
    for one in series {
        for (name, value) in one.labels.iter() {
            let count = counts.entry(name).or_default();
            count.0 += 1;
            count.1.insert(value);
        }
    }
    let counts: Vec<LabelCount<'_>> = counts
        .iter()
        .map(|(name, (series, values))| LabelCount { name, series: *series, values: values.len() as u64 })
        .collect();
    BlockSchema::choose(series.len() as u64, &counts, false, &SchemaSettings::default())
}

fn write(plan: &Plan, settings: WriterSettings) -> (Vec<u8>, BlockMeta, f64) {
    let series = plan.series();
    let data: Vec<_> = series.iter().map(|one| plan.samples(one)).collect();
    let started = Instant::now();
    let mut writer = BlockWriter::new(schema(&series), WindowLength::DEFAULT, settings).expect("a writer");
    for (one, (timestamps, values)) in series.iter().zip(&data) {
        let samples = SeriesSamples { timestamps, values, histograms: &[] };
        writer.push(&one.labels, one.labels.series_hash(), samples).expect("pushed");
    }
    let (bytes, meta) = writer.finish().expect("finished");
    let nanos = started.elapsed().as_nanos() as f64 / meta.samples as f64;
    (bytes, meta, nanos)
}

fn report(name: &str, plan: &Plan, settings: WriterSettings) {
    let (bytes, meta, nanos) = write(plan, settings);
    let per = |bytes: u64| bytes as f64 / meta.samples as f64;
    println!(
        "{name}: {} samples, {} rows, {} bytes, {:.4} bytes/sample, footer {} bytes, write {nanos:.1} ns/sample",
        meta.samples,
        meta.rows,
        meta.bytes,
        per(meta.bytes),
        meta.footer_length
    );
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("a file");
    let mut columns: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for group in reader.metadata().row_groups() {
        for column in group.columns() {
            let entry = columns.entry(column.column_path().string()).or_default();
            entry.0 += column.compressed_size() as u64;
            entry.1 += column.uncompressed_size() as u64;
        }
    }
    for (column, (compressed, plain)) in columns {
        println!("    {column:32} {compressed:>10} ({plain}) {:.4}", per(compressed));
    }
}

fn main() {
    let settings = WriterSettings::default();
    let base = Plan { series: 2_000, targets: 2, samples: 1_420, ..Plan::default() };
    report("two targets, steady", &base, settings.clone());
    report("two targets, 3 ms jitter", &Plan { jitter_ms: 3, ..base }, settings.clone());
    let fleet = Plan { series: 20_000, targets: 200, ..Plan::default() };
    report("200 targets, steady", &fleet, settings.clone());
    report("200 targets, 3 ms jitter", &Plan { jitter_ms: 3, ..fleet }, settings.clone());
    report("200 targets, half of the series end", &Plan { ending: 50, ..fleet }, settings.clone());
    report("100 series", &Plan { series: 100, targets: 1, ..Plan::default() }, settings.clone());
    for rows in [64, 128, 256, 512, 1024, 4096] {
        for kib in [64, 256, 1024] {
            let settings =
                WriterSettings { sample_page_rows: rows, sample_page_bytes: kib << 10, ..settings.clone() };
            let (_, meta, nanos) = write(&fleet, settings);
            println!(
                "pages of {rows} rows, {kib} KiB: {:.4} bytes/sample, footer {}, write {nanos:.1} ns/sample",
                meta.bytes as f64 / meta.samples as f64,
                meta.footer_length
            );
        }
    }
    for level in [1, 3, 6, 9, 12] {
        let (_, meta, nanos) = write(&fleet, WriterSettings { zstd_level: level, ..settings.clone() });
        println!(
            "zstd {level}: {:.4} bytes/sample, write {nanos:.1} ns/sample",
            meta.bytes as f64 / meta.samples as f64
        );
    }
}

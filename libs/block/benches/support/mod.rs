//! Synthetic blocks and a counting store, for the benchmark and the measuring example.

#![allow(dead_code, unreachable_pub, reason = "each user takes a part")]

pub mod counting;
pub mod synthetic;

use std::collections::{BTreeMap, BTreeSet};

use narthex_block::{
    BlockMeta, BlockSchema, BlockWriter, LabelCount, SchemaSettings, SeriesSamples, WriterSettings,
};
use narthex_model::WindowLength;

use synthetic::{Plan, Series};

/// Timestamps and values of one series.
pub type Samples = (Vec<i64>, Vec<f64>);

/// The schema that the writer's owner would choose for these series.
pub fn schema(series: &[Series]) -> BlockSchema {
    let mut counts: BTreeMap<&str, (u64, BTreeSet<&str>)> = BTreeMap::new();
    for (name, value) in series.iter().flat_map(|one| one.labels.iter()) {
        let count = counts.entry(name).or_default();
        count.0 += 1;
        count.1.insert(value);
    }
    let counts: Vec<LabelCount<'_>> = counts
        .iter()
        .map(|(name, (series, values))| LabelCount { name, series: *series, values: values.len() as u64 })
        .collect();
    BlockSchema::choose(series.len() as u64, &counts, false, &SchemaSettings::default())
}

/// Samples of all series, in block order.
pub fn data(plan: &Plan, series: &[Series]) -> Vec<Samples> {
    series.iter().map(|one| plan.samples(one)).collect()
}

pub fn write(series: &[Series], data: &[Samples], settings: WriterSettings) -> (Vec<u8>, BlockMeta) {
    let mut writer = BlockWriter::new(schema(series), WindowLength::DEFAULT, settings).expect("a writer");
    for (one, (timestamps, values)) in series.iter().zip(data) {
        let samples = SeriesSamples { timestamps, values, histograms: &[] };
        writer.push(&one.labels, one.labels.series_hash(), samples).expect("pushed");
    }
    writer.finish().expect("finished")
}

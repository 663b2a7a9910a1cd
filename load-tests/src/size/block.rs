//! A recording as one of our blocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use narthex_block::{
    BlockMeta, BlockReader, BlockSchema, BlockWriter, Budget, LabelCount, SchemaSettings, SeriesSamples,
    WriterSettings,
};
use narthex_model::{TimeRange, WindowLength};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::{Recording, Size};
use crate::own_cpu_seconds;

/// CPU time that each step is repeated for, because the kernel counts it in hundredths of a second.
const MEASURED_SECONDS: f64 = 2.0;

/// A block, and what it takes.
#[derive(Debug)]
pub struct Block {
    /// Its bytes by kind.
    pub size: Size,
    /// The object.
    pub bytes: Bytes,
    /// Rows, which are series in a window.
    pub rows: u64,
    /// CPU nanoseconds per sample of writing it.
    pub write_nanos: f64,
    /// CPU nanoseconds per row of finding everything by its labels.
    pub select_nanos: f64,
    /// CPU nanoseconds per sample of decoding everything that was found.
    pub decode_nanos: f64,
}

/// Writes a recording with default settings, reads it back, and measures both.
pub async fn block(recording: &Recording) -> Result<Block> {
    let samples = recording.samples() as f64;
    let started = own_cpu_seconds()?;
    let mut written = write(recording)?;
    let mut rounds = 1;
    while own_cpu_seconds()? - started < MEASURED_SECONDS {
        written = write(recording)?;
        rounds += 1;
    }
    let write_nanos = (own_cpu_seconds()? - started) * 1e9 / f64::from(rounds) / samples;
    let (bytes, meta) = written;
    let reader = open(&bytes, &meta).await?;
    verify(&reader, recording).await?;
    let select = read(&reader, false).await?;
    let all = read(&reader, true).await?;
    Ok(Block {
        size: size(&bytes, meta.samples)?,
        select_nanos: select / meta.rows as f64,
        decode_nanos: (all - select) / samples,
        bytes,
        rows: meta.rows,
        write_nanos,
    })
}

fn write(recording: &Recording) -> Result<(Bytes, BlockMeta)> {
    let mut writer = BlockWriter::new(schema(recording), WindowLength::DEFAULT, WriterSettings::default())?;
    for (labels, samples) in &recording.series {
        let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
        let samples = SeriesSamples { timestamps: &timestamps, values: &values, histograms: &[] };
        writer.push(labels, labels.series_hash(), samples)?;
    }
    let (bytes, meta) = writer.finish()?;
    Ok((bytes.into(), meta))
}

/// The schema that an ingester would choose.
fn schema(recording: &Recording) -> BlockSchema {
    let mut counts: BTreeMap<&str, (u64, BTreeSet<&str>)> = BTreeMap::new();
    for (name, value) in recording.series.iter().flat_map(|(labels, _)| labels.iter()) {
        let count = counts.entry(name).or_default();
        count.0 += 1;
        count.1.insert(value);
    }
    let counts: Vec<LabelCount<'_>> = counts
        .iter()
        .map(|(name, (series, values))| LabelCount { name, series: *series, values: values.len() as u64 })
        .collect();
    BlockSchema::choose(recording.series.len() as u64, &counts, false, &SchemaSettings::default())
}

fn size(bytes: &Bytes, held: u64) -> Result<Size> {
    let file = SerializedFileReader::new(bytes.clone())?;
    let columns = file.metadata().row_groups().iter().flat_map(|group| group.columns());
    let of_samples = columns.filter(|column| {
        let path = column.column_path().string();
        ["timestamps.", "decimals.", "values."].iter().any(|start| path.starts_with(start))
    });
    let samples = of_samples.map(|column| column.compressed_size()).sum::<i64>();
    let samples = u64::try_from(samples).context("a size is not negative")?;
    Ok(Size { name: "narthex block".to_owned(), samples, rest: bytes.len() as u64 - samples, held })
}

async fn open(bytes: &Bytes, meta: &BlockMeta) -> Result<BlockReader> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let path = Path::from("block");
    store.put(&path, bytes.clone().into()).await?;
    Ok(BlockReader::open(store, path, meta.bytes, meta.footer_length).await?)
}

async fn verify(reader: &BlockReader, recording: &Recording) -> Result<()> {
    let all = reader.select(&[], TimeRange::ALL, Budget::default()).await?.collect().await?;
    let same = all.len() == recording.series.len()
        && all.iter().zip(&recording.series).all(|((labels, found), (expected, samples))| {
            let bits = found.values.iter().map(|value| value.to_bits());
            labels == expected
                && found.timestamps.iter().eq(samples.iter().map(|(at, _)| at))
                && bits.eq(samples.iter().map(|(_, value)| value.to_bits()))
        });
    ensure!(same, "the block gives back other samples than were written");
    Ok(())
}

/// CPU nanoseconds of finding everything once, and of decoding it where that is wanted.
async fn read(reader: &BlockReader, decode: bool) -> Result<f64> {
    let started = own_cpu_seconds()?;
    let mut rounds = 0;
    while own_cpu_seconds()? - started < MEASURED_SECONDS {
        let mut samples = reader.select(&[], TimeRange::ALL, Budget::default()).await?.into_samples();
        while decode && samples.next_batch().await?.is_some() {}
        rounds += 1;
    }
    Ok((own_cpu_seconds()? - started) * 1e9 / f64::from(rounds))
}

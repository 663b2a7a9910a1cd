//! Writes a block: rows of (series, window) in `cmp_series` order, then time (B-2), streamed to a sink.
//!
//! Memory is bounded by the row group in progress, whose encoded pages wait until all columns are complete, whatever the size
//! of the block. The writer does no I/O: its caller takes finished bytes as row groups end
//! ([`BlockWriter::drain`]); [`crate::BlockUpload`] does that for an object store.

pub(crate) mod coding;
mod leaf;
mod pages;
mod recode;
mod row;
mod settings;
mod upload;

use narthex_model::{Labels, SeriesHash, TimeRange, TimestampMs, Window, WindowLength};
use parquet::{
    file::{
        metadata::{KeyValue, ParquetMetaData},
        properties::WriterPropertiesPtr,
        writer::SerializedFileWriter,
    },
    schema::types::SchemaDescriptor,
};

use self::{
    leaf::Leaf,
    row::{Row, RowEncoder},
};
pub use self::{settings::WriterSettings, upload::BlockUpload};
use crate::{
    BlockError, BlockMeta, BlockSchema, SeriesSamples,
    schema::{Layout, SAMPLES_KEY, SERIES_KEY},
};

/// Most samples of one row. A window of two hours has no more milliseconds.
const MAX_ROW_SAMPLES: usize = 7_200_000;

/// Counts of what was written.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    series: u64,
    rows: u64,
    samples: u64,
    time: Option<TimeRange>,
    hashes: Option<(SeriesHash, SeriesHash)>,
}

/// Writes one block. An error other than [`BlockError::Refused`] leaves an unusable block.
pub struct BlockWriter {
    file: SerializedFileWriter<Vec<u8>>,
    schema: BlockSchema,
    layout: Layout,
    window: WindowLength,
    settings: WriterSettings,
    properties: WriterPropertiesPtr,
    leaves: Vec<Leaf>,
    group_rows: usize,
    encoder: RowEncoder,
    last: Option<(Labels, Window)>,
    written: Written,
}

impl std::fmt::Debug for BlockWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockWriter")
            .field("schema", &self.schema)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl BlockWriter {
    /// Starts a block whose rows are windows of this length.
    pub fn new(
        schema: BlockSchema,
        window: WindowLength,
        settings: WriterSettings,
    ) -> Result<Self, BlockError> {
        let layout = Layout::new(&schema);
        let properties = settings.properties(&schema, &layout)?;
        let message = schema.message_type().map_err(BlockError::write)?;
        let file =
            SerializedFileWriter::new(Vec::new(), message, properties.clone()).map_err(BlockError::write)?;
        let encoder = RowEncoder::new(schema.promoted.len());
        Ok(Self {
            file,
            schema,
            layout,
            window,
            settings,
            properties,
            leaves: Vec::new(),
            group_rows: 0,
            encoder,
            last: None,
            written: Written::default(),
        })
    }

    /// Adds samples of a series, as one row for each window that they touch. Series come in the order of [`Labels`]; a series
    /// may come again with later windows. `hash` is the hash of the labels. What breaks the order is refused and changes nothing.
    pub fn push(
        &mut self,
        labels: &Labels,
        hash: SeriesHash,
        samples: SeriesSamples<'_>,
    ) -> Result<(), BlockError> {
        debug_assert_eq!(hash, labels.series_hash());
        self.check(labels, &samples)?;
        let mut rest = samples;
        while let Some(TimeRange { min, .. }) = rest.time_range() {
            let window = self.window.window(min);
            let (samples, later) = rest.split(|at| self.window.window(TimestampMs(at)) <= window);
            self.push_row(labels, hash, window, samples)?;
            rest = later;
        }
        Ok(())
    }

    /// Number of samples so far.
    pub fn samples(&self) -> u64 {
        self.written.samples
    }

    /// Number of row groups that are complete.
    pub fn finished_row_groups(&self) -> usize {
        self.file.flushed_row_groups().len()
    }

    /// Ends the block. Returns the bytes that were not drained before, which are the whole block if none were.
    pub fn finish(mut self) -> Result<(Vec<u8>, BlockMeta), BlockError> {
        let meta = self.finish_file()?;
        Ok((self.drain()?, meta))
    }

    /// Takes the bytes that are complete by now: those of all finished row groups that were not taken before.
    pub fn drain(&mut self) -> Result<Vec<u8>, BlockError> {
        self.file.flush().map_err(BlockError::write)?;
        Ok(std::mem::take(self.file.inner_mut()))
    }

    fn finish_file(&mut self) -> Result<BlockMeta, BlockError> {
        self.end_row_group()?;
        for (key, value) in [(SERIES_KEY, self.written.series), (SAMPLES_KEY, self.written.samples)] {
            self.file.append_key_value_metadata(KeyValue::new(key.to_owned(), value.to_string()));
        }
        let footer = self.file.finish().map_err(BlockError::write)?;
        self.meta(&footer)
    }

    fn check(&self, labels: &Labels, samples: &SeriesSamples<'_>) -> Result<(), BlockError> {
        let refuse = |reason: &str| Err(BlockError::Refused(format!("series {labels}: {reason}")));
        if let Err(reason) = samples.check() {
            return refuse(reason);
        }
        if !samples.histograms.is_empty() && !self.schema.histograms {
            return refuse("the block was set up without histograms");
        }
        let (Some((last, last_window)), Some(range)) = (&self.last, samples.time_range()) else {
            return Ok(());
        };
        match labels.cmp(last) {
            std::cmp::Ordering::Less => refuse("comes after a series that sorts behind it"),
            std::cmp::Ordering::Equal if self.window.window(range.min) <= *last_window => {
                refuse("already has a row in this window or a later one")
            }
            _ => Ok(()),
        }
    }

    fn push_row(
        &mut self,
        labels: &Labels,
        hash: SeriesHash,
        window: Window,
        samples: SeriesSamples<'_>,
    ) -> Result<(), BlockError> {
        let Some(time) = samples.time_range() else { return Ok(()) };
        if samples.len() > MAX_ROW_SAMPLES {
            return Err(BlockError::Refused(format!("series {labels}: more samples than milliseconds")));
        }
        if self.leaves.is_empty() {
            self.start_row_group()?;
        }
        let row = Row { labels, hash, time, samples };
        self.encoder.put(&row, &self.schema.promoted, &mut self.leaves);
        self.leaves.iter_mut().try_for_each(Leaf::row_done)?;
        self.group_rows += 1;
        self.count(&row);
        self.last = Some((labels.clone(), window));
        let full = self.group_rows >= self.settings.row_group_rows.max(1)
            || (self.group_rows.is_multiple_of(64)
                && self.leaves.iter().map(Leaf::encoded_bytes).sum::<usize>()
                    >= self.settings.row_group_bytes);
        if full { self.end_row_group() } else { Ok(()) }
    }

    fn count(&mut self, row: &Row<'_>) {
        let written = &mut self.written;
        let same = self.last.as_ref().is_some_and(|(last, _)| last == row.labels);
        written.series += u64::from(!same);
        written.rows += 1;
        written.samples += row.samples.len() as u64;
        let time = written.time.unwrap_or(row.time);
        written.time = Some(TimeRange { min: time.min.min(row.time.min), max: time.max.max(row.time.max) });
        let (min, max) = written.hashes.unwrap_or((row.hash, row.hash));
        written.hashes = Some((min.min(row.hash), max.max(row.hash)));
    }

    fn start_row_group(&mut self) -> Result<(), BlockError> {
        let descriptor: &SchemaDescriptor = self.file.schema_descr();
        let level = self.settings.level()?;
        self.leaves = self
            .layout
            .columns()
            .zip(descriptor.columns())
            .map(|((column, _), leaf)| Leaf::new(column, leaf.clone(), self.properties.clone(), level))
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    fn end_row_group(&mut self) -> Result<(), BlockError> {
        if self.leaves.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group().map_err(BlockError::write)?;
        for leaf in self.leaves.drain(..) {
            let (pages, close) = leaf.close()?;
            group.append_column(&pages, close).map_err(BlockError::write)?;
        }
        group.close().map_err(BlockError::write)?;
        self.group_rows = 0;
        Ok(())
    }

    fn meta(&mut self, footer: &ParquetMetaData) -> Result<BlockMeta, BlockError> {
        let bytes = self.file.bytes_written() as u64;
        // The page index lies right before the footer, so the first of its parts is where one request begins.
        let columns = footer.row_groups().iter().flat_map(|group| group.columns());
        let index = columns.flat_map(|column| [column.column_index_offset(), column.offset_index_offset()]);
        let start = match index.flatten().min() {
            Some(start) => u64::try_from(start).map_err(BlockError::write)?,
            // A block without rows has no page index; it is small enough to be read whole.
            None => 0,
        };
        let written = self.written;
        let bounds = std::mem::take(&mut self.encoder.bounds);
        let labels = self.schema.promoted.iter().zip(bounds);
        Ok(BlockMeta {
            series: written.series,
            rows: written.rows,
            samples: written.samples,
            bytes,
            footer_length: bytes.saturating_sub(start),
            time: written.time.unwrap_or(TimeRange { min: TimestampMs(0), max: TimestampMs(0) }),
            hashes: written.hashes.unwrap_or_default(),
            labels: labels.map(|(label, bounds)| bounds.finish(&label.name, written.rows)).collect(),
        })
    }
}

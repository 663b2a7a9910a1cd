//! How columns are encoded and paged: tuned by measurement, free to change, because a reader needs none of it.

use std::sync::Arc;

use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::{
            BloomFilterPosition, DeltaBinaryPackedEncoderOptions, EnabledStatistics, WriterProperties,
            WriterPropertiesPtr, WriterVersion,
        },
    },
    schema::types::ColumnPath,
};

use crate::{
    BlockError, BlockSchema, FORMAT_VERSION,
    meta::MAX_BOUND_BYTES,
    schema::{Column, ColumnKind, FORMAT_KEY, Layout},
};

/// What an operator may tune about writing. The defaults are measured by `examples/measure.rs`.
#[derive(Debug, Clone)]
pub struct WriterSettings {
    /// Encoded bytes after which a row group ends: the writer holds no more than about twice this.
    pub row_group_bytes: usize,
    /// Rows after which a row group ends.
    pub row_group_rows: usize,
    /// Rows of a page of labels, hashes and times.
    pub label_page_rows: usize,
    /// Rows of a page of samples: what is decoded for one row, at most. Pages of timestamps may have twice as many.
    pub sample_page_rows: usize,
    /// Bytes of a page of samples, eight for each, before it is encoded; more than 1 MiB counts as 1 MiB. Pages of timestamps
    /// may have four times as many, because those of one scrape repeat from series to series.
    pub sample_page_bytes: usize,
    /// Largest dictionary of a label column in a row group; beyond it values are written plainly.
    pub dictionary_bytes: usize,
    /// Level of zstd, 1 to 22.
    pub zstd_level: i32,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            row_group_bytes: 64 << 20,
            row_group_rows: 256 << 10,
            label_page_rows: 8 << 10,
            sample_page_rows: 1024,
            // A mini-batch. 6 % more bytes than with 1 MiB, and far less work: it stays in the nearest caches where all is read, and little
            // else is decoded where one series is wanted.
            sample_page_bytes: 32 << 10,
            dictionary_bytes: 1 << 20,
            zstd_level: 6,
        }
    }
}

/// Steady numbers of histograms take 5 bytes for 128, so that this bounds a page's values to what the reader accepts.
const MAX_SAMPLE_PAGE_BYTES: usize = 1 << 20;

/// Samples of a mini-batch, after which page limits are checked.
pub(super) const WRITE_BATCH: usize = 4096;

impl WriterSettings {
    pub(super) fn level(&self) -> Result<ZstdLevel, BlockError> {
        ZstdLevel::try_new(self.zstd_level).map_err(|error| BlockError::Refused(error.to_string()))
    }

    pub(super) fn properties(
        &self,
        schema: &BlockSchema,
        layout: &Layout,
    ) -> Result<WriterPropertiesPtr, BlockError> {
        let level = self.level()?;
        let page_bytes = self.sample_page_bytes.clamp(1, MAX_SAMPLE_PAGE_BYTES);
        let delta = DeltaBinaryPackedEncoderOptions::try_new(128, 4).map_err(BlockError::write)?;
        let sorted = SortingColumn { column_idx: 0, descending: false, nulls_first: true };
        let mut builder = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by(concat!("narthex ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(vec![KeyValue::new(
                FORMAT_KEY.to_owned(),
                FORMAT_VERSION.to_string(),
            )]))
            .set_compression(Compression::ZSTD(level))
            .set_delta_binary_packed_encoder_options(delta)
            .set_bloom_filter_position(BloomFilterPosition::End)
            .set_sorting_columns(Some(vec![sorted]))
            .set_max_row_group_row_count(Some(self.row_group_rows.max(1)))
            .set_column_index_truncate_length(Some(MAX_BOUND_BYTES))
            .set_statistics_truncate_length(Some(MAX_BOUND_BYTES))
            .set_write_batch_size(WRITE_BATCH)
            .set_data_page_size_limit(page_bytes)
            .set_dictionary_page_size_limit(self.dictionary_bytes)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None);
        for (column, path) in layout.columns() {
            builder = builder.set_column_data_page_row_count_limit(
                path.clone(),
                match (column.kind(), column) {
                    (ColumnKind::Label | ColumnKind::Row, _) => self.label_page_rows.max(1),
                    (_, Column::Timestamps) => self.sample_page_rows.saturating_mul(2).max(1),
                    (ColumnKind::Sample | ColumnKind::Histogram, _) => self.sample_page_rows.max(1),
                },
            );
            if column == Column::Timestamps {
                builder = builder.set_column_data_page_size_limit(path.clone(), 4 * page_bytes);
            }
            builder = encoded(builder, column, path, schema);
        }
        Ok(Arc::new(builder.build()))
    }
}

type Builder = parquet::file::properties::WriterPropertiesBuilder;

fn encoded(builder: Builder, column: Column, path: &ColumnPath, schema: &BlockSchema) -> Builder {
    let with = |builder: Builder, encoding| builder.set_column_encoding(path.clone(), encoding);
    match column {
        Column::Label(at) => {
            let builder = builder
                .set_column_dictionary_enabled(path.clone(), true)
                .set_column_statistics_enabled(path.clone(), EnabledStatistics::Page);
            let builder = with(builder, Encoding::PLAIN);
            if schema.promoted[at].bloom {
                builder
                    .set_column_bloom_filter_enabled(path.clone(), true)
                    .set_column_bloom_filter_fpp(path.clone(), 0.01)
                    .set_column_bloom_filter_max_ndv(path.clone(), 64 << 10)
            } else {
                builder
            }
        }
        Column::MapKey | Column::MapValue => {
            with(builder.set_column_dictionary_enabled(path.clone(), true), Encoding::PLAIN)
        }
        Column::MinTime | Column::MaxTime => {
            let builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::Page);
            with(builder, Encoding::DELTA_BINARY_PACKED)
        }
        // Random bits: nothing but repetition compresses.
        Column::SeriesHash => with(builder, Encoding::PLAIN),
        // These come plain to where pages are recoded and compressed.
        Column::Timestamps | Column::Decimals | Column::Values => {
            with(builder.set_column_compression(path.clone(), Compression::UNCOMPRESSED), Encoding::PLAIN)
        }
        // Neighbours share their upper bytes, which come together and cost almost nothing.
        Column::HistSum | Column::HistZeroThreshold | Column::HistFloatCount | Column::HistFloatZeroCount => {
            with(builder, Encoding::BYTE_STREAM_SPLIT)
        }
        // Bucket counts repeat from scrape to scrape, which zstd sees only in whole bytes.
        Column::CustomBounds
        | Column::Positive
        | Column::Negative
        | Column::FloatPositive
        | Column::FloatNegative => with(builder, Encoding::PLAIN),
        _ => with(builder, Encoding::DELTA_BINARY_PACKED),
    }
}

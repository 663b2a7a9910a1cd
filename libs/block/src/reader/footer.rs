//! The footer and the page index of a block, read with one request and checked once.
//!
//! What is checked here is relied on by everything that reads pages: every range lies inside of the object, pages of a column
//! follow each other, and their rows begin with 0 and ascend.

use std::{collections::HashMap, ops::Range, sync::Arc};

use bytes::Bytes;
use narthex_model::TimeRange;
use object_store::path::Path;
use parquet::{
    basic::Compression,
    file::{
        metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        page_index::{column_index::ColumnIndexMetaData, offset_index::PageLocation},
    },
};

use super::prune::candidates;
use crate::{
    BlockError, BlockSchema, FORMAT_VERSION,
    error::Damage,
    page::{Codec, MAX_PAGE_BYTES},
    schema::{Column, FORMAT_KEY, Layout, SAMPLES_KEY, SERIES_KEY},
};

/// Most rows of a row group; the writer's limit is far below.
const MAX_GROUP_ROWS: i64 = 1 << 24;

/// Footer and page index, parsed. Share it between readers of the same block.
#[derive(Debug)]
pub struct Footer {
    metadata: ParquetMetaData,
    schema: BlockSchema,
    leaves: HashMap<Column, usize>,
    series: u64,
    samples: u64,
}

/// One page of a column, and the rows that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageRef {
    pub(super) bytes: Range<u64>,
    pub(super) rows: Range<u64>,
}

impl PageRef {
    fn new(page: &PageLocation, end: u64) -> Self {
        let start = page.offset as u64;
        Self {
            bytes: start..start + page.compressed_page_size as u64,
            rows: page.first_row_index as u64..end,
        }
    }
}

impl Footer {
    /// Parses the last bytes of an object of `size` bytes: exactly those that [`crate::BlockMeta::footer_length`] counts, or more.
    pub fn parse(path: &Path, size: u64, tail: &Bytes) -> Result<Self, BlockError> {
        let metadata = parse_metadata(size, tail).map_err(|damage| damage.at(path))?;
        check_version(path, &metadata)?;
        Self::checked(metadata, size).map_err(|damage| damage.at(path))
    }

    fn checked(metadata: ParquetMetaData, size: u64) -> Result<Self, Damage> {
        let descriptor = metadata.file_metadata().schema_descr();
        let schema = Layout::schema_of(descriptor);
        let by_path: HashMap<_, _> =
            descriptor.columns().iter().enumerate().map(|(leaf, column)| (column.path(), leaf)).collect();
        let mut leaves = HashMap::new();
        for (column, path) in Layout::new(&schema).columns() {
            let leaf = *by_path.get(path).ok_or_else(|| Damage::new(format!("there is no column {path}")))?;
            let found = descriptor.column(leaf);
            let levels = column.levels();
            if found.physical_type() != column.physical()
                || (found.max_def_level(), found.max_rep_level()) != (levels.0.into(), levels.1.into())
            {
                return Err(Damage::new(format!("column {path} has another type")));
            }
            leaves.insert(column, leaf);
        }
        let footer = Self {
            series: key_value(&metadata, SERIES_KEY).unwrap_or_default(),
            samples: key_value(&metadata, SAMPLES_KEY).unwrap_or_default(),
            metadata,
            schema,
            leaves,
        };
        for group in 0..footer.groups() {
            let rows = footer.metadata.row_group(group).num_rows();
            if !(0..=MAX_GROUP_ROWS).contains(&rows) {
                return Err(Damage::new(format!("a row group of {rows} rows")));
            }
            for column in footer.leaves.keys() {
                footer.check_chunk(group, *column, size)?;
            }
        }
        Ok(footer)
    }

    fn check_chunk(&self, group: usize, column: Column, size: u64) -> Result<(), Damage> {
        let damaged = |reason: &str| Err(Damage::new(format!("{reason} of column {column:?}")));
        let chunk = self.chunk(group, column);
        match chunk.compression() {
            Compression::UNCOMPRESSED | Compression::ZSTD(_) => {}
            _ => return damaged("unexpected compression"),
        }
        let locations = self.locations(group, column);
        let rows = self.metadata.row_group(group).num_rows();
        let (mut next_byte, mut next_row) = (chunk.dictionary_page_offset().unwrap_or_default(), 0);
        let mut first = true;
        for location in locations {
            let after_row =
                if first { location.first_row_index == 0 } else { location.first_row_index > next_row };
            if location.offset < next_byte
                || location.compressed_page_size <= 0
                || location.compressed_page_size as usize > MAX_PAGE_BYTES
                || !after_row
                || location.first_row_index >= rows
            {
                return damaged("unexpected page");
            }
            next_byte = location.offset.saturating_add(location.compressed_page_size.into());
            next_row = location.first_row_index;
            first = false;
        }
        if (first && rows > 0) || u64::try_from(next_byte).is_ok_and(|end| end > size) || next_byte < 0 {
            return damaged("missing pages");
        }
        let dictionary = chunk.dictionary_page_offset().zip(locations.first());
        if dictionary.is_some_and(|(at, page)| at < 0 || page.offset - at > MAX_PAGE_BYTES as i64) {
            return damaged("unexpected dictionary");
        }
        let bloom = chunk.bloom_filter_offset().zip(chunk.bloom_filter_length());
        let inside = |(at, length): (i64, i32)| {
            at >= 0 && length >= 0 && at.checked_add(length.into()).is_some_and(|end| end as u64 <= size)
        };
        if bloom.is_some_and(|bloom| !inside(bloom)) {
            return damaged("unexpected bloom filter");
        }
        if let Some(index) = self.column_index(group, column)
            && index.num_pages() != locations.len() as u64
        {
            return damaged("unexpected page index");
        }
        Ok(())
    }

    /// Which labels have columns, and whether there are histograms. Bloom filters are not told.
    pub fn schema(&self) -> &BlockSchema {
        &self.schema
    }

    /// Distinct series in the block.
    pub fn series(&self) -> u64 {
        self.series
    }

    /// Samples in the block.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Whether a row may have samples in a range, as far as the bounds of pages tell.
    pub fn may_touch(&self, range: TimeRange) -> bool {
        (0..self.groups()).any(|group| !candidates(self, group, &[], range).is_empty())
    }

    /// Rows of the block.
    pub fn row_count(&self) -> u64 {
        (0..self.groups()).map(|group| self.rows(group)).sum()
    }

    /// The labels that have columns, the rows that have each, and whether it has bloom filters.
    pub(crate) fn label_columns(&self) -> impl Iterator<Item = (&str, u64, bool)> {
        self.schema.promoted_labels().enumerate().map(|(at, name)| {
            let column = Column::Label(at);
            let (mut rows, mut bloom) = (0, false);
            for group in 0..self.groups() {
                let index = self.column_index(group, column);
                let nulls = |index: &ColumnIndexMetaData| {
                    (0..index.num_pages() as usize).filter_map(|page| index.null_count(page)).sum::<i64>()
                };
                rows += self.rows(group).saturating_sub(index.map_or(0, nulls).max(0) as u64);
                bloom |= self.bloom(group, column).is_some();
            }
            (name, rows, bloom)
        })
    }

    /// Bytes of memory that the parsed form takes, for a cache.
    pub fn memory_size(&self) -> usize {
        self.metadata.memory_size()
    }

    pub(super) fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    pub(super) fn rows(&self, group: usize) -> u64 {
        self.metadata.row_group(group).num_rows().max(0) as u64
    }

    /// The column that a label has, if it is promoted.
    pub(super) fn label_column(&self, name: &str) -> Option<Column> {
        self.schema.promoted_labels().position(|label| label == name).map(Column::Label)
    }

    pub(super) fn chunk(&self, group: usize, column: Column) -> &ColumnChunkMetaData {
        self.metadata.row_group(group).column(self.leaf(column))
    }

    /// The number of a column in the file.
    pub(super) fn leaf(&self, column: Column) -> usize {
        // Every column of the schema was found when the footer was checked.
        self.leaves.get(&column).copied().unwrap_or_default()
    }

    pub(super) fn codec(&self, group: usize, column: Column) -> Codec {
        match self.chunk(group, column).compression() {
            Compression::UNCOMPRESSED => Codec::Plain,
            _ => Codec::Zstd,
        }
    }

    fn locations(&self, group: usize, column: Column) -> &[PageLocation] {
        self.leaf_locations(group, self.leaf(column))
    }

    fn leaf_locations(&self, group: usize, leaf: usize) -> &[PageLocation] {
        let index = self.metadata.page_index().and_then(|index| index.offset_index(group, leaf));
        index.map_or(&[], |index| index.page_locations().as_slice())
    }

    /// The page of a column, by its number in the file, that holds a row.
    pub(super) fn page_of(&self, group: usize, leaf: usize, row: u64) -> Option<PageRef> {
        let locations = self.leaf_locations(group, leaf);
        let after = locations.partition_point(|page| page.first_row_index as u64 <= row);
        let end = locations.get(after).map_or(self.rows(group), |next| next.first_row_index as u64);
        let page = locations.get(after.checked_sub(1)?).filter(|_| row < end)?;
        Some(PageRef::new(page, end))
    }

    pub(super) fn column_index(&self, group: usize, column: Column) -> Option<&ColumnIndexMetaData> {
        self.metadata.page_index().and_then(|index| index.column_index(group, self.leaf(column)))
    }

    /// The pages of a column, in order.
    pub(super) fn pages(&self, group: usize, column: Column) -> impl Iterator<Item = PageRef> {
        let locations = self.locations(group, column);
        let ends = locations.iter().skip(1).map(|next| next.first_row_index as u64);
        locations.iter().zip(ends.chain([self.rows(group)])).map(|(page, end)| PageRef::new(page, end))
    }

    /// Where the dictionary of a column lies, if it has one.
    pub(super) fn dictionary(&self, group: usize, column: Column) -> Option<Range<u64>> {
        let start = self.chunk(group, column).dictionary_page_offset()? as u64;
        let end = self.locations(group, column).first()?.offset as u64;
        (start < end).then_some(start..end)
    }

    /// Where the first column of a row group begins.
    pub(super) fn group_start(&self, group: usize) -> u64 {
        let first = Column::Label(0);
        let page = self.pages(group, first).next().map(|page| page.bytes);
        self.dictionary(group, first).or(page).map_or(0, |range| range.start)
    }

    /// Where the bloom filter of a column lies, if it has one.
    pub(super) fn bloom(&self, group: usize, column: Column) -> Option<Range<u64>> {
        let chunk = self.chunk(group, column);
        let start = chunk.bloom_filter_offset()? as u64;
        Some(start..start + chunk.bloom_filter_length()? as u64)
    }
}

fn parse_metadata(size: u64, tail: &Bytes) -> Result<ParquetMetaData, Damage> {
    let mut reader = ParquetMetaDataReader::new()
        .with_column_index_policy(PageIndexPolicy::Optional)
        .with_offset_index_policy(PageIndexPolicy::Required);
    reader.try_parse_sized(tail, size)?;
    Ok(reader.finish()?)
}

fn key_value(metadata: &ParquetMetaData, key: &str) -> Option<u64> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == key)?.value.as_ref()?.parse().ok()
}

fn check_version(path: &Path, metadata: &ParquetMetaData) -> Result<(), BlockError> {
    let found = key_value(metadata, FORMAT_KEY).and_then(|version| u32::try_from(version).ok());
    match found {
        None | Some(0) => Err(Damage::new("no format version: not a block").at(path)),
        Some(found) if found > FORMAT_VERSION => {
            Err(BlockError::NewerFormat { path: path.clone(), found, known: FORMAT_VERSION })
        }
        Some(_) => Ok(()),
    }
}

/// Footers are shared.
pub(super) type SharedFooter = Arc<Footer>;

//! Chooses how the samples of a column chunk are encoded, by trial.
//!
//! Timestamps of two targets repeat in one way and those of a fleet in another, and values are as their exporters make them, so
//! the first page of a column chunk that has enough values is encoded in every way its column may have. The smallest result,
//! compressed, decides for the pages that follow; of two that are nearly the same, the one that is faster to decompress.

use parquet::{
    basic::{Compression, Encoding, PageType, ZstdLevel},
    column::page::{CompressedPage, Page},
    errors::{ParquetError, Result},
    file::metadata::{ColumnChunkMetaData, PageEncodingStats},
};
use zstd::bulk::Compressor;

use super::coding::Coding;
use crate::schema::Column;

/// Values that tell enough of a column chunk.
const TRIAL_VALUES: usize = 4096;

/// As many bytes to decompress weigh as much as one stored byte.
const DECOMPRESSION_WEIGHT: usize = 2048;

/// Encodes and compresses pages that come plain and uncompressed.
pub(super) struct Recoder {
    column: Column,
    codings: &'static [Coding],
    level: ZstdLevel,
    compressor: Compressor<'static>,
    written: Vec<(Encoding, i32)>,
    plain: Vec<u8>,
}

/// A page as one coding makes it.
struct Trial {
    coding: Coding,
    /// Before compression.
    size: usize,
    stored: Vec<u8>,
}

impl Trial {
    fn cost(&self) -> usize {
        self.stored.len() + self.size / DECOMPRESSION_WEIGHT
    }
}

/// How a column of samples may be encoded; columns of other kinds are left to the parquet crate.
pub(super) fn codings(column: Column) -> Option<&'static [Coding]> {
    match column {
        // Differences for many targets, whole lists for few whose series follow each other.
        Column::Timestamps => Some(&[Coding::Packed { block: 128 }, Coding::Plain]),
        // Differences for long rows of counters, bytes of a kind for short ones and gauges.
        Column::Decimals => Some(&[Coding::Split, Coding::Packed { block: 1024 }]),
        // Whole values for sums that seldom change, bytes of a kind for those that always do.
        Column::Values => Some(&[Coding::Plain, Coding::Split]),
        _ => None,
    }
}

impl Recoder {
    /// A recoder for a column, if it is one of samples.
    pub(super) fn new(column: Column, level: ZstdLevel) -> std::io::Result<Option<Self>> {
        let Some(codings) = codings(column) else { return Ok(None) };
        Ok(Some(Self {
            column,
            codings,
            level,
            compressor: Compressor::new(level.compression_level())?,
            written: Vec::new(),
            plain: Vec::new(),
        }))
    }

    /// The smallest form of a page.
    pub(super) fn recode(&mut self, page: &CompressedPage) -> Result<CompressedPage> {
        let Page::DataPage { buf, num_values, def_level_encoding, rep_level_encoding, .. } =
            page.compressed_page()
        else {
            return Err(ParquetError::General("a page of samples is no data page".to_owned()));
        };
        let (levels, values) = split(buf, self.column)?;
        let mut best: Option<Trial> = None;
        for coding in self.codings {
            self.plain.clear();
            self.plain.extend_from_slice(levels);
            coding.encode(values, &mut self.plain);
            let stored = self.compressor.compress(&self.plain)?;
            let trial = Trial { coding: *coding, size: self.plain.len(), stored };
            if best.as_ref().is_none_or(|best| trial.cost() < best.cost()) {
                best = Some(trial);
            }
        }
        let Trial { coding, size, stored } =
            best.ok_or_else(|| ParquetError::General("a column without encodings".to_owned()))?;
        if values.len() >= TRIAL_VALUES
            && let Some(at) = self.codings.iter().position(|one| *one == coding)
        {
            self.codings = &self.codings[at..=at];
        }
        let encoding = coding.encoding();
        match self.written.last_mut().filter(|(last, _)| *last == encoding) {
            Some((_, count)) => *count += 1,
            None => self.written.push((encoding, 1)),
        }
        let page = Page::DataPage {
            buf: stored.into(),
            num_values: *num_values,
            encoding,
            def_level_encoding: *def_level_encoding,
            rep_level_encoding: *rep_level_encoding,
            statistics: None,
        };
        Ok(CompressedPage::new(page, size))
    }

    /// Says in the metadata of the column chunk what was done to its pages.
    pub(super) fn describe(&self, metadata: ColumnChunkMetaData) -> Result<ColumnChunkMetaData> {
        let encodings = self.written.iter().map(|(encoding, _)| *encoding).chain([Encoding::RLE]);
        let pages = self.written.iter().map(|(encoding, count)| PageEncodingStats {
            page_type: PageType::DATA_PAGE,
            encoding: *encoding,
            count: *count,
        });
        metadata
            .into_builder()
            .set_compression(Compression::ZSTD(self.level))
            .set_encodings(encodings.collect())
            .set_page_encoding_stats(pages.collect())
            .build()
    }
}

/// Levels with their lengths in front, and the plain values behind them.
fn split(page: &[u8], column: Column) -> Result<(&[u8], &[[u8; 8]])> {
    let malformed = || ParquetError::General(format!("a page of {column:?} is not as expected"));
    let (def, rep) = column.levels();
    let mut start = 0;
    for level in [rep, def] {
        if level > 0 {
            let (length, rest) = page[start..].split_first_chunk::<4>().ok_or_else(malformed)?;
            let length = u32::from_le_bytes(*length) as usize;
            if length > rest.len() {
                return Err(malformed());
            }
            start += 4 + length;
        }
    }
    let (levels, values) = page.split_at(start);
    match values.as_chunks() {
        (values, []) => Ok((levels, values)),
        _ => Err(malformed()),
    }
}

//! Puts encoded pages behind each other: those of samples in their smallest form, and each with the standard's checksum in its
//! header, which the parquet crate's own writer leaves out (`PageHeader` of parquet.thrift, in the compact protocol of Thrift).

use std::{mem, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use parquet::{
    basic::PageType,
    column::page::{CompressedPage, Page, PageWriteSpec, PageWriter},
    errors::{ParquetError, Result},
    file::metadata::ColumnChunkMetaData,
};

use super::recode::Recoder;

/// Pages of one column of a row group. Shared, because the encoder owns its end.
#[derive(Clone)]
pub(super) struct Pages(Arc<Mutex<State>>);

struct State {
    recoder: Option<Recoder>,
    bytes: Vec<u8>,
}

impl Pages {
    /// Pages that go through a recoder, or stay as the encoder made them.
    pub(super) fn new(recoder: Option<Recoder>) -> Self {
        Self(Arc::new(Mutex::new(State { recoder, bytes: Vec::new() })))
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> usize {
        self.0.lock().bytes.len()
    }

    /// Takes all pages.
    pub(super) fn take(&self) -> Bytes {
        mem::take(&mut self.0.lock().bytes).into()
    }

    /// Corrects what the encoder says of pages that were recoded.
    pub(super) fn describe(&self, metadata: ColumnChunkMetaData) -> Result<ColumnChunkMetaData> {
        match &self.0.lock().recoder {
            Some(recoder) => recoder.describe(metadata),
            None => Ok(metadata),
        }
    }
}

impl PageWriter for Pages {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let State { recoder, bytes } = &mut *self.0.lock();
        let page = match recoder {
            Some(recoder) => recoder.recode(&page)?,
            None => page,
        };
        let header = header(&page)?;
        let mut spec = PageWriteSpec::new();
        spec.page_type = page.page_type();
        spec.uncompressed_size = header.len() + page.uncompressed_size();
        spec.compressed_size = header.len() + page.compressed_size();
        spec.num_values = page.num_values();
        spec.offset = bytes.len() as u64;
        spec.bytes_written = spec.compressed_size as u64;
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(page.data());
        Ok(spec)
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The header of a page: its sizes, the CRC-32 of its body as stored, and how its values are encoded.
fn header(page: &CompressedPage) -> Result<Vec<u8>> {
    let mut header = Struct::default();
    header.int(1, page.page_type() as i32);
    header.int(2, i32::try_from(page.uncompressed_size()).map_err(too_large)?);
    header.int(3, i32::try_from(page.compressed_size()).map_err(too_large)?);
    header.int(4, crc32fast::hash(page.data()).cast_signed());
    header.inside(match page.page_type() {
        PageType::DICTIONARY_PAGE => 7,
        _ => 5,
    });
    header.int(1, i32::try_from(page.num_values()).map_err(too_large)?);
    header.int(2, page.encoding() as i32);
    match page.compressed_page() {
        Page::DataPage { def_level_encoding, rep_level_encoding, .. } => {
            header.int(3, *def_level_encoding as i32);
            header.int(4, *rep_level_encoding as i32);
        }
        Page::DictionaryPage { .. } => {}
        Page::DataPageV2 { .. } => return Err(ParquetError::NYI("data pages of version 2".to_owned())),
    }
    Ok(header.end())
}

fn too_large(error: std::num::TryFromIntError) -> ParquetError {
    ParquetError::General(format!("a page is too large: {error}"))
}

/// A structure of the compact protocol under construction, whose last field may be another structure.
#[derive(Default)]
struct Struct {
    bytes: Vec<u8>,
    last: u8,
    depth: usize,
}

impl Struct {
    const I32: u8 = 5;
    const STRUCT: u8 = 12;

    /// The head of a field: how far its number is from the one before, and its type.
    fn field(&mut self, number: u8, wire: u8) {
        self.bytes.push((number - self.last) << 4 | wire);
        self.last = number;
    }

    fn int(&mut self, number: u8, value: i32) {
        self.field(number, Self::I32);
        let mut rest = ((value << 1) ^ (value >> 31)).cast_unsigned();
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    /// Goes on inside of a structure that is the last field.
    fn inside(&mut self, number: u8) {
        self.field(number, Self::STRUCT);
        self.last = 0;
        self.depth += 1;
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + self.depth + 1, 0);
        self.bytes
    }
}

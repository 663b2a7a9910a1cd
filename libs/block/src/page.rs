//! Decodes Parquet pages: the part of the format that blocks use, and no more.
//!
//! The bytes come from a bucket, so every count is checked before memory is taken: a page holds at most [`MAX_PAGE_VALUES`]
//! values in at most [`MAX_PAGE_BYTES`], and whatever disagrees with itself is [`Damage`], never a panic. The
//! general reader of the parquet crate trusts sizes more than that and builds Arrow lists that we would take apart again.

mod delta;
mod header;
mod hybrid;
mod lists;
mod scalars;
mod text;

use std::{cell::RefCell, io};

use bytes::Bytes;
use zstd::bulk::Decompressor;

use self::{
    header::{Header, PageKind},
    hybrid::Levels,
};
pub(crate) use self::{
    lists::{ListPage, NestedPage},
    scalars::{FlatPage, Number},
    text::{TextId, TextListPage, TextPage, TextTable, decode_dictionary},
};
use crate::{error::Damage, schema::Column};

/// Most values of a page: what the writer's limits allow for times one millisecond apart.
pub(crate) const MAX_PAGE_VALUES: usize = 36 << 20;

/// Most bytes of a page, compressed or not.
pub(crate) const MAX_PAGE_BYTES: usize = 192 << 20;

/// Encodings by their number in the format.
pub(crate) mod encoding {
    pub(crate) const PLAIN: i32 = 0;
    pub(crate) const PLAIN_DICTIONARY: i32 = 2;
    pub(crate) const DELTA_BINARY_PACKED: i32 = 5;
    pub(crate) const RLE_DICTIONARY: i32 = 8;
    pub(crate) const BYTE_STREAM_SPLIT: i32 = 9;
}

/// How the pages of a column chunk are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Plain,
    Zstd,
}

/// A data page, decompressed: its levels, and its values still encoded.
pub(crate) struct Body {
    pub(crate) encoding: i32,
    /// Number of levels; as many values as levels are at their largest.
    pub(crate) count: usize,
    /// Repetition levels.
    pub(crate) rep: Levels,
    /// Definition levels.
    pub(crate) def: Levels,
    data: Bytes,
    start: usize,
}

impl Body {
    /// Takes a data page apart. `page` is exactly one page with its header.
    pub(crate) fn open(page: &Bytes, codec: Codec, column: Column) -> Result<Self, Damage> {
        let (header, body) = split(page)?;
        let levels = column.levels();
        match header.kind {
            PageKind::Data { values, encoding } => {
                let data = decompress(&body, codec, header.uncompressed)?;
                let count = checked_count(values)?;
                let mut start = 0;
                let rep = prefixed_levels(&data, &mut start, levels.1, count)?;
                let def = prefixed_levels(&data, &mut start, levels.0, count)?;
                Ok(Self { encoding, count, rep, def, data, start })
            }
            PageKind::DataV2 { values, encoding, rep_bytes, def_bytes, compressed } => {
                let count = checked_count(values)?;
                let levels_end = rep_bytes.checked_add(def_bytes).filter(|end| *end <= body.len());
                let levels_end =
                    levels_end.ok_or_else(|| Damage::new("levels are longer than their page"))?;
                let rep = Levels::new(body.slice(..rep_bytes), levels.1, count);
                let def = Levels::new(body.slice(rep_bytes..levels_end), levels.0, count);
                let size = header.uncompressed.checked_sub(levels_end);
                let size = size.ok_or_else(|| Damage::new("a page is smaller than its levels"))?;
                let codec = if compressed { codec } else { Codec::Plain };
                let data = decompress(&body.slice(levels_end..), codec, size)?;
                Ok(Self { encoding, count, rep, def, data, start: 0 })
            }
            PageKind::Dictionary { .. } | PageKind::Other => Err(Damage::new("expected a data page")),
        }
    }

    /// The encoded values.
    pub(crate) fn values(&self) -> &[u8] {
        &self.data[self.start..]
    }

    /// As [`Self::values`], sharing the memory.
    pub(crate) fn value_bytes(&self) -> Bytes {
        self.data.slice(self.start..)
    }
}

/// Splits a page into header and body, and checks the body's size and its checksum, if it has one.
fn split(page: &Bytes) -> Result<(Header, Bytes), Damage> {
    let (header, length) = Header::parse(page)?;
    let body = page.slice(length..);
    if header.compressed != body.len() || header.uncompressed > MAX_PAGE_BYTES {
        return Err(Damage::new("a page has another size than its header says"));
    }
    if header.checksum.is_some_and(|stated| stated != crc32fast::hash(&body)) {
        return Err(Damage::new("a page has another checksum than its header says"));
    }
    Ok((header, body))
}

fn decompress(body: &Bytes, codec: Codec, size: usize) -> Result<Bytes, Damage> {
    let data = match codec {
        Codec::Plain => body.clone(),
        Codec::Zstd if size == 0 => Bytes::new(),
        Codec::Zstd => unzstd(body, size)
            .map_err(|error| Damage::new(format!("a page does not decompress: {error}")))?
            .into(),
    };
    if data.len() == size { Ok(data) } else { Err(Damage::new("a page decompresses to another size")) }
}

/// Decompresses with the thread's own state: making one anew takes longer than decompressing most pages does.
fn unzstd(body: &[u8], size: usize) -> io::Result<Vec<u8>> {
    thread_local! {
        static STATE: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    STATE.with_borrow_mut(|state| match state {
        Some(state) => state.decompress(body, size),
        None => state.insert(Decompressor::new()?).decompress(body, size),
    })
}

fn checked_count(values: i32) -> Result<usize, Damage> {
    let count = usize::try_from(values).ok().filter(|count| *count <= MAX_PAGE_VALUES);
    count.ok_or_else(|| Damage::new(format!("a page states {values} values")))
}

/// Levels with their length in front, as in version 1 pages.
fn prefixed_levels(data: &Bytes, at: &mut usize, max: u8, count: usize) -> Result<Levels, Damage> {
    if max == 0 {
        return Ok(Levels::default());
    }
    let cut_off = || Damage::new("levels are longer than their page");
    let rest = data.get(*at..).ok_or_else(cut_off)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > rest.len() {
        return Err(cut_off());
    }
    let start = *at + 4;
    *at = start + length;
    Ok(Levels::new(data.slice(start..*at), max, count))
}

#[cfg(test)]
mod tests;

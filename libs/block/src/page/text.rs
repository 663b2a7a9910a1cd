//! Text: label values, and the names and values of the map of other labels.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Body, Codec, PageKind, checked_count, decompress, encoding, hybrid, lists::levels, scalars::unsupported,
    split,
};
use crate::error::Damage;

/// Distinct or consecutive texts, each valid UTF-8 and not empty.
#[derive(Debug, Default)]
pub(crate) struct TextTable {
    bytes: Bytes,
    /// Where each text begins and ends.
    spans: Vec<(u32, u32)>,
    /// Whether all pages of a column share it.
    shared: bool,
}

impl TextTable {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn get(&self, id: u32) -> &str {
        // Checked when the table was read.
        std::str::from_utf8(self.get_bytes(id)).unwrap_or_default()
    }

    pub(crate) fn get_bytes(&self, id: u32) -> &[u8] {
        let (start, end) = self.spans.get(id as usize).copied().unwrap_or_default();
        &self.bytes[start as usize..end as usize]
    }

    /// Reads `count` texts, each behind its length.
    fn decode(bytes: Bytes, count: usize, shared: bool) -> Result<Self, Damage> {
        let malformed = || Damage::new("texts are malformed");
        if count > bytes.len() / 4 {
            return Err(malformed());
        }
        let mut spans = Vec::with_capacity(count);
        let mut at = 0usize;
        for _ in 0..count {
            let rest = bytes.get(at..).ok_or_else(malformed)?;
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
            let length = u32::from_le_bytes(*length) as usize;
            let text = rest.get(..length).ok_or_else(malformed)?;
            if text.is_empty() || std::str::from_utf8(text).is_err() {
                return Err(Damage::new("a label is empty or no UTF-8"));
            }
            at += 4;
            let span = (u32::try_from(at), u32::try_from(at + length));
            spans.push((span.0.map_err(|_| malformed())?, span.1.map_err(|_| malformed())?));
            at += length;
        }
        if at == bytes.len() { Ok(Self { bytes, spans, shared }) } else { Err(malformed()) }
    }
}

/// Reads a dictionary page.
pub(crate) fn decode_dictionary(page: &Bytes, codec: Codec) -> Result<Arc<TextTable>, Damage> {
    let (header, body) = split(page)?;
    match header.kind {
        PageKind::Dictionary { values, encoding: encoding::PLAIN | encoding::PLAIN_DICTIONARY } => {
            let data = decompress(&body, codec, header.uncompressed)?;
            Ok(Arc::new(TextTable::decode(data, checked_count(values)?, true)?))
        }
        _ => Err(Damage::new("expected a dictionary page")),
    }
}

/// `count` texts of a page, as places in a table.
fn ids(
    body: &Body,
    count: usize,
    dictionary: Option<&Arc<TextTable>>,
) -> Result<(Arc<TextTable>, Vec<u32>), Damage> {
    match (body.encoding, dictionary) {
        (encoding::PLAIN, _) => {
            let table = TextTable::decode(body.value_bytes(), count, false)?;
            Ok((Arc::new(table), (0..count as u32).collect()))
        }
        (encoding::RLE_DICTIONARY | encoding::PLAIN_DICTIONARY, Some(table)) => {
            Ok((Arc::clone(table), hybrid::indices(body.values(), table.len(), count)?))
        }
        (encoding::RLE_DICTIONARY | encoding::PLAIN_DICTIONARY, None) => {
            Err(Damage::new("a column uses a dictionary that it does not have"))
        }
        (other, _) => Err(unsupported(other)),
    }
}

/// What tells a text apart from others of the same column: the page whose table it is in, 0 for the dictionary, and its place.
pub(crate) type TextId = (u64, u32);

/// A text per row, or none.
pub(crate) struct TextPage {
    pub(crate) table: Arc<TextTable>,
    ids: Vec<u32>,
}

/// Stands for no text.
const ABSENT: u32 = u32::MAX;

impl TextPage {
    pub(crate) fn decode(body: &Body, dictionary: Option<&Arc<TextTable>>) -> Result<Self, Damage> {
        if body.def.all_largest()? {
            let (table, ids) = ids(body, body.count, dictionary)?;
            return Ok(Self { table, ids });
        }
        let def = body.def.each()?;
        let (table, dense) = ids(body, def.iter().filter(|def| **def > 0).count(), dictionary)?;
        let mut dense = dense.into_iter();
        let ids = def.into_iter().map(|def| if def > 0 { dense.next().unwrap_or(ABSENT) } else { ABSENT });
        Ok(Self { table, ids: ids.collect() })
    }

    pub(crate) fn rows(&self) -> usize {
        self.ids.len()
    }

    /// The place of a row's text in the table.
    pub(crate) fn id(&self, row: usize) -> Option<u32> {
        self.ids.get(row).copied().filter(|id| *id != ABSENT)
    }

    /// What tells a row's text, or that there is none, apart from others of the column. `page` is the page's number, from 1.
    pub(crate) fn identity(&self, row: usize, page: u64) -> TextId {
        let id = self.ids.get(row).copied().unwrap_or(ABSENT);
        (if self.table.shared || id == ABSENT { 0 } else { page }, id)
    }
}

/// A list of texts per row.
pub(crate) struct TextListPage {
    table: Arc<TextTable>,
    offsets: Vec<u32>,
    ids: Vec<u32>,
}

impl TextListPage {
    pub(crate) fn decode(body: &Body, dictionary: Option<&Arc<TextTable>>) -> Result<Self, Damage> {
        let (rep, def) = levels(body)?;
        let (mut offsets, mut texts) = (Vec::new(), 0u32);
        for (rep, def) in rep.into_iter().zip(def) {
            if rep == 0 {
                offsets.push(texts);
            }
            texts += u32::from(def > 0);
        }
        offsets.push(texts);
        let (table, ids) = ids(body, texts as usize, dictionary)?;
        Ok(Self { table, offsets, ids })
    }

    pub(crate) fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    fn ids_of(&self, row: usize) -> &[u32] {
        let (start, end) = self.offsets.get(row..row + 2).map_or((0, 0), |pair| (pair[0], pair[1]));
        &self.ids[start as usize..end as usize]
    }

    pub(crate) fn row(&self, row: usize) -> impl ExactSizeIterator<Item = &str> {
        self.ids_of(row).iter().map(|id| self.table.get(*id))
    }

    /// As [`Self::row`], for a caller that checks the text itself.
    pub(crate) fn row_bytes(&self, row: usize) -> impl ExactSizeIterator<Item = &[u8]> {
        self.ids_of(row).iter().map(|id| self.table.get_bytes(*id))
    }

    /// As [`TextPage::identity`], for all texts of a row.
    pub(crate) fn identities(&self, row: usize, page: u64) -> impl Iterator<Item = TextId> {
        let page = if self.table.shared { 0 } else { page };
        self.ids_of(row).iter().map(move |id| (page, *id))
    }
}

//! Walks a column of a row group row by row, forwards, and decodes a page when its first wanted row is reached.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    fetch::Fetched,
    footer::{Footer, PageRef},
};
use crate::{
    error::Damage,
    page::{
        Body, Codec, FlatPage, ListPage, NestedPage, TextListPage, TextPage, TextTable, decode_dictionary,
    },
    schema::Column,
};

/// A decoded page.
pub(super) trait Page: Sized {
    fn decode(body: &Body, column: Column, dictionary: Option<&Arc<TextTable>>) -> Result<Self, Damage>;
    fn rows(&self) -> usize;
}

macro_rules! page {
    ($type:ty, $body:ident, $column:ident, $dictionary:ident => $decode:expr) => {
        impl Page for $type {
            fn decode(
                $body: &Body,
                $column: Column,
                $dictionary: Option<&Arc<TextTable>>,
            ) -> Result<Self, Damage> {
                $decode
            }

            fn rows(&self) -> usize {
                self.rows()
            }
        }
    };
}

page!(FlatPage, body, column, _dictionary => Self::decode(body, column));
page!(ListPage<i64>, body, column, _dictionary => Self::decode(body, column));
page!(ListPage<f64>, body, column, _dictionary => Self::decode(body, column));
page!(NestedPage<i64>, body, column, _dictionary => Self::decode(body, column));
page!(NestedPage<f64>, body, column, _dictionary => Self::decode(body, column));
page!(TextPage, body, _column, dictionary => Self::decode(body, dictionary));
page!(TextListPage, body, _column, dictionary => Self::decode(body, dictionary));

pub(super) struct Cursor<P> {
    footer: Arc<Footer>,
    group: usize,
    column: Column,
    leaf: usize,
    dictionary: Option<Arc<TextTable>>,
    current: Option<(Range<u64>, P)>,
    decoded: u64,
}

impl<P: Page> Cursor<P> {
    /// Before the first row. Nothing is looked up yet: most of a block's columns are not read by most selections.
    pub(super) fn new(footer: &Arc<Footer>, group: usize, column: Column) -> Self {
        Self {
            footer: Arc::clone(footer),
            group,
            column,
            leaf: footer.leaf(column),
            dictionary: None,
            current: None,
            decoded: 0,
        }
    }

    /// The page that holds a row.
    pub(super) fn page_of(&self, row: u64) -> Option<PageRef> {
        self.footer.page_of(self.group, self.leaf, row)
    }

    /// Whether the row can be read without its bytes, because its page is decoded.
    pub(super) fn is_decoded(&self, row: u64) -> bool {
        self.current.as_ref().is_some_and(|(rows, _)| rows.contains(&row))
    }

    /// The page that was decoded last, and how many were before and with it.
    pub(super) fn current(&self) -> Option<(&P, u64)> {
        self.current.as_ref().map(|(_, page)| (page, self.decoded))
    }

    /// The decoded page that holds a row, and the row's place in it.
    pub(super) fn at(&mut self, row: u64, fetched: &Fetched) -> Result<(&P, usize), Damage> {
        if !self.is_decoded(row) {
            // The old page goes first: two large ones need not be in memory.
            self.current = None;
            let page = self.page_of(row).ok_or_else(|| Damage::new("a row lies in no page"))?;
            let codec = self.footer.codec(self.group, self.column);
            if self.dictionary.is_none()
                && let Some(range) = self.footer.dictionary(self.group, self.column)
            {
                let dictionary = decode_dictionary(&fetched.get(&range)?, codec);
                self.dictionary =
                    Some(dictionary.map_err(|damage| damage.in_page(self.column, range.start))?);
            }
            let decoded = self.decode(&fetched.get(&page.bytes)?, codec, page.rows.end - page.rows.start);
            self.current =
                Some((page.rows, decoded.map_err(|damage| damage.in_page(self.column, page.bytes.start))?));
            self.decoded += 1;
        }
        match &self.current {
            Some((rows, page)) => Ok((page, (row - rows.start) as usize)),
            None => Err(Damage::new("a row lies in no page")),
        }
    }

    fn decode(&self, page: &Bytes, codec: Codec, rows: u64) -> Result<P, Damage> {
        let body = Body::open(page, codec, self.column)?;
        let decoded = P::decode(&body, self.column, self.dictionary.as_ref())?;
        if decoded.rows() as u64 != rows {
            return Err(Damage::new("it holds another number of rows than the page index says"));
        }
        Ok(decoded)
    }
}

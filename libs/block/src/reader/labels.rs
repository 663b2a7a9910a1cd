//! The labels of rows, and which rows satisfy matchers.

use std::sync::Arc;

use bytes::Bytes;
use narthex_model::{Labels, Matcher, SEPARATOR};

use super::{cursor::Cursor, fetch::Fetched, footer::Footer, rows::RowSet};
use crate::{
    error::Damage,
    page::{TextId, TextListPage, TextPage, TextTable},
    schema::Column,
};

/// The map of labels that are not promoted.
pub(super) struct MapCursor {
    names: Cursor<TextListPage>,
    values: Cursor<TextListPage>,
}

impl MapCursor {
    pub(super) fn new(footer: &Arc<Footer>, group: usize) -> Self {
        Self {
            names: Cursor::new(footer, group, Column::MapKey),
            values: Cursor::new(footer, group, Column::MapValue),
        }
    }

    /// A row's other labels.
    pub(super) fn row(
        &mut self,
        row: u64,
        fetched: &Fetched,
    ) -> Result<impl Iterator<Item = (&str, &str)>, Damage> {
        let (names, at) = self.names.at(row, fetched)?;
        let (values, value_at) = self.values.at(row, fetched)?;
        paired(names.row(at), values.row(value_at))
    }

    /// As [`Self::row`], for a caller that checks the text itself.
    fn row_bytes(
        &mut self,
        row: u64,
        fetched: &Fetched,
    ) -> Result<impl Iterator<Item = (&[u8], &[u8])>, Damage> {
        let (names, at) = self.names.at(row, fetched)?;
        let (values, value_at) = self.values.at(row, fetched)?;
        paired(names.row_bytes(at), values.row_bytes(value_at))
    }

    /// Adds what tells a row's other labels apart.
    fn identify(&mut self, row: u64, fetched: &Fetched, identity: &mut Vec<TextId>) -> Result<(), Damage> {
        for cursor in [&mut self.names, &mut self.values] {
            let (_, place) = cursor.at(row, fetched)?;
            if let Some((page, number)) = cursor.current() {
                identity.extend(page.identities(place, number));
            }
        }
        Ok(())
    }
}

fn paired<A, B>(
    names: impl ExactSizeIterator<Item = A>,
    values: impl ExactSizeIterator<Item = B>,
) -> Result<impl Iterator<Item = (A, B)>, Damage> {
    if names.len() == values.len() {
        Ok(names.zip(values))
    } else {
        Err(Damage::new("a row has more label names than values"))
    }
}

/// All labels of rows.
pub(super) struct LabelsCursor {
    /// By name, which is the order of canonical labels.
    promoted: Vec<(String, Cursor<TextPage>)>,
    map: MapCursor,
    places: Vec<usize>,
    /// What tells the labels of the last row apart, and the labels.
    last: (Vec<TextId>, Labels),
    identity: Vec<TextId>,
    canonical: Vec<u8>,
}

impl LabelsCursor {
    pub(super) fn new(footer: &Arc<Footer>, group: usize) -> Self {
        let columns = footer.schema().promoted_labels().enumerate();
        let mut promoted: Vec<_> = columns
            .map(|(at, name)| (name.to_owned(), Cursor::new(footer, group, Column::Label(at))))
            .collect();
        promoted.sort_by(|a: &(String, Cursor<TextPage>), b| a.0.cmp(&b.0));
        Self {
            promoted,
            map: MapCursor::new(footer, group),
            places: Vec::new(),
            last: (Vec::new(), Labels::EMPTY),
            identity: Vec::new(),
            canonical: Vec::new(),
        }
    }

    /// The labels of a row; `previous` is returned again where it is the same set.
    pub(super) fn labels(
        &mut self,
        row: u64,
        fetched: &Fetched,
        previous: &Labels,
    ) -> Result<Labels, Damage> {
        self.places.clear();
        self.identity.clear();
        for (_, cursor) in &mut self.promoted {
            let (_, place) = cursor.at(row, fetched)?;
            self.places.push(place);
            self.identity.extend(cursor.current().map(|(page, number)| page.identity(place, number)));
        }
        self.map.identify(row, fetched, &mut self.identity)?;
        // Rows of one series follow each other, and then nothing needs to be put together.
        if self.identity == self.last.0 {
            return Ok(self.last.1.clone());
        }
        let labels = self.build(row, fetched, previous)?;
        std::mem::swap(&mut self.last.0, &mut self.identity);
        self.last.1 = labels.clone();
        Ok(labels)
    }

    fn build(&mut self, row: u64, fetched: &Fetched, previous: &Labels) -> Result<Labels, Damage> {
        let canonical = &mut self.canonical;
        canonical.clear();
        let mut add = |name: &[u8], value: &[u8]| {
            for part in [name, value] {
                canonical.extend_from_slice(part);
                canonical.push(SEPARATOR);
            }
        };
        // Both sides are in order; where the map's is not, what comes out is refused below.
        let mut others = self.map.row_bytes(row, fetched)?.peekable();
        for ((name, cursor), place) in self.promoted.iter().zip(&self.places) {
            let Some((page, _)) = cursor.current() else { continue };
            let Some(id) = page.id(*place) else { continue };
            while let Some((other, value)) = others.next_if(|(other, _)| *other < name.as_bytes()) {
                add(other, value);
            }
            add(name.as_bytes(), page.table.get_bytes(id));
        }
        others.for_each(|(name, value)| add(name, value));
        if canonical[..] == previous.as_bytes()[..] {
            return Ok(previous.clone());
        }
        Labels::from_canonical(Bytes::copy_from_slice(canonical))
            .map_err(|error| Damage::new(error.to_string()))
    }
}

/// Verdicts of a matcher on the texts of a table, each found once.
#[derive(Default)]
struct Verdicts {
    table: Option<Arc<TextTable>>,
    known: Vec<Option<bool>>,
}

impl Verdicts {
    fn of(&mut self, matcher: &Matcher, table: &Arc<TextTable>, id: u32) -> bool {
        if !self.table.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, table)) {
            self.known.clear();
            self.known.resize(table.len(), None);
            self.table = Some(Arc::clone(table));
        }
        let decide = || matcher.matches(table.get(id));
        self.known.get_mut(id as usize).is_some_and(|known| *known.get_or_insert_with(decide))
    }
}

/// The rows of a set that satisfy all matchers. Pages of the matchers' columns are there.
pub(super) fn matching(
    footer: &Arc<Footer>,
    group: usize,
    rows: &RowSet,
    matchers: &[&Matcher],
    fetched: &Fetched,
) -> Result<RowSet, Damage> {
    let mut rows = rows.clone();
    for matcher in matchers {
        rows = match footer.label_column(matcher.name()) {
            Some(column) => matching_column(footer, group, column, &rows, matcher, fetched)?,
            None => matching_map(footer, group, &rows, matcher, fetched)?,
        };
    }
    Ok(rows)
}

fn matching_column(
    footer: &Arc<Footer>,
    group: usize,
    column: Column,
    rows: &RowSet,
    matcher: &Matcher,
    fetched: &Fetched,
) -> Result<RowSet, Damage> {
    let mut cursor = Cursor::<TextPage>::new(footer, group, column);
    let (mut verdicts, absent) = (Verdicts::default(), matcher.matches_empty());
    let mut matched = RowSet::default();
    for row in rows.iter() {
        let (page, at) = cursor.at(row, fetched)?;
        if page.id(at).map_or(absent, |id| verdicts.of(matcher, &page.table, id)) {
            matched.push(row..row + 1);
        }
    }
    Ok(matched)
}

fn matching_map(
    footer: &Arc<Footer>,
    group: usize,
    rows: &RowSet,
    matcher: &Matcher,
    fetched: &Fetched,
) -> Result<RowSet, Damage> {
    let mut cursor = MapCursor::new(footer, group);
    let mut matched = RowSet::default();
    for row in rows.iter() {
        let value =
            cursor.row(row, fetched)?.find(|(name, _)| *name == matcher.name()).map(|(_, value)| value);
        if matcher.matches(value.unwrap_or_default()) {
            matched.push(row..row + 1);
        }
    }
    Ok(matched)
}

//! The labels of rows, and which rows satisfy matchers.

use std::sync::Arc;

use bytes::Bytes;
use narthex_model::{Labels, Matcher, SEPARATOR};

use super::{cursor::Cursor, fetch::Fetched, footer::Footer, rows::RowSet};
use crate::{
    error::Damage,
    page::{TextListPage, TextPage, TextTable},
    schema::Column,
};

/// The map of labels that are not promoted.
pub(super) struct MapCursor {
    names: Cursor<TextListPage>,
    values: Cursor<TextListPage>,
}

impl MapCursor {
    pub(super) fn new(footer: &Footer, group: usize) -> Self {
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
        let (names, values) = (names.row(at), values.row(value_at));
        if names.len() == values.len() {
            Ok(names.zip(values))
        } else {
            Err(Damage::new("a row has more label names than values"))
        }
    }
}

/// All labels of rows.
pub(super) struct LabelsCursor {
    promoted: Vec<(String, Cursor<TextPage>)>,
    map: MapCursor,
    pairs: Vec<(usize, usize, usize)>,
    text: Vec<u8>,
    canonical: Vec<u8>,
}

impl LabelsCursor {
    pub(super) fn new(footer: &Footer, group: usize) -> Self {
        let promoted = footer.schema().promoted_labels().enumerate();
        Self {
            promoted: promoted
                .map(|(at, name)| (name.to_owned(), Cursor::new(footer, group, Column::Label(at))))
                .collect(),
            map: MapCursor::new(footer, group),
            pairs: Vec::new(),
            text: Vec::new(),
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
        self.pairs.clear();
        self.text.clear();
        let (pairs, text) = (&mut self.pairs, &mut self.text);
        let mut add = |name: &str, value: &str| {
            let start = text.len();
            text.extend_from_slice(name.as_bytes());
            text.push(SEPARATOR);
            let middle = text.len();
            text.extend_from_slice(value.as_bytes());
            text.push(SEPARATOR);
            pairs.push((start, middle, text.len()));
        };
        for (name, cursor) in &mut self.promoted {
            let (page, at) = cursor.at(row, fetched)?;
            if let Some(value) = page.get(at) {
                add(name, value);
            }
        }
        self.map.row(row, fetched)?.for_each(|(name, value)| add(name, value));
        // The separator sorts behind every byte of a name, so it is left out of the comparison.
        self.pairs.sort_unstable_by(|a, b| self.text[a.0..a.1 - 1].cmp(&self.text[b.0..b.1 - 1]));
        self.canonical.clear();
        for (start, _, end) in &self.pairs {
            self.canonical.extend_from_slice(&self.text[*start..*end]);
        }
        if self.canonical[..] == previous.as_bytes()[..] {
            return Ok(previous.clone());
        }
        Labels::from_canonical(Bytes::copy_from_slice(&self.canonical))
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
    footer: &Footer,
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
    footer: &Footer,
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
    footer: &Footer,
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

//! Leaves out rows without reading them: by the statistics of row groups, by the page index, and by bloom filters.
//!
//! Bounds of text may be shortened, so they enclose a page's values without being values. All answers here err towards reading.

use narthex_model::{MatchOp, Matcher, TimeRange};
use parquet::{bloom_filter::Sbbf, file::page_index::column_index::ColumnIndexMetaData};

use super::{
    fetch::{Fetched, Wanted},
    footer::Footer,
    rows::RowSet,
};
use crate::{error::Damage, meta::MAX_BOUND_BYTES, schema::Column};

/// Rows of a row group that may match, by the page index alone.
pub(super) fn candidates(footer: &Footer, group: usize, matchers: &[Matcher], range: TimeRange) -> RowSet {
    let mut rows = RowSet::all(footer.rows(group));
    rows = rows.intersect(&pages_where(footer, group, Column::MinTime, |index, page| match index {
        // A page whose rows all begin behind the range.
        ColumnIndexMetaData::INT64(index) => index.min_value(page).is_none_or(|least| *least <= range.max.0),
        _ => true,
    }));
    rows = rows.intersect(&pages_where(footer, group, Column::MaxTime, |index, page| match index {
        // A page whose rows all end before the range.
        ColumnIndexMetaData::INT64(index) => index.max_value(page).is_none_or(|most| *most >= range.min.0),
        _ => true,
    }));
    for matcher in matchers {
        if let Some(column) = footer.label_column(matcher.name()) {
            rows = rows.intersect(&pages_where(footer, group, column, |index, page| {
                page_may_match(index, page, matcher)
            }));
        }
    }
    rows
}

fn pages_where(
    footer: &Footer,
    group: usize,
    column: Column,
    keep: impl Fn(&ColumnIndexMetaData, usize) -> bool,
) -> RowSet {
    let Some(index) = footer.column_index(group, column) else {
        return RowSet::all(footer.rows(group));
    };
    let mut rows = RowSet::default();
    for (at, page) in footer.pages(group, column).enumerate() {
        if keep(index, at) {
            rows.push(page.rows);
        }
    }
    rows
}

fn page_may_match(index: &ColumnIndexMetaData, page: usize, matcher: &Matcher) -> bool {
    let nulls = index.null_count(page).is_none_or(|count| count > 0);
    if nulls && matcher.matches_empty() {
        return true;
    }
    if index.is_null_page(page) {
        return false;
    }
    let ColumnIndexMetaData::BYTE_ARRAY(index) = index else { return true };
    let (Some(min), Some(max)) = (index.min_value(page), index.max_value(page)) else { return true };
    match matcher.op() {
        MatchOp::Equal => min <= matcher.value().as_bytes() && matcher.value().as_bytes() <= max,
        MatchOp::NotEqual | MatchOp::Regex | MatchOp::NotRegex => {
            let single = min == max && min.len() < MAX_BOUND_BYTES;
            !single || std::str::from_utf8(min).is_ok_and(|value| matcher.matches(value))
        }
    }
}

/// One bloom filter that may save more than it costs.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) group: usize,
    column: Column,
    value: String,
}

/// A filter must be this many times smaller than the pages that it may save.
const BLOOM_GAIN: u64 = 4;

/// The bloom filters that are worth reading for a row group's candidates.
pub(super) fn probes<'a>(
    footer: &'a Footer,
    group: usize,
    matchers: &'a [Matcher],
    rows: &'a RowSet,
) -> impl Iterator<Item = Probe> + 'a {
    let equalities =
        matchers.iter().filter(|matcher| matcher.op() == MatchOp::Equal && !matcher.value().is_empty());
    equalities.filter_map(move |matcher| {
        let column = footer.label_column(matcher.name())?;
        let bloom = footer.bloom(group, column)?;
        let mut pages = Wanted::default();
        pages.add_column(footer, group, column, rows);
        let saved = super::fetch::total(&pages.merged());
        let pays = (bloom.end - bloom.start).saturating_mul(BLOOM_GAIN) < saved;
        pays.then(|| Probe { group, column, value: matcher.value().to_owned() })
    })
}

impl Probe {
    pub(super) fn want(&self, footer: &Footer, wanted: &mut Wanted) {
        if let Some(bloom) = footer.bloom(self.group, self.column) {
            wanted.add(bloom);
        }
    }

    /// Whether the row group may hold the value.
    pub(super) fn may_hold(&self, footer: &Footer, fetched: &Fetched) -> Result<bool, Damage> {
        let Some(range) = footer.bloom(self.group, self.column) else { return Ok(true) };
        let bytes = fetched.get(&range)?;
        let filter = Sbbf::from_bytes(&bytes)?;
        if filter.num_blocks() == 0 {
            return Err(Damage::new("an empty bloom filter"));
        }
        Ok(filter.check(self.value.as_bytes()))
    }
}

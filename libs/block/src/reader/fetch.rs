//! Reads the byte ranges of pages, all that one step of a selection needs with one call to the store.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};

use super::{Budget, footer::Footer, rows::RowSet};
use crate::{BlockError, error::Damage, schema::Column};

/// Ranges this near to each other are read as one; the store may merge further.
const MERGE_GAP: u64 = 16 << 10;

/// Bytes of an object by where they begin.
#[derive(Debug, Default)]
pub(super) struct Fetched(BTreeMap<u64, Bytes>);

impl Fetched {
    pub(super) fn get(&self, range: &Range<u64>) -> Result<Bytes, Damage> {
        let missing = || Damage::new("a page was not read");
        let covers = |(start, bytes): &(&u64, &Bytes)| range.end - **start <= bytes.len() as u64;
        let (start, bytes) = self.0.range(..=range.start).rev().find(covers).ok_or_else(missing)?;
        Ok(bytes.slice((range.start - start) as usize..(range.end - start) as usize))
    }

    pub(super) fn contains(&self, range: &Range<u64>) -> bool {
        self.get(range).is_ok()
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Forgets what lies in none of the ranges.
    pub(super) fn keep_only(&mut self, keep: impl Fn(&Range<u64>) -> bool) {
        self.0.retain(|start, bytes| keep(&(*start..*start + bytes.len() as u64)));
    }
}

/// Ranges that are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted(Vec<Range<u64>>);

impl Wanted {
    pub(super) fn add(&mut self, range: Range<u64>) {
        if !range.is_empty() {
            self.0.push(range);
        }
    }

    /// The pages of a column that hold rows of the set, and its dictionary.
    pub(super) fn add_column(&mut self, footer: &Footer, group: usize, column: Column, rows: &RowSet) {
        let mut any = false;
        for page in footer.pages(group, column).filter(|page| rows.touches(&page.rows)) {
            any = true;
            self.add(page.bytes);
        }
        if let Some(dictionary) = footer.dictionary(group, column).filter(|_| any) {
            self.add(dictionary);
        }
    }

    /// What is wanted and not there yet.
    pub(super) fn without(mut self, fetched: &Fetched) -> Self {
        self.0.retain(|range| !fetched.contains(range));
        self
    }

    /// Sorted, without overlaps, near ones merged.
    pub(super) fn merged(mut self) -> Vec<Range<u64>> {
        self.0.sort_by_key(|range| range.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in self.0 {
            match merged.last_mut() {
                Some(last) if range.start <= last.end.saturating_add(MERGE_GAP) => {
                    last.end = last.end.max(range.end)
                }
                _ => merged.push(range),
            }
        }
        merged
    }
}

pub(super) fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// Reads what is wanted, if the budget has as many bytes left.
pub(super) async fn fetch(
    store: &dyn ObjectStore,
    path: &Path,
    wanted: Wanted,
    budget: &mut Budget,
) -> Result<Fetched, BlockError> {
    let ranges = wanted.merged();
    if ranges.is_empty() {
        return Ok(Fetched::default());
    }
    budget.take_bytes(path, total(&ranges))?;
    let bytes = store
        .get_ranges(path, &ranges)
        .await
        .map_err(|source| BlockError::Store { path: path.clone(), source })?;
    let whole = bytes.len() == ranges.len()
        && ranges.iter().zip(&bytes).all(|(range, bytes)| bytes.len() as u64 == range.end - range.start);
    if !whole {
        return Err(Damage::new("the object is shorter than its footer says").at(path));
    }
    Ok(Fetched(ranges.into_iter().map(|range| range.start).zip(bytes).collect()))
}

/// Reads the end of the object.
pub(super) async fn fetch_tail(
    store: &dyn ObjectStore,
    path: &Path,
    size: u64,
    length: u64,
) -> Result<Bytes, BlockError> {
    let range = size.saturating_sub(length)..size;
    let bytes = store
        .get_range(path, range.clone())
        .await
        .map_err(|source| BlockError::Store { path: path.clone(), source })?;
    if bytes.len() as u64 == range.end - range.start {
        Ok(bytes)
    } else {
        Err(Damage::new("the object is shorter than stated").at(path))
    }
}

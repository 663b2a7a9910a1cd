//! Reads the samples of a selection batch by batch: one call to the store each, and only pages that hold selected rows.

use std::{collections::BTreeMap, sync::Arc};

use narthex_model::{TimeRange, stale_marker};

use super::{
    batch::SampleBatch,
    cursor::Cursor,
    fetch::{Fetched, Wanted, fetch},
    footer::{Footer, PageRef},
    histograms::HistogramCursors,
    select::{SelectedRow, SelectedSeries, Selection},
};
use crate::{BlockError, decimal, error::Damage, page::ListPage, schema::Column};

/// When a batch ends; it has at least one row, and is read in whole pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Bytes from the bucket.
    pub bytes: u64,
    /// Samples in memory.
    pub samples: u64,
}

/// Floats that room is made for before a batch is read.
const MOST_ROOM: usize = 1 << 20;

impl Default for BatchLimits {
    fn default() -> Self {
        Self { bytes: 8 << 20, samples: 1 << 19 }
    }
}

/// Gives the samples of a selection, in the order of its series and then of time.
#[derive(Debug)]
pub struct SampleReader {
    selection: Selection,
    limits: BatchLimits,
    next: usize,
    fetched: Fetched,
    groups: BTreeMap<u32, GroupCursors>,
}

struct GroupCursors {
    timestamps: Cursor<ListPage<i64>>,
    decimals: Cursor<ListPage<i64>>,
    values: Cursor<ListPage<f64>>,
    histograms: Option<HistogramCursors>,
}

impl std::fmt::Debug for GroupCursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCursors").finish_non_exhaustive()
    }
}

impl SampleReader {
    pub(super) fn new(selection: Selection, limits: BatchLimits) -> Self {
        Self { selection, limits, next: 0, fetched: Fetched::default(), groups: BTreeMap::new() }
    }

    /// The series of the selection.
    pub fn series(&self) -> &[SelectedSeries] {
        &self.selection.series
    }

    /// The next samples, or `None` after the last. Decoding takes a few nanoseconds of processor time per sample.
    pub async fn next_batch(&mut self) -> Result<Option<SampleBatch>, BlockError> {
        if self.next >= self.selection.rows.len() {
            return Ok(None);
        }
        let (wanted, end) = self.plan();
        let reader = self.selection.reader.clone();
        let fetched = fetch(reader.store(), reader.path(), wanted, &mut self.selection.budget).await?;
        self.fetched.merge(fetched);
        let rows = &self.selection.rows[self.next..end];
        // What rows say of themselves takes no more than that before it is seen to be true.
        let floats = |stored: fn(&SelectedRow) -> bool| -> usize {
            rows.iter().filter(|row| stored(row)).map(|row| row.floats as usize).sum::<usize>().min(MOST_ROOM)
        };
        let (decimals, doubles) = (floats(|row| row.exponent >= 0), floats(|row| row.exponent < 0));
        let mut batch = SampleBatch::with_capacity(rows.len(), decimals, doubles);
        for at in self.next..end {
            let row = self.selection.rows[at];
            self.read(row, &mut batch).map_err(|damage| damage.at(reader.path()))?;
        }
        self.next = end;
        self.forget();
        Ok(Some(batch))
    }

    /// Which bytes the next batch needs, and where it ends.
    fn plan(&mut self) -> (Wanted, usize) {
        let (mut wanted, mut bytes, mut samples) = (Wanted::default(), 0, 0);
        let mut last: BTreeMap<(u32, Column), PageRef> = BTreeMap::new();
        let mut end = self.next;
        let (rows, limits) = (&self.selection.rows, self.limits);
        while let Some(row) =
            rows.get(end).filter(|_| end == self.next || (bytes < limits.bytes && samples < limits.samples))
        {
            let footer = self.selection.reader.footer();
            let cursors =
                self.groups.entry(row.group).or_insert_with(|| GroupCursors::new(footer, row.group as usize));
            for column in row.columns() {
                let planned = |page: &PageRef| page.rows.contains(&u64::from(row.row));
                if last.get(&(row.group, column)).is_some_and(planned) {
                    continue;
                }
                let Some(page) = cursors.unread_page(column, row) else { continue };
                if !self.fetched.contains(&page.bytes) {
                    bytes += page.bytes.end - page.bytes.start;
                    wanted.add(page.bytes.clone());
                }
                last.insert((row.group, column), page);
            }
            samples += u64::from(row.floats) + u64::from(row.histograms);
            end += 1;
        }
        (wanted, end)
    }

    fn read(&mut self, row: SelectedRow, batch: &mut SampleBatch) -> Result<(), Damage> {
        let cursors = self.groups.get_mut(&row.group).ok_or_else(|| Damage::new("a row group is missing"))?;
        batch.begin_row(row.series as usize);
        if row.floats > 0 {
            cursors.read_floats(row, &self.fetched, self.selection.range, batch)?;
        }
        if let (true, Some(histograms)) = (row.histograms > 0, &mut cursors.histograms) {
            histograms.read(row, &self.fetched, self.selection.range, batch)?;
        }
        Ok(())
    }

    /// Drops pages and row groups that no later row needs.
    fn forget(&mut self) {
        let Some(next) = self.selection.rows.get(self.next).copied() else {
            self.fetched = Fetched::default();
            self.groups.clear();
            return;
        };
        self.groups = self.groups.split_off(&next.group);
        let needed: Vec<PageRef> = match self.groups.get(&next.group) {
            Some(cursors) => next.columns().filter_map(|column| cursors.unread_page(column, &next)).collect(),
            None => Vec::new(),
        };
        self.fetched.keep_only(|span| {
            needed.iter().any(|page| span.start <= page.bytes.start && page.bytes.end <= span.end)
        });
    }
}

impl GroupCursors {
    fn new(footer: &Arc<Footer>, group: usize) -> Self {
        Self {
            timestamps: Cursor::new(footer, group, Column::Timestamps),
            decimals: Cursor::new(footer, group, Column::Decimals),
            values: Cursor::new(footer, group, Column::Values),
            histograms: footer.schema().has_histograms().then(|| HistogramCursors::new(footer, group)),
        }
    }

    /// The page of a column that holds the row, unless it is decoded.
    fn unread_page(&self, column: Column, row: &SelectedRow) -> Option<PageRef> {
        fn unread<P: super::cursor::Page>(cursor: &Cursor<P>, row: u64) -> Option<PageRef> {
            if cursor.is_decoded(row) { None } else { cursor.page_of(row) }
        }
        let at = u64::from(row.row);
        match column {
            Column::Timestamps => unread(&self.timestamps, at),
            Column::Decimals => unread(&self.decimals, at),
            Column::Values => unread(&self.values, at),
            _ => self.histograms.as_ref()?.unread_page(column, at),
        }
    }

    fn read_floats(
        &mut self,
        row: SelectedRow,
        fetched: &Fetched,
        range: TimeRange,
        batch: &mut SampleBatch,
    ) -> Result<(), Damage> {
        let at = u64::from(row.row);
        let (page, place) = self.timestamps.at(at, fetched)?;
        let timestamps = page.row(place);
        let timestamps = timestamps.dense().ok_or_else(|| Damage::new("a timestamp is null"))?;
        if timestamps.len() != row.floats as usize || !timestamps.is_sorted_by(|a, b| a < b) {
            return Err(Damage::new("timestamps of a row do not ascend, or not as many as it says"));
        }
        let start = timestamps.partition_point(|at| *at < range.min.0);
        let end = timestamps.partition_point(|at| *at <= range.max.0);
        if start >= end {
            return Ok(());
        }
        let uneven = || Damage::new("a row has another number of values than of timestamps");
        let within = &timestamps[start..end];
        if row.exponent >= 0 {
            let power = decimal::power_of(row.exponent).ok_or_else(|| Damage::new("an unknown exponent"))?;
            let (page, place) = self.decimals.at(at, fetched)?;
            let list = page.row(place);
            if list.len() != timestamps.len() {
                return Err(uneven());
            }
            match list.dense() {
                Some(list) => batch.add_decimals(within, &list[start..end], row.exponent as u8),
                None => {
                    let double = |one: Option<i64>| {
                        one.map_or(stale_marker(), |one| decimal::from_decimal(one, power))
                    };
                    batch.add_doubles(within, list.iter().map(double).skip(start).take(end - start));
                }
            }
        } else {
            let (page, place) = self.values.at(at, fetched)?;
            let list = page.row(place);
            if list.len() != timestamps.len() {
                return Err(uneven());
            }
            match list.dense() {
                Some(list) => batch.add_doubles(within, list[start..end].iter().copied()),
                None => {
                    let double = |one: Option<f64>| one.unwrap_or(stale_marker());
                    batch.add_doubles(within, list.iter().map(double).skip(start).take(end - start));
                }
            }
        }
        Ok(())
    }
}

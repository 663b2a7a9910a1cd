//! Puts native histograms together from their columns.

use std::{array, sync::Arc};

use narthex_model::{BucketSpan, CounterResetHint, CountsRef, HistogramRef, TimeRange, TimestampMs};

use super::{
    batch::SampleBatch,
    cursor::{Cursor, Page},
    fetch::Fetched,
    footer::{Footer, PageRef},
    select::SelectedRow,
};
use crate::{
    error::Damage,
    page::{ListPage, NestedPage, Number},
    schema::Column,
};

const INTEGERS: [Column; 5] =
    [Column::HistTime, Column::HistSchema, Column::HistHint, Column::HistCount, Column::HistZeroCount];
const DOUBLES: [Column; 4] =
    [Column::HistZeroThreshold, Column::HistSum, Column::HistFloatCount, Column::HistFloatZeroCount];
const INTEGER_LISTS: [Column; 6] = [
    Column::PositiveOffset,
    Column::PositiveLength,
    Column::NegativeOffset,
    Column::NegativeLength,
    Column::Positive,
    Column::Negative,
];
const DOUBLE_LISTS: [Column; 3] = [Column::CustomBounds, Column::FloatPositive, Column::FloatNegative];

/// Cursors over all columns of histograms in a row group.
pub(super) struct HistogramCursors {
    integers: [Cursor<ListPage<i64>>; 5],
    doubles: [Cursor<ListPage<f64>>; 4],
    integer_lists: [Cursor<NestedPage<i64>>; 6],
    double_lists: [Cursor<NestedPage<f64>>; 3],
    /// Scratch space for the spans of one histogram.
    spans: [Vec<BucketSpan>; 2],
}

fn cursors<P: Page, const N: usize>(
    footer: &Arc<Footer>,
    group: usize,
    columns: [Column; N],
) -> [Cursor<P>; N] {
    columns.map(|column| Cursor::new(footer, group, column))
}

impl HistogramCursors {
    pub(super) fn new(footer: &Arc<Footer>, group: usize) -> Self {
        Self {
            integers: cursors(footer, group, INTEGERS),
            doubles: cursors(footer, group, DOUBLES),
            integer_lists: cursors(footer, group, INTEGER_LISTS),
            double_lists: cursors(footer, group, DOUBLE_LISTS),
            spans: Default::default(),
        }
    }

    /// The page of a column that holds the row, unless it is decoded.
    pub(super) fn unread_page(&self, column: Column, row: u64) -> Option<PageRef> {
        fn find<P: Page>(
            columns: &[Column],
            cursors: &[Cursor<P>],
            column: Column,
            row: u64,
        ) -> Option<PageRef> {
            let at = columns.iter().position(|mine| *mine == column)?;
            let cursor = cursors.get(at).filter(|cursor| !cursor.is_decoded(row))?;
            cursor.page_of(row)
        }
        find(&INTEGERS, &self.integers, column, row)
            .or_else(|| find(&DOUBLES, &self.doubles, column, row))
            .or_else(|| find(&INTEGER_LISTS, &self.integer_lists, column, row))
            .or_else(|| find(&DOUBLE_LISTS, &self.double_lists, column, row))
    }

    /// Adds the histograms of a row that lie in the range.
    pub(super) fn read(
        &mut self,
        row: SelectedRow,
        fetched: &Fetched,
        range: TimeRange,
        batch: &mut SampleBatch,
    ) -> Result<(), Damage> {
        let (at, count) = (u64::from(row.row), row.histograms as usize);
        let [times, schemas, hints, counts, zeros] = scalars(&mut self.integers, at, count, fetched)?;
        let [thresholds, sums, float_counts, float_zeros] = scalars(&mut self.doubles, at, count, fetched)?;
        let [positive_offsets, positive_lengths, negative_offsets, negative_lengths, positive, negative] =
            lists(&mut self.integer_lists, at, count, fetched)?;
        let [bounds, float_positive, float_negative] = lists(&mut self.double_lists, at, count, fetched)?;
        let [positive_spans, negative_spans] = &mut self.spans;
        let mut previous = None;
        for at in 0..count {
            let time = required(times[at])?;
            if previous.is_some_and(|previous| time <= previous) {
                return Err(Damage::new("timestamps of histograms do not ascend"));
            }
            previous = Some(time);
            if !range.contains(TimestampMs(time)) {
                continue;
            }
            let counts = match (counts[at], float_counts[at]) {
                (Some(total), None) => CountsRef::Int {
                    zero: required(zeros[at])? as u64,
                    total: total as u64,
                    positive: positive[at],
                    negative: negative[at],
                },
                (None, Some(total)) => CountsRef::Float {
                    zero: required(float_zeros[at])?,
                    total,
                    positive: float_positive[at],
                    negative: float_negative[at],
                },
                _ => return Err(Damage::new("a histogram has no count, or two")),
            };
            spans(positive_offsets[at], positive_lengths[at], positive_spans)?;
            spans(negative_offsets[at], negative_lengths[at], negative_spans)?;
            let histogram = HistogramRef {
                schema: narrow(required(schemas[at])?)?,
                reset_hint: CounterResetHint::from_wire(narrow(required(hints[at])?)?),
                zero_threshold: required(thresholds[at])?,
                sum: required(sums[at])?,
                positive_spans,
                negative_spans,
                custom_bounds: bounds[at],
                counts,
            };
            batch.add_histogram(time, histogram)?;
        }
        Ok(())
    }
}

fn required<T>(value: Option<T>) -> Result<T, Damage> {
    value.ok_or_else(|| Damage::new("a field of a histogram is null"))
}

fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T, Damage> {
    T::try_from(value).map_err(|_| Damage::new("a field of a histogram is out of range"))
}

fn spans(offsets: &[i64], lengths: &[i64], spans: &mut Vec<BucketSpan>) -> Result<(), Damage> {
    if offsets.len() != lengths.len() {
        return Err(Damage::new("spans of a histogram are uneven"));
    }
    spans.clear();
    for (offset, length) in offsets.iter().zip(lengths) {
        // Lengths are unsigned; the column holds their bits.
        spans.push(BucketSpan { offset: narrow(*offset)?, length: *length as i32 as u32 });
    }
    Ok(())
}

/// A field of each of the row's histograms, for each column.
fn scalars<T: Number, const N: usize>(
    cursors: &mut [Cursor<ListPage<T>>; N],
    row: u64,
    count: usize,
    fetched: &Fetched,
) -> Result<[Vec<Option<T>>; N], Damage>
where
    ListPage<T>: Page,
{
    let mut columns = array::from_fn(|_| Vec::new());
    for (cursor, column) in cursors.iter_mut().zip(&mut columns) {
        let (page, at) = cursor.at(row, fetched)?;
        *column = page.row(at).iter().collect();
        same_count(column.len(), count)?;
    }
    Ok(columns)
}

/// A list of each of the row's histograms, for each column.
fn lists<'a, T: Number, const N: usize>(
    cursors: &'a mut [Cursor<NestedPage<T>>; N],
    row: u64,
    count: usize,
    fetched: &Fetched,
) -> Result<[Vec<&'a [T]>; N], Damage>
where
    NestedPage<T>: Page,
{
    let mut columns = array::from_fn(|_| Vec::new());
    for (cursor, column) in cursors.iter_mut().zip(&mut columns) {
        let (page, at) = cursor.at(row, fetched)?;
        *column = page.row(at).collect();
        same_count(column.len(), count)?;
    }
    Ok(columns)
}

fn same_count(found: usize, count: usize) -> Result<(), Damage> {
    if found == count {
        Ok(())
    } else {
        Err(Damage::new("a row has another number of histograms than it says"))
    }
}

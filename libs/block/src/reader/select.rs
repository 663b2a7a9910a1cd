//! A selection: matching series first, from label columns, then their samples in batches of bounded size.

use narthex_model::{Labels, Matcher, SeriesHash, TimeRange};

use super::{
    BlockReader, Budget,
    cursor::Cursor,
    fetch::{Wanted, total},
    labels::LabelsCursor,
    rows::RowSet,
    sample_reader::{BatchLimits, SampleReader},
    scan::Scan,
    slices::RowSlice,
};
use crate::{BlockError, OwnedSamples, error::Damage, page::FlatPage, schema::Column};

/// A series that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedSeries {
    /// Its labels.
    pub labels: Labels,
    /// Their hash.
    pub hash: SeriesHash,
}

/// A row that matched, and what is needed to read its samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct SelectedRow {
    pub(super) group: u32,
    pub(super) row: u32,
    pub(super) series: u32,
    pub(super) floats: u32,
    pub(super) histograms: u32,
    /// The power of ten of decimals, -1 for doubles.
    pub(super) exponent: i32,
    /// From its first sample to its last.
    pub(super) time: TimeRange,
}

impl SelectedRow {
    /// The columns that hold its samples.
    pub(super) fn columns(&self) -> impl Iterator<Item = Column> {
        let values = if self.exponent >= 0 { Column::Decimals } else { Column::Values };
        let floats = [Column::Timestamps, values].into_iter().filter(|_| self.floats > 0);
        let histograms = crate::schema::HISTOGRAM_COLUMNS.into_iter().filter(|_| self.histograms > 0);
        floats.chain(histograms)
    }
}

/// Series that match, with their samples still in the bucket.
#[derive(Debug)]
pub struct Selection {
    pub(super) reader: BlockReader,
    pub(super) range: TimeRange,
    pub(super) budget: Budget,
    pub(super) series: Vec<SelectedSeries>,
    pub(super) rows: Vec<SelectedRow>,
    samples: u64,
    bytes: u64,
}

/// What a selection found, for later ones of the same matchers: a block never changes.
#[derive(Debug)]
pub struct FoundSeries {
    series: Box<[SelectedSeries]>,
    rows: Box<[SelectedRow]>,
}

impl FoundSeries {
    /// Bytes of memory, for a cache.
    pub fn memory_size(&self) -> usize {
        let labels = self.series.iter().map(|series| series.labels.as_bytes().len()).sum::<usize>();
        labels + size_of_val(&*self.series) + size_of_val(&*self.rows)
    }
}

impl Selection {
    /// What was found, of the range that was asked for.
    pub fn found(&self) -> FoundSeries {
        FoundSeries { series: self.series.as_slice().into(), rows: self.rows.as_slice().into() }
    }

    /// The selection that [`Self::find`] would make, of what one over the whole time has found.
    pub(super) fn of(
        reader: &BlockReader,
        found: &FoundSeries,
        range: TimeRange,
        budget: Budget,
    ) -> Result<Self, BlockError> {
        let mut selection = Self::empty(reader, range, budget);
        for rows in found.rows.chunk_by(|a, b| a.series == b.series) {
            let mut touched = rows.iter().filter(|row| row.time.overlaps(range)).peekable();
            if touched.peek().is_some() {
                selection.add_series(found.series[rows[0].series as usize].clone())?;
            }
            for row in touched {
                selection.push_row(*row)?;
            }
        }
        selection.plan()?;
        Ok(selection)
    }

    fn empty(reader: &BlockReader, range: TimeRange, budget: Budget) -> Self {
        Self {
            reader: reader.clone(),
            range,
            budget,
            series: Vec::new(),
            rows: Vec::new(),
            samples: 0,
            bytes: 0,
        }
    }

    fn add_series(&mut self, series: SelectedSeries) -> Result<(), BlockError> {
        self.budget.take_series(self.reader.path())?;
        self.series.push(series);
        Ok(())
    }

    /// Adds a row of the last series.
    fn push_row(&mut self, row: SelectedRow) -> Result<(), BlockError> {
        let samples = u64::from(row.floats) + u64::from(row.histograms);
        self.budget.take_samples(self.reader.path(), samples)?;
        self.samples += samples;
        self.rows.push(SelectedRow { series: (self.series.len() - 1) as u32, ..row });
        Ok(())
    }

    pub(super) async fn find(
        reader: &BlockReader,
        matchers: &[Matcher],
        range: TimeRange,
        budget: Budget,
    ) -> Result<Self, BlockError> {
        let columns = row_columns(reader);
        let scan = Scan::run(reader, matchers, range, budget, &columns).await?;
        Self::of_scan(scan, range, &columns).await
    }

    pub(super) async fn slice(
        reader: &BlockReader,
        slice: &RowSlice,
        budget: Budget,
    ) -> Result<Self, BlockError> {
        Self::of_scan(Scan::of_slice(reader, slice, budget), TimeRange::ALL, &row_columns(reader)).await
    }

    /// Takes the labels and facts of the rows that a scan found.
    async fn of_scan(mut scan: Scan<'_>, range: TimeRange, columns: &[Column]) -> Result<Self, BlockError> {
        let mut selection = Self::empty(scan.reader, range, scan.budget);
        let mut last_time = i64::MIN;
        while scan.load_next(columns).await? {
            selection.budget.bytes = scan.budget.bytes;
            selection.add_groups(&scan, &mut last_time)?;
        }
        selection.plan()?;
        Ok(selection)
    }

    /// The series in `cmp_series` order.
    pub fn series(&self) -> &[SelectedSeries] {
        &self.series
    }

    /// Gives the series away, for a caller that keeps one copy of those that several blocks have. [`Self::series`] is empty from
    /// then on; slices are numbered as before.
    pub fn take_series(&mut self) -> Vec<SelectedSeries> {
        std::mem::take(&mut self.series)
    }

    /// Samples of all rows that will be read; the range may leave some of them out.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Bytes that reading the samples takes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Goes on to the samples.
    pub fn into_samples(self) -> SampleReader {
        self.into_batches(BatchLimits::default())
    }

    /// Goes on to the samples, in batches of another size: for a caller that reads many blocks at once.
    pub fn into_batches(self, limits: BatchLimits) -> SampleReader {
        SampleReader::new(self, limits)
    }

    /// Reads everything: each series with its samples of the range, leaving out series that have none.
    pub async fn collect(self) -> Result<Vec<(Labels, OwnedSamples)>, BlockError> {
        let mut all: Vec<(Labels, OwnedSamples)> =
            self.series.iter().map(|series| (series.labels.clone(), OwnedSamples::default())).collect();
        let mut samples = self.into_samples();
        while let Some(batch) = samples.next_batch().await? {
            for slice in batch.slices() {
                all[slice.series].1.append(slice.samples.to_owned());
            }
        }
        all.retain(|(_, samples)| !samples.is_empty());
        Ok(all)
    }

    fn add_groups(&mut self, scan: &Scan<'_>, last_time: &mut i64) -> Result<(), BlockError> {
        for group in &scan.groups {
            let mut rows = RowCursors::new(&self.reader, group.group);
            for row in group.rows.iter() {
                self.add_row(&mut rows, group.group, row, scan, last_time)?;
            }
        }
        Ok(())
    }

    fn add_row(
        &mut self,
        rows: &mut RowCursors,
        group: usize,
        row: u64,
        scan: &Scan<'_>,
        last_time: &mut i64,
    ) -> Result<(), BlockError> {
        let path = self.reader.path().clone();
        let damaged = |damage: Damage| damage.at(&path);
        let facts = rows.facts(row, scan).map_err(damaged)?;
        if !facts.time.overlaps(self.range) {
            return Ok(());
        }
        let last = self.series.last();
        let empty = Labels::EMPTY;
        let previous = last.map_or(&empty, |last| &last.labels);
        let labels = rows.labels.labels(row, &scan.fetched, previous).map_err(damaged)?;
        let order = last.map_or(std::cmp::Ordering::Greater, |last| labels.cmp(&last.labels));
        let ascends = order.is_gt() || (order.is_eq() && facts.time.min.0 > *last_time);
        if !ascends {
            return Err(Damage::new(format!("rows of {labels} are out of order")).at(&path));
        }
        *last_time = facts.time.max.0;
        if order.is_gt() {
            if facts.hash != labels.series_hash() {
                return Err(Damage::new(format!("series {labels} has another hash")).at(&path));
            }
            self.add_series(SelectedSeries { labels, hash: facts.hash })?;
        }
        self.push_row(SelectedRow {
            group: group as u32,
            row: row as u32,
            series: 0,
            floats: facts.floats,
            histograms: facts.histograms,
            exponent: facts.exponent,
            time: facts.time,
        })
    }

    /// Counts what the samples take, before any is read.
    fn plan(&mut self) -> Result<(), BlockError> {
        let footer = self.reader.footer();
        let mut wanted = Wanted::default();
        for rows in self.rows.chunk_by(|a, b| a.group == b.group) {
            let group = rows[0].group as usize;
            let mut by_column: std::collections::BTreeMap<Column, RowSet> = Default::default();
            for row in rows {
                for column in row.columns() {
                    by_column.entry(column).or_default().push(u64::from(row.row)..u64::from(row.row) + 1);
                }
            }
            for (column, rows) in by_column {
                wanted.add_column(footer, group, column, &rows);
            }
        }
        self.bytes = total(&wanted.merged());
        let mut left = self.budget;
        left.take_bytes(self.reader.path(), self.bytes)
    }
}

/// What a row says of itself besides its labels and samples.
struct Facts {
    hash: SeriesHash,
    time: TimeRange,
    floats: u32,
    histograms: u32,
    exponent: i32,
}

struct RowCursors {
    labels: LabelsCursor,
    hash: Cursor<FlatPage>,
    min: Cursor<FlatPage>,
    max: Cursor<FlatPage>,
    floats: Cursor<FlatPage>,
    histograms: Option<Cursor<FlatPage>>,
    exponent: Cursor<FlatPage>,
}

impl RowCursors {
    fn new(reader: &BlockReader, group: usize) -> Self {
        let footer = reader.footer();
        let flat = |column| Cursor::new(footer, group, column);
        Self {
            labels: LabelsCursor::new(footer, group),
            hash: flat(Column::SeriesHash),
            min: flat(Column::MinTime),
            max: flat(Column::MaxTime),
            floats: flat(Column::FloatSamples),
            histograms: footer.schema().has_histograms().then(|| flat(Column::HistogramSamples)),
            exponent: flat(Column::Exponent),
        }
    }

    fn facts(&mut self, row: u64, scan: &Scan<'_>) -> Result<Facts, Damage> {
        let read = |cursor: &mut Cursor<FlatPage>| {
            let (page, at) = cursor.at(row, &scan.fetched)?;
            Ok::<_, Damage>(page.get(at))
        };
        let missing = || Damage::new("a row lacks a value that every row has");
        let count = |value: Option<i64>| u32::try_from(value.ok_or_else(missing)?).map_err(|_| missing());
        let histograms = match &mut self.histograms {
            Some(cursor) => count(read(cursor)?)?,
            None => 0,
        };
        Ok(Facts {
            hash: SeriesHash(read(&mut self.hash)?.ok_or_else(missing)? as u64),
            time: (read(&mut self.min)?.ok_or_else(missing)?..=read(&mut self.max)?.ok_or_else(missing)?)
                .into(),
            floats: count(read(&mut self.floats)?)?,
            histograms,
            exponent: read(&mut self.exponent)?.map_or(-1, |exponent| exponent as i32),
        })
    }
}

/// The columns that tell everything of a row but its samples.
fn row_columns(reader: &BlockReader) -> Vec<Column> {
    let schema = reader.footer().schema();
    let mut columns: Vec<Column> = (0..schema.promoted_labels().count()).map(Column::Label).collect();
    columns.extend([
        Column::MapKey,
        Column::MapValue,
        Column::SeriesHash,
        Column::MinTime,
        Column::MaxTime,
        Column::FloatSamples,
        Column::Exponent,
    ]);
    columns.extend(schema.has_histograms().then_some(Column::HistogramSamples));
    columns
}

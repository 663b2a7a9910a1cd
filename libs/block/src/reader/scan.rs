//! Finds the rows that match, reading label columns only, and as few of them as pays.
//!
//! A round trip to a bucket costs more than a few hundred kilobytes, so small blocks are scanned in one. In larger ones
//! equality is decided first, on its own columns; regular expressions see only what is left, and the remaining label columns
//! are read only around rows that matched everything.

use std::collections::VecDeque;

use narthex_model::{MatchOp, Matcher, TimeRange};

use super::{
    BlockReader, Budget,
    fetch::{Fetched, Wanted, fetch, total},
    footer::Footer,
    labels::matching,
    prune,
    rows::RowSet,
    slices::RowSlice,
};
use crate::{BlockError, schema::Column};

/// Bytes that are read at once rather than in two round trips.
const ROUND_TRIP_BYTES: u64 = 256 << 10;

/// Bytes of label pages of several row groups that are read in one round trip.
const BATCH_BYTES: u64 = 8 << 20;

/// Rows of a row group that are still candidates.
#[derive(Debug)]
pub(super) struct GroupRows {
    pub(super) group: usize,
    pub(super) rows: RowSet,
}

/// A scan under way.
pub(super) struct Scan<'a> {
    pub(super) reader: &'a BlockReader,
    pub(super) budget: Budget,
    pub(super) groups: Vec<GroupRows>,
    pub(super) fetched: Fetched,
    /// Row groups that [`Self::load_next`] did not reach yet.
    pending: VecDeque<GroupRows>,
}

impl<'a> Scan<'a> {
    /// Finds the rows whose labels match and whose page of times may touch the range. `output` are the columns that the caller will
    /// read of them; where it is cheap they are there already. Go on with [`Self::load_next`].
    pub(super) async fn run(
        reader: &'a BlockReader,
        matchers: &[Matcher],
        range: TimeRange,
        budget: Budget,
        output: &[Column],
    ) -> Result<Self, BlockError> {
        let footer = reader.footer();
        let groups = (0..footer.groups())
            .map(|group| GroupRows { group, rows: prune::candidates(footer, group, matchers, range) })
            .filter(|group| !group.rows.is_empty())
            .collect();
        let mut scan = Self { reader, budget, groups, fetched: Fetched::default(), pending: VecDeque::new() };
        scan.probe_blooms(matchers).await?;
        let (equal, other): (Vec<&Matcher>, Vec<&Matcher>) = matchers.iter().partition(|matcher| {
            matcher.op() == MatchOp::Equal && footer.label_column(matcher.name()).is_some()
        });
        let mut everything = output.to_vec();
        everything.extend(columns_of(footer, &equal));
        everything.extend(columns_of(footer, &other));
        for step in [equal, other] {
            if step.is_empty() {
                continue;
            }
            if total(&scan.wanted(&everything).merged()) <= ROUND_TRIP_BYTES {
                scan.load(&everything).await?;
            } else {
                scan.load(&columns_of(footer, &step)).await?;
            }
            scan.filter(&step)?;
        }
        scan.pending = std::mem::take(&mut scan.groups).into();
        Ok(scan)
    }

    /// All rows of a slice. Go on with [`Self::load_next`].
    pub(super) fn of_slice(reader: &'a BlockReader, slice: &RowSlice, budget: Budget) -> Self {
        let mut rows = RowSet::default();
        rows.push(slice.rows.clone());
        let pending = VecDeque::from([GroupRows { group: slice.group, rows }]);
        Self { reader, budget, groups: Vec::new(), fetched: Fetched::default(), pending }
    }

    async fn probe_blooms(&mut self, matchers: &[Matcher]) -> Result<(), BlockError> {
        let footer = self.reader.footer();
        let groups = self.groups.iter();
        let probes: Vec<_> =
            groups.flat_map(|group| prune::probes(footer, group.group, matchers, &group.rows)).collect();
        if probes.is_empty() {
            return Ok(());
        }
        let mut wanted = Wanted::default();
        probes.iter().for_each(|probe| probe.want(footer, &mut wanted));
        let fetched = fetch(self.reader.store(), self.reader.path(), wanted, &mut self.budget).await?;
        for probe in probes {
            if !probe.may_hold(footer, &fetched).map_err(|damage| damage.at(self.reader.path()))? {
                self.groups.retain(|group| group.group != probe.group);
            }
        }
        Ok(())
    }

    /// Goes on to the next row groups that matched, as many as are worth one round trip, and reads the pages of columns for their
    /// rows. Pages of row groups before them are dropped. False after the last.
    pub(super) async fn load_next(&mut self, columns: &[Column]) -> Result<bool, BlockError> {
        self.groups.clear();
        let Some(first) = self.pending.pop_front() else { return Ok(false) };
        let start = self.reader.footer().group_start(first.group);
        self.fetched.keep_only(|span| span.end > start);
        self.groups.push(first);
        while let Some(next) = self.pending.pop_front() {
            self.groups.push(next);
            if total(&self.wanted(columns).merged()) > BATCH_BYTES {
                if let Some(next) = self.groups.pop() {
                    self.pending.push_front(next);
                }
                break;
            }
        }
        self.load(columns).await?;
        Ok(true)
    }

    fn wanted(&self, columns: &[Column]) -> Wanted {
        let footer = self.reader.footer();
        let mut wanted = Wanted::default();
        for group in &self.groups {
            for column in columns {
                wanted.add_column(footer, group.group, *column, &group.rows);
            }
        }
        wanted.without(&self.fetched)
    }

    /// Reads the pages of columns for all rows of the current row groups.
    async fn load(&mut self, columns: &[Column]) -> Result<(), BlockError> {
        let wanted = self.wanted(columns);
        let fetched = fetch(self.reader.store(), self.reader.path(), wanted, &mut self.budget).await?;
        self.fetched.merge(fetched);
        Ok(())
    }

    fn filter(&mut self, matchers: &[&Matcher]) -> Result<(), BlockError> {
        for group in &mut self.groups {
            group.rows = matching(self.reader.footer(), group.group, &group.rows, matchers, &self.fetched)
                .map_err(|damage| damage.at(self.reader.path()))?;
        }
        self.groups.retain(|group| !group.rows.is_empty());
        Ok(())
    }
}

fn columns_of(footer: &Footer, matchers: &[&Matcher]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for matcher in matchers {
        match footer.label_column(matcher.name()) {
            Some(column) => columns.push(column),
            None => columns.extend([Column::MapKey, Column::MapValue]),
        }
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

//! Finds the rows that match, reading label columns only, and as few of them as pays.
//!
//! A round trip to a bucket costs more than a few hundred kilobytes, so small blocks are scanned in one. In larger ones
//! equality is decided first, on its own columns; regular expressions see only what is left, and the remaining label columns
//! are read only around rows that matched everything.

use narthex_model::{MatchOp, Matcher, TimeRange};

use super::{
    BlockReader, Budget,
    fetch::{Fetched, Wanted, fetch, total},
    footer::Footer,
    labels::matching,
    prune,
    rows::RowSet,
};
use crate::{BlockError, schema::Column};

/// Bytes that are read at once rather than in two round trips.
const ROUND_TRIP_BYTES: u64 = 256 << 10;

/// Rows of a row group that are still candidates.
#[derive(Debug)]
pub(super) struct GroupRows {
    pub(super) group: usize,
    pub(super) rows: RowSet,
}

/// A scan under way.
pub(super) struct Scan<'a> {
    reader: &'a BlockReader,
    pub(super) budget: Budget,
    pub(super) groups: Vec<GroupRows>,
    pub(super) fetched: Fetched,
}

impl<'a> Scan<'a> {
    /// Finds the rows whose labels match and whose page of times may touch the range. `output` are the columns that the caller will
    /// read of them; where it is cheap they are there already.
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
        let mut scan = Self { reader, budget, groups, fetched: Fetched::default() };
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
        Ok(scan)
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

    /// Reads the pages of columns for all rows that are left.
    pub(super) async fn load(&mut self, columns: &[Column]) -> Result<(), BlockError> {
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

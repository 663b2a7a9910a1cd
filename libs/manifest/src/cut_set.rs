//! Sets of cuts as ranges of windows per partition and epoch: the history in a root, and what an entry holds.
//!
//! Cuts are committed nearly in order of their windows, so that the history of years is a handful of ranges per partition.
//! Ranges are closed, ascending, and neither overlap nor touch: equal sets look equal.

use std::collections::{BTreeMap, btree_map};

use narthex_model::{Cut, Epoch, PartitionId, Window};

/// A set of cuts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutSet {
    ranges: BTreeMap<(PartitionId, Epoch), Vec<Range>>,
}

/// Windows from `first` to `last`, both inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The earliest window.
    pub first: Window,
    /// The latest window.
    pub last: Window,
}

impl Range {
    /// Whether no window lies between the ranges: they overlap or touch.
    fn joins(self, other: Self) -> bool {
        self.first.0 <= other.last.0.saturating_add(1) && other.first.0 <= self.last.0.saturating_add(1)
    }

    fn overlap(self, other: Self) -> Option<Window> {
        let first = self.first.max(other.first);
        (first <= self.last.min(other.last)).then_some(first)
    }
}

impl CutSet {
    /// Whether nothing is inside.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether a cut is inside.
    pub fn contains(&self, cut: &Cut) -> bool {
        let ranges = self.ranges.get(&(cut.partition, cut.epoch)).map_or(&[][..], Vec::as_slice);
        let after = ranges.partition_point(|range| range.first <= cut.window);
        after.checked_sub(1).is_some_and(|at| cut.window <= ranges[at].last)
    }

    /// Adds a cut; false if it was inside.
    pub fn insert(&mut self, cut: Cut) -> bool {
        let absent = !self.contains(&cut);
        self.insert_range(cut.partition, cut.epoch, Range { first: cut.window, last: cut.window });
        absent
    }

    /// Adds a range of windows. A range that ends before it begins adds nothing.
    pub fn insert_range(&mut self, partition: PartitionId, epoch: Epoch, mut range: Range) {
        if range.first > range.last {
            return;
        }
        let ranges = self.ranges.entry((partition, epoch)).or_default();
        let start = ranges.partition_point(|other| other.last < range.first && !other.joins(range));
        let joined = ranges[start..].iter().take_while(|other| other.joins(range)).count();
        for other in &ranges[start..start + joined] {
            range = Range { first: range.first.min(other.first), last: range.last.max(other.last) };
        }
        ranges.splice(start..start + joined, [range]);
    }

    /// Adds all cuts of another set (rule 4: a merged entry holds the cuts of its inputs).
    pub fn extend(&mut self, other: &Self) {
        for (partition, epoch, range) in other.ranges() {
            self.insert_range(partition, epoch, range);
        }
    }

    /// The first cut that both sets hold.
    pub fn first_common(&self, other: &Self) -> Option<Cut> {
        let (small, large) =
            if self.ranges.len() <= other.ranges.len() { (self, other) } else { (other, self) };
        small.ranges().find_map(|(partition, epoch, range)| {
            let ranges = large.ranges.get(&(partition, epoch))?;
            let at = ranges.partition_point(|other| other.last < range.first);
            let window = ranges.get(at)?.overlap(range)?;
            Some(Cut { partition, epoch, window })
        })
    }

    /// The first cut of another set that is not in this one.
    pub fn first_missing(&self, other: &Self) -> Option<Cut> {
        other.ranges().find_map(|(partition, epoch, range)| {
            let ranges = self.ranges.get(&(partition, epoch)).map_or(&[][..], Vec::as_slice);
            let at = ranges.partition_point(|own| own.last < range.first);
            let window = match ranges.get(at) {
                Some(own) if own.first <= range.first && range.last <= own.last => return None,
                Some(own) if own.first <= range.first => Window(own.last.0 + 1),
                _ => range.first,
            };
            Some(Cut { partition, epoch, window })
        })
    }

    /// The earliest cut by partition, epoch and window.
    pub fn first(&self) -> Option<Cut> {
        self.ranges().next().map(|(partition, epoch, range)| Cut { partition, epoch, window: range.first })
    }

    /// The cut of the earliest window.
    pub fn earliest(&self) -> Option<Cut> {
        let cuts =
            self.ranges().map(|(partition, epoch, range)| Cut { partition, epoch, window: range.first });
        cuts.min_by_key(|cut| cut.window)
    }

    /// Removes the cuts of windows before `floor`.
    pub fn drop_before(&mut self, floor: Window) {
        self.ranges.retain(|_, ranges| {
            ranges.retain(|range| range.last >= floor);
            if let Some(range) = ranges.first_mut() {
                range.first = range.first.max(floor);
            }
            !ranges.is_empty()
        });
    }

    /// All ranges, ordered by partition, epoch and window.
    pub fn ranges(&self) -> impl Iterator<Item = (PartitionId, Epoch, Range)> {
        self.ranges
            .iter()
            .flat_map(|((partition, epoch), ranges)| ranges.iter().map(|range| (*partition, *epoch, *range)))
    }

    /// Ranges grouped by partition and epoch, as a file holds them.
    pub(crate) fn groups(&self) -> btree_map::Iter<'_, (PartitionId, Epoch), Vec<Range>> {
        self.ranges.iter()
    }

    /// Bytes that the set takes in a file, roughly and rather too many.
    pub(crate) fn size(&self) -> usize {
        self.ranges.values().map(|ranges| 16 + ranges.len() * 6).sum()
    }
}

impl From<Cut> for CutSet {
    fn from(cut: Cut) -> Self {
        Self::from_iter([cut])
    }
}

impl FromIterator<Cut> for CutSet {
    fn from_iter<I: IntoIterator<Item = Cut>>(cuts: I) -> Self {
        let mut set = Self::default();
        for cut in cuts {
            set.insert(cut);
        }
        set
    }
}

#[cfg(test)]
mod tests;

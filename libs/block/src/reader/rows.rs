//! Sets of rows in a row group, as ranges.

use std::ops::Range;

/// Rows as ascending ranges that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RowSet(Vec<Range<u64>>);

impl RowSet {
    pub(super) fn all(rows: u64) -> Self {
        let mut set = Self::default();
        set.push(0..rows);
        set
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds rows behind all others.
    pub(super) fn push(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    pub(super) fn intersect(&self, other: &Self) -> Self {
        let (mut a, mut b, mut both) = (0, 0, Self::default());
        while let (Some(left), Some(right)) = (self.0.get(a), other.0.get(b)) {
            both.push(left.start.max(right.start)..left.end.min(right.end));
            if left.end < right.end { a += 1 } else { b += 1 }
        }
        both
    }

    /// Whether a row of the range is in the set.
    pub(super) fn touches(&self, range: &Range<u64>) -> bool {
        let at = self.0.partition_point(|mine| mine.end <= range.start);
        !range.is_empty() && self.0.get(at).is_some_and(|mine| mine.start < range.end)
    }

    /// The rows, one by one.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().cloned().flatten()
    }
}

impl FromIterator<u64> for RowSet {
    /// Collects ascending rows.
    fn from_iter<I: IntoIterator<Item = u64>>(rows: I) -> Self {
        let mut set = Self::default();
        rows.into_iter().for_each(|row| set.push(row..row + 1));
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::btree_set(0u64..30, 0..20).prop_map(|set| set.into_iter().collect())
    }

    proptest! {
        #[test]
        fn sets_of_ranges_are_sets_of_rows(a in rows(), b in rows(), start in 0u64..30, length in 0u64..10) {
            let (left, right): (RowSet, RowSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(left.iter().collect::<Vec<_>>(), a.clone());
            let both: Vec<u64> = a.iter().copied().filter(|row| b.contains(row)).collect();
            prop_assert_eq!(left.intersect(&right), both.into_iter().collect());
            let range = start..start + length;
            prop_assert_eq!(left.touches(&range), a.iter().any(|row| range.contains(row)));
        }
    }
}

//! Which ids of series are in use, and which of the others may be used again.
//!
//! Log and snapshots refer to series by id. The id of a series that left is given to another only after a checkpoint that began
//! later is on disk: were the log damaged, a sample could otherwise be taken for one of the series that had the id before.
//! And no id is used again while a snapshot is written, which fixes at its start how many there are.

use roaring::RoaringBitmap;

use super::arena::Paged;

/// The ids below the bound of the series' storage that are not in use.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// All of them.
    unused: RoaringBitmap,
    /// May be used again.
    reusable: RoaringBitmap,
    /// Left since the newest snapshot began.
    waiting: RoaringBitmap,
    /// Left before it began, and not reusable yet.
    parked: RoaringBitmap,
    /// Number of the newest snapshot.
    snapshot: u64,
    pinned: bool,
    /// How often an id was used again.
    reuses: u64,
}

impl Ids {
    /// An id to be used again.
    pub(super) fn take(&mut self) -> Option<u32> {
        let id = self.reusable.min().filter(|_| !self.pinned)?;
        self.reusable.remove(id);
        self.unused.remove(id);
        self.reuses += 1;
        Some(id)
    }

    /// Changes whenever an id is used again, so that readers know when ids that they hold may mean something else.
    pub(super) fn reuses(&self) -> u64 {
        self.reuses
    }

    /// Uses an id of a logged series, whatever it waited for.
    pub(super) fn claim(&mut self, id: u32) {
        for ids in [&mut self.unused, &mut self.reusable, &mut self.waiting, &mut self.parked] {
            ids.remove(id);
        }
        self.reuses += 1;
    }

    /// A series left.
    pub(super) fn leave(&mut self, id: u32) {
        self.unused.insert(id);
        self.waiting.insert(id);
    }

    /// A snapshot holds no series of this id.
    pub(super) fn loaded_unused(&mut self, ids: std::ops::Range<u32>) {
        self.unused.insert_range(ids.clone());
        self.reusable.insert_range(ids);
    }

    pub(super) fn is_unused(&self, id: u32) -> bool {
        self.unused.contains(id)
    }

    pub(super) fn unused(&self) -> &RoaringBitmap {
        &self.unused
    }

    /// A snapshot begins; returns its number.
    pub(super) fn begin_snapshot(&mut self) -> u64 {
        self.pinned = true;
        self.snapshot += 1;
        self.parked |= std::mem::take(&mut self.waiting);
        self.snapshot
    }

    /// It is written, or given up.
    pub(super) fn end_snapshot(&mut self) {
        self.pinned = false;
    }

    /// The number of the snapshot being written.
    pub(super) fn pinned_by(&self) -> Option<u64> {
        self.pinned.then_some(self.snapshot)
    }

    /// A checkpoint with this snapshot is on disk: what left before it began is free. True if that is anything.
    pub(super) fn durable(&mut self, snapshot: u64) -> bool {
        if snapshot < self.snapshot || self.parked.is_empty() {
            return false;
        }
        self.reusable |= std::mem::take(&mut self.parked);
        true
    }

    /// Continues the numbers of a head that this one replaces.
    pub(super) fn follow(&mut self, before: &Self) {
        (self.snapshot, self.reuses) = (before.snapshot + 1, before.reuses + 1);
    }

    /// Returns memory of unused series.
    pub(super) fn trim<T>(&mut self, series: &mut Paged<T>) {
        if !self.pinned {
            let before = series.len();
            series.shorten(&mut self.reusable);
            self.unused.remove_range(series.len()..before);
        }
        self.reuses += 1;
        series.vacate(&self.unused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_waits_for_a_checkpoint_that_began_after_its_series_left() {
        let mut ids = Ids::default();
        ids.leave(3);
        assert_eq!(ids.take(), None);
        let first = ids.begin_snapshot();
        ids.leave(4);
        ids.end_snapshot();
        assert!(ids.durable(first));
        let second = ids.begin_snapshot();
        assert_eq!(ids.take(), None, "a snapshot is being written");
        ids.end_snapshot();
        assert!(!ids.durable(first), "an older checkpoint says nothing of 4");
        assert_eq!((ids.take(), ids.take()), (Some(3), None));
        assert!(ids.durable(second));
        assert_eq!((ids.take(), ids.take()), (Some(4), None));
        assert!(ids.unused().is_empty());
    }
}

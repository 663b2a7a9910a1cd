//! A simulated disk and the real head on top of it.
//!
//! The disk keeps the owner's real [`Record`] and a log of what was stored, in order, with a mark of how much is synced.
//! A restart replays the log into a fresh real head; a machine restart forgets what was not synced.

use std::collections::BTreeSet;

use narthex_ingester::recovery::Record;

use crate::store::{Store, Stored, Turn};

/// An entry of the log.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// What a push, or a copy from other owners, changed.
    Stored(Stored),
    /// A turn of sealing or forgetting.
    Turn(Turn),
}

/// One data directory.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// The record, if there is one.
    pub(crate) record: Option<Record>,
    /// Storage files exist.
    pub(crate) used: bool,
    /// Segments that failed their checks and were set aside.
    pub(crate) quarantined: u64,
    log: Vec<Entry>,
    synced: usize,
}

impl Disk {
    /// Everything is gone: an empty volume was mounted.
    pub(crate) fn wipe(&mut self) {
        *self = Self::default();
    }

    /// The storage files are gone, the record is still there.
    pub(crate) fn lose_files(&mut self) {
        self.log.clear();
        self.synced = 0;
        self.used = false;
    }

    /// The middle of the log fails its checks and is set aside.
    pub(crate) fn corrupt(&mut self, from: usize, count: usize) {
        let end = (from + count).min(self.log.len());
        self.log.drain(from.min(end)..end);
        self.synced = self.synced.min(self.log.len());
        self.quarantined += 1;
    }

    /// The machine restarts: what was not synced is lost.
    pub(crate) fn lose_unsynced(&mut self) {
        self.log.truncate(self.synced);
    }

    /// Appends, in the page cache.
    pub(crate) fn append(&mut self, entry: Entry) {
        self.used = true;
        self.log.push(entry);
    }

    /// Makes all that was appended durable.
    pub(crate) fn sync(&mut self) {
        self.synced = self.log.len();
    }

    /// Entries in the log.
    pub(crate) fn len(&self) -> usize {
        self.log.len()
    }

    /// Replays the log into a new head.
    pub(crate) fn replay(&self) -> Store {
        let mut store = Store::new();
        for entry in &self.log {
            match entry {
                Entry::Stored(stored) => store.redo(stored),
                Entry::Turn(turn) => store.apply(*turn),
            }
        }
        store
    }

    /// The (series, timestamp) pairs that a replay would bring back.
    pub(crate) fn holds(&self) -> BTreeSet<(u32, i64)> {
        self.replay()
            .data()
            .iter()
            .flat_map(|(series, samples)| samples.iter().map(|(at, _)| (*series, *at)))
            .collect()
    }
}

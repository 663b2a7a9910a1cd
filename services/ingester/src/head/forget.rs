//! Forgetting cuts, and series that leave.
//!
//! A cut that is committed is forgotten a range of series at a time: its chunks leave the lists of their series, and a series that
//! holds nothing and is not active (W-3) leaves index, postings and labels with them. Which series leave is decided once and
//! logged by id, because activity is judged by a clock that the log does not hold to the minute. Memory goes back like this:
//! places of chunk references, open chunks, label pairs and label texts are used again at once, and their pages are returned
//! when they are unused as a whole; a chunk file is unmapped when none of its chunks is referenced and deleted after the next
//! checkpoint; ids of series wait for a checkpoint (see `ids`). What is left of half-used pages goes at the next start.

use std::ops::Range;

use narthex_model::{ManifestRevision, Window};

use super::{
    Boundary, Head,
    pairs::shrink,
    series::{ABSENT, HAS_MORE, LOST, Series, UNUSED},
    slab::Slot,
};

impl Head {
    /// The series of an id range that will hold nothing once a cut is forgotten (or hold nothing now) and are not active.
    /// The second number counts those that hold nothing but are active still.
    pub fn leaving(&self, cut: Option<(Window, Boundary)>, ids: Range<u32>) -> (Vec<u32>, u64) {
        let range = cut.map(|(window, boundary)| (self.store.windows.length().range(window), boundary));
        let (mut leaving, mut active) = (Vec::new(), 0);
        for id in ids.start..ids.end.min(self.store.series.len()) {
            let Some(series) = self.store.series.get(id).filter(|series| series.flags & UNUSED == 0) else {
                continue;
            };
            if series.floats.samples() > 0 || (series.flags & HAS_MORE != 0 && self.holds_more(id)) {
                continue;
            }
            let stays = self.store.chunks.any(series.chunks, |chunk| {
                range.is_none_or(|(range, boundary)| {
                    chunk.min < range.min.0 || chunk.min > range.max.0 || chunk.generation() >= boundary.0
                })
            });
            if stays {
                continue;
            }
            if self.active.is_active(series.minute) { active += 1 } else { leaving.push(id) }
        }
        (leaving, active)
    }

    fn holds_more(&self, id: u32) -> bool {
        self.store.more.get(&id).is_some_and(|more| more.histograms.samples() > 0 || !more.late.is_empty())
    }

    /// Forgets the chunks of a window below a boundary, of the series with these ids but those to be skipped.
    pub fn forget_chunks(
        &mut self,
        window: Window,
        boundary: Boundary,
        ids: Range<u32>,
        skip: impl Fn(u32) -> bool,
    ) {
        let range = self.store.windows.length().range(window);
        for id in ids.start..ids.end.min(self.store.series.len()) {
            let Some(series) = self.store.series.get(id).filter(|_| !skip(id)) else { continue };
            let newest = series.chunks;
            let windows = &mut self.store.windows;
            let left = self.store.chunks.forget(newest, |chunk| {
                let generation = chunk.generation();
                let gone = range.min.0 <= chunk.min && chunk.min <= range.max.0 && generation < boundary.0;
                if gone {
                    windows.removed(window, generation);
                }
                gone
            });
            if left != newest {
                self.store.series.at_mut(id).chunks = left;
            }
        }
    }

    /// Lets a series leave with whatever it holds.
    pub fn remove_series(&mut self, id: u32) {
        let Some(series) = self.store.series.get(id).filter(|series| series.flags & UNUSED == 0).copied()
        else {
            return;
        };
        let windows = &mut self.store.windows;
        self.store.chunks.forget(series.chunks, |chunk| {
            windows.removed(windows.of(chunk.min), chunk.generation());
            true
        });
        if series.floats.samples() > 0 {
            windows.closed(windows.of(series.floats.last_timestamp()));
            self.store.slab.free(Slot { class: series.class, at: series.slot });
        }
        if let Some(more) = self.store.more.remove(&id) {
            if more.histograms.samples() > 0 {
                windows.closed(windows.of(more.histograms.last_timestamp()));
            }
            if let Some((first, _)) = more.late.first() {
                windows.closed(windows.of(*first));
            }
        }
        if series.flags & LOST == 0 {
            if let Ok(entry) = self.index.find_entry(series.hash, |other| *other == id) {
                entry.remove();
            }
            let count = usize::from(series.label_count);
            for pair in self.labels.get(series.labels, count) {
                self.pairs.remove(*pair, id);
            }
            self.labels.remove(series.labels, count);
        }
        self.active.leave(series.minute);
        self.lost.remove(id);
        *self.store.series.at_mut(id) = Series::unused();
        self.ids.leave(id);
    }

    /// What is forgotten from now on is in blocks that this revision of the manifest names.
    pub fn act(&mut self, revision: ManifestRevision) {
        self.acted = self.acted.max(revision);
    }

    /// The newest such revision: reads of this head need blocks by it or a newer one.
    pub fn acted(&self) -> ManifestRevision {
        self.acted
    }

    /// A cut was forgotten: its chunks are gone. Where nothing is left of the window, it is as if it had never been, but for the
    /// epochs in which it is closed.
    pub fn forgotten(&mut self, window: Window, boundary: Boundary, gone: bool) {
        self.store.windows.forgotten(window, boundary, gone);
    }

    /// Whether anything of a window lies at or above a boundary.
    pub fn holds_above(&self, window: Window, boundary: Boundary) -> bool {
        self.store.windows.holds_above(window, boundary)
    }

    /// Whether there is metadata although no series is left.
    pub fn has_stale_metadata(&self) -> bool {
        self.series_count() == 0 && !self.metadata.is_empty()
    }

    /// Drops all metadata; senders send it again every minute.
    pub fn clear_metadata(&mut self) {
        self.metadata = super::MetadataStore::default();
    }

    /// Whether series may be there that hold nothing and left not, because they were active.
    pub fn may_linger(&self) -> bool {
        self.lingering
    }

    /// Says how that is.
    pub fn set_lingering(&mut self, lingering: bool) {
        self.lingering = lingering;
    }

    /// Whether there is a series with this id.
    pub fn has_series(&self, id: u32) -> bool {
        self.store.series.get(id).is_some_and(|series| series.flags & ABSENT == 0)
    }

    /// Changes whenever ids may come to mean other series than before.
    pub fn id_reuses(&self) -> u64 {
        self.ids.reuses()
    }

    /// Returns memory of what left.
    pub fn trim(&mut self) {
        self.store.chunks.trim();
        self.store.slab.trim();
        if self.store.more.capacity() > 4 * self.store.more.len() {
            self.store.more.shrink_to_fit();
        }
        self.labels.trim();
        self.pairs.trim();
        let series = &self.store.series;
        shrink(&mut self.index, |id| series.at(*id).hash);
        self.ids.trim(&mut self.store.series);
    }

    /// Takes place of a head that is dropped: empty, with chunk files numbered after those that may be on disk.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let mut empty = Self::new(self.store.chunks.freeze_at(), self.store.windows.length());
        empty.store.chunks.follow(&self.store.chunks);
        empty.ids.follow(&self.ids);
        empty
    }

    /// A snapshot begins, to be taken together with [`Self::snapshot_start`]: until [`Self::end_snapshot`] no id is used again.
    /// Returns its number.
    pub fn begin_snapshot(&mut self) -> u64 {
        self.pairs.pin(true);
        self.ids.begin_snapshot()
    }

    /// The snapshot is written or given up. Does nothing to a head that took the place of the one it was of.
    pub fn end_snapshot(&mut self, snapshot: u64) {
        if self.is_pinned_by(snapshot) {
            self.pairs.pin(false);
            self.ids.end_snapshot();
        }
    }

    /// Whether a snapshot is of this head and goes on.
    pub fn is_pinned_by(&self, snapshot: u64) -> bool {
        self.ids.pinned_by() == Some(snapshot)
    }

    /// A checkpoint with this snapshot is on disk: ids that were in use no more when it began are free.
    pub fn snapshot_durable(&mut self, snapshot: u64) {
        if self.ids.durable(snapshot) {
            self.trim();
        }
    }
}

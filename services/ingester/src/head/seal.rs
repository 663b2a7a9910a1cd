//! Sealing windows: closing them to pushes, ending their open chunks, and reading the cut.
//!
//! A seal has three steps, each a logged record: the window is closed in the epoch, the open chunks of every series that hold
//! samples of it are ended (a range of series at a time, so that pushes go on in between), and then the window's generation is
//! raised. What ended before the last step is the cut, and nothing is added to it afterwards (F-4). A seal that was
//! interrupted is done again from the start; the window stayed closed meanwhile.

use std::ops::Range;

use narthex_chunk::{Chunk, ChunkError, Encoding};
use narthex_model::{Epoch, Window};

use super::{
    Boundary, Head, Seal, WindowState,
    series::{ABSENT, HAS_MORE},
};

impl Head {
    /// Windows of which samples are held, ascending.
    pub fn windows(&self) -> Vec<WindowState> {
        self.store.windows.states()
    }

    /// To be called after a replay: what a damaged log left behind lies below the next seal of its window.
    pub(crate) fn settle_windows(&mut self) {
        self.store.windows.settle();
    }

    /// The seal of a window in an epoch, while anything of its cut may be held.
    pub fn seal_of(&self, epoch: Epoch, window: Window) -> Option<Seal> {
        self.store.windows.seal(epoch, window)
    }

    /// Whether pushes of an epoch are kept out of a window.
    pub fn is_closed(&self, epoch: Epoch, window: Window) -> bool {
        self.store.windows.is_closed(epoch, window)
    }

    /// Whether anything of a window is held.
    pub fn holds(&self, window: Window) -> bool {
        self.store.windows.holds(window)
    }

    /// The boundary of the next seal of a window; `None` after so many seals that chunks cannot tell them apart.
    pub fn next_boundary(&self, window: Window) -> Option<Boundary> {
        self.store.windows.next_boundary(window)
    }

    /// Samples of a window in chunks that have ended.
    pub fn ended_samples(&self, window: Window) -> u64 {
        self.store.windows.samples(window)
    }

    /// First step: pushes of `epoch` are refused in the window from now on. `adopted` is the epoch in which pushes come now.
    pub fn close(&mut self, epoch: Epoch, adopted: Epoch, window: Window) {
        self.store.windows.close(epoch, adopted, window);
    }

    /// Second step, for the series with these ids but those to be skipped: ends open chunks that hold samples of the window.
    /// Returns how many of the series have chunks of it.
    pub fn end_chunks(&mut self, window: Window, ids: Range<u32>, skip: impl Fn(u32) -> bool) -> u64 {
        let range = self.store.windows.length().range(window);
        let (first, last) = (range.min.0, range.max.0);
        let inside = |at: i64| first <= at && at <= last;
        let mut found = 0;
        for id in ids.start..ids.end.min(self.store.series.len()) {
            let Some(series) = self.store.series.get(id).filter(|_| !skip(id)) else { continue };
            let flags = series.flags;
            if series.floats.samples() > 0 && inside(series.floats.last_timestamp()) {
                self.store.end_floats(id);
            }
            if flags & HAS_MORE != 0
                && let Some(more) = self.store.more.get(&id)
            {
                let histograms = &more.histograms;
                let histograms = histograms.samples() > 0 && inside(histograms.last_timestamp());
                let late = more.late.first().is_some_and(|(at, _)| inside(*at));
                if histograms {
                    self.store.end_histograms(id);
                }
                if late {
                    self.store.end_late(id);
                }
            }
            let mut chunks = self.store.chunks.list(self.store.series.at(id).chunks);
            found += u64::from(chunks.any(|chunk| inside(chunk.min)));
        }
        found
    }

    /// Last step: what ended so far is the cut.
    pub fn sealed(&mut self, window: Window, seal: Seal) {
        self.store.windows.sealed(window, seal);
    }

    /// Whether any seal stands.
    pub fn has_seals(&self) -> bool {
        self.store.windows.any_seal()
    }

    /// Voids all seals, for an owner whose disk lost samples that it sealed: its cuts are to be sealed again once it has copied
    /// them from the others. Closed windows stay closed.
    pub fn void_seals(&mut self) {
        self.store.windows.void_seals();
    }

    /// Series of an id range that have samples of a window below a boundary.
    pub fn cut_series(&self, window: Window, boundary: Boundary, ids: Range<u32>) -> Vec<u32> {
        let range = self.store.windows.length().range(window);
        let inside = |id: &u32| {
            let Some(series) = self.store.series.get(*id).filter(|series| series.flags & ABSENT == 0) else {
                return false;
            };
            self.store.chunks.list(series.chunks).any(|chunk| {
                range.min.0 <= chunk.min && chunk.min <= range.max.0 && chunk.generation() < boundary.0
            })
        };
        (ids.start..ids.end.min(self.store.series.len())).filter(inside).collect()
    }

    /// The chunks of one series that lie in a window below a boundary, oldest first by their beginning; they may overlap each other.
    pub fn cut_chunks(&self, id: u32, window: Window, boundary: Boundary) -> Result<Vec<Chunk>, ChunkError> {
        let Some(series) = self.store.series.get(id) else { return Ok(Vec::new()) };
        let range = self.store.windows.length().range(window);
        let mut chunks = Vec::new();
        for reference in self.store.chunks.list(series.chunks) {
            let inside = range.min.0 <= reference.min && reference.min <= range.max.0;
            if inside && reference.generation() < boundary.0 {
                chunks.push(self.store.chunks.read(reference)?);
            }
        }
        chunks.sort_by_key(|chunk| (chunk.min_ms, chunk.max_ms));
        Ok(chunks)
    }

    /// Whether any chunk of one series in a window below a boundary holds histograms.
    pub fn cut_has_histograms(
        &self,
        id: u32,
        window: Window,
        boundary: Boundary,
    ) -> Result<bool, ChunkError> {
        // Whoever ever had a histogram or a late sample has an entry beside; most series have none.
        if self.store.series.get(id).is_none_or(|series| series.flags & HAS_MORE == 0) {
            return Ok(false);
        }
        let chunks = self.cut_chunks(id, window, boundary)?;
        Ok(chunks.iter().any(|chunk| chunk.encoding == Encoding::Histograms))
    }

    /// Ids are below this.
    pub fn id_bound(&self) -> u32 {
        self.store.series.len()
    }
}

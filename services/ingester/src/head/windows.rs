//! What a head knows of its windows: how much each holds, where each was sealed, and which are closed to pushes.
//!
//! A window's *generation* counts its seals. A chunk carries the generation in which it ended, so the *boundary* of a seal is a
//! number that says of every chunk whether it belongs to the cut, whatever the order in which a restart puts chunks into
//! files again. A seal ends the open chunks of its window first, so what is stored later lies above. Generations change by logged
//! records only: the same log gives the same chunks the same generations. That a window is *closed* in an epoch
//! (F-4) is remembered as ranges for as long as the epoch lasts, also when nothing of the window is held any more.

use narthex_model::{Epoch, TimestampMs, Window, WindowLength};
use smallvec::SmallVec;

use super::sealed::MAX_GENERATION;

/// Where a cut ends: what of the window lies below it is the cut's content, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Boundary(pub(crate) u16);

impl Boundary {
    /// A logged boundary; `None` for a number that no chunk can lie below.
    pub(crate) fn new(number: u64) -> Option<Self> {
        u16::try_from(number).ok().filter(|number| *number <= MAX_GENERATION).map(Self)
    }
}

/// A seal of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The epoch of the cut.
    pub epoch: Epoch,
    /// Where it ends.
    pub boundary: Boundary,
    /// Series that have samples in the cut.
    pub series: u64,
    /// Samples of the cut, before competing values are resolved.
    pub samples: u64,
}

/// A window of which samples are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowState {
    /// Which one.
    pub window: Window,
    /// Chunks, open ones included: exact.
    pub chunks: u64,
    /// Samples in chunks that have ended; about right after a restart, otherwise exact.
    pub samples: u64,
    /// Bytes of these chunks; about right after a restart, otherwise exact.
    pub bytes: u64,
    /// Epochs in which it was sealed and whose cut is still held, ascending.
    pub sealed: Vec<Epoch>,
}

/// Chunks of one generation of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) chunks: u64,
    pub(super) samples: u64,
    pub(super) bytes: u64,
}

/// A window that is held, or that has generations to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) window: Window,
    pub(super) generation: u16,
    /// Ascending by epoch and boundary.
    pub(super) seals: Vec<Seal>,
    /// Open chunks and buffers of late samples.
    pub(super) open: u32,
    /// Chunks that have ended, by generation.
    pub(super) ended: SmallVec<[(u16, Counts); 2]>,
}

impl Held {
    pub(super) fn new(window: Window) -> Self {
        Self { window, generation: 0, seals: Vec::new(), open: 0, ended: SmallVec::new() }
    }

    fn counts(&mut self, generation: u16) -> &mut Counts {
        let at = self.ended.iter().position(|(other, _)| *other == generation).unwrap_or_else(|| {
            self.ended.push((generation, Counts::default()));
            self.ended.len() - 1
        });
        &mut self.ended[at].1
    }

    fn chunks(&self) -> u64 {
        u64::from(self.open) + self.ended.iter().map(|(_, counts)| counts.chunks).sum::<u64>()
    }
}

/// Windows closed in one epoch, as ranges (first, last), ascending and apart.
pub(super) type Ranges = Vec<(i64, i64)>;

/// All windows of a head.
#[derive(Debug)]
pub(super) struct Windows {
    length: WindowLength,
    /// Ascending by window. A head holds a handful.
    held: Vec<Held>,
    /// Ascending by epoch.
    closed: Vec<(Epoch, Ranges)>,
}

impl Windows {
    pub(super) fn new(length: WindowLength) -> Self {
        Self { length, held: Vec::new(), closed: Vec::new() }
    }

    pub(super) fn length(&self) -> WindowLength {
        self.length
    }

    #[inline]
    pub(super) fn of(&self, timestamp: i64) -> Window {
        self.length.window(TimestampMs(timestamp))
    }

    pub(super) fn same(&self, a: i64, b: i64) -> bool {
        self.of(a) == self.of(b)
    }

    fn find(&self, window: Window) -> Result<usize, usize> {
        // Nearly always one of the last two.
        match self.held.iter().rposition(|held| held.window <= window) {
            Some(at) if self.held[at].window == window => Ok(at),
            Some(at) => Err(at + 1),
            None => Err(0),
        }
    }

    fn held_mut(&mut self, window: Window) -> &mut Held {
        let at = self.find(window).unwrap_or_else(|at| {
            self.held.insert(at, Held::new(window));
            at
        });
        &mut self.held[at]
    }

    fn get(&self, window: Window) -> Option<&Held> {
        self.find(window).ok().map(|at| &self.held[at])
    }

    /// A chunk or a buffer of late samples was begun.
    pub(super) fn opened(&mut self, window: Window) {
        self.held_mut(window).open += 1;
    }

    /// It ended; each chunk that it became is told by [`Self::ended`].
    pub(super) fn closed(&mut self, window: Window) {
        let open = &mut self.held_mut(window).open;
        *open = open.saturating_sub(1);
    }

    /// A chunk ended: gives it its generation.
    pub(super) fn ended(&mut self, window: Window, samples: u16, bytes: usize) -> u16 {
        let held = self.held_mut(window);
        let generation = held.generation;
        let counts = held.counts(generation);
        counts.chunks += 1;
        counts.samples += u64::from(samples);
        counts.bytes += bytes as u64;
        generation
    }

    /// A chunk that a snapshot holds.
    pub(super) fn loaded(&mut self, window: Window, generation: u16) {
        self.held_mut(window).counts(generation).chunks += 1;
    }

    /// The generation of chunks of the window that end now.
    pub(super) fn generation(&self, window: Window) -> u16 {
        self.get(window).map_or(0, |held| held.generation)
    }

    /// Chunks below this generation do not count as known to pushes of an epoch: an earlier epoch sealed them, and what is
    /// sealed there may be in no block.
    pub(super) fn hidden(&self, window: Window, epoch: Epoch) -> u16 {
        let seals = self.get(window).map_or(&[][..], |held| &held.seals);
        seals.iter().filter(|seal| seal.epoch < epoch).map(|seal| seal.boundary.0).max().unwrap_or(0)
    }

    /// From this time on no window is closed in the epoch.
    pub(super) fn open_from(&self, epoch: Epoch) -> i64 {
        let last = self.ranges(epoch).and_then(|ranges| ranges.last());
        last.map_or(i64::MIN, |(_, last)| self.length.end(Window(*last)).0)
    }

    /// Whether pushes of the epoch may not write into the window (F-4).
    pub(super) fn is_closed(&self, epoch: Epoch, window: Window) -> bool {
        let Some(ranges) = self.ranges(epoch) else { return false };
        let at = ranges.partition_point(|(first, _)| *first <= window.0);
        at > 0 && window.0 <= ranges[at - 1].1
    }

    fn ranges(&self, epoch: Epoch) -> Option<&Ranges> {
        self.closed.iter().find(|(other, _)| *other == epoch).map(|(_, ranges)| ranges)
    }

    /// Closes a window in an epoch. What was closed in epochs before the adopted one can go: no push comes in them.
    pub(super) fn close(&mut self, epoch: Epoch, adopted: Epoch, window: Window) {
        self.closed.retain(|(other, _)| *other >= adopted.min(epoch));
        let at = self.closed.partition_point(|(other, _)| *other < epoch);
        if self.closed.get(at).is_none_or(|(other, _)| *other != epoch) {
            self.closed.insert(at, (epoch, Ranges::new()));
        }
        add(&mut self.closed[at].1, window.0);
    }

    /// The seal of a window in an epoch, while its cut is held.
    pub(super) fn seal(&self, epoch: Epoch, window: Window) -> Option<Seal> {
        self.get(window)?.seals.iter().find(|seal| seal.epoch == epoch).copied()
    }

    /// The boundary that the next seal of a window gets; `None` where it has been sealed too often.
    pub(super) fn next_boundary(&self, window: Window) -> Option<Boundary> {
        let generation = self.generation(window);
        (generation < MAX_GENERATION).then_some(Boundary(generation + 1))
    }

    /// Samples of a window in chunks that have ended.
    pub(super) fn samples(&self, window: Window) -> u64 {
        self.get(window).map_or(0, |held| held.ended.iter().map(|(_, counts)| counts.samples).sum())
    }

    /// Whether anything of a window is held.
    pub(super) fn holds(&self, window: Window) -> bool {
        self.get(window).is_some_and(|held| held.chunks() > 0)
    }

    /// Whether anything of a window is held that does not lie below a boundary.
    pub(super) fn holds_above(&self, window: Window, boundary: Boundary) -> bool {
        self.get(window).is_some_and(|held| {
            held.open > 0 || held.ended.iter().any(|(at, counts)| *at >= boundary.0 && counts.chunks > 0)
        })
    }

    /// Chunks of all windows.
    pub(super) fn chunks(&self) -> u64 {
        self.held.iter().map(Held::chunks).sum()
    }

    /// A chunk left.
    pub(super) fn removed(&mut self, window: Window, generation: u16) {
        let held = self.held_mut(window);
        let counts = held.counts(generation);
        counts.chunks = counts.chunks.saturating_sub(1);
        if counts.chunks == 0 {
            held.ended.retain(|(other, _)| *other != generation);
        }
    }

    /// A cut was forgotten. With `gone` nothing was left of the window and its generations begin again; where a snapshot has
    /// brought later chunks already, they are of the new generations.
    pub(super) fn forgotten(&mut self, window: Window, boundary: Boundary, gone: bool) {
        let held = self.held_mut(window);
        held.seals.retain(|seal| seal.boundary > boundary);
        if gone {
            held.generation = 0;
            held.seals.clear();
        }
        self.held.retain(|held| held.chunks() > 0 || held.generation > 0);
        self.held.shrink_to(2 * self.held.len());
    }

    /// Notes a seal whose chunks have all ended.
    pub(super) fn sealed(&mut self, window: Window, seal: Seal) {
        let held = self.held_mut(window);
        held.generation = held.generation.max(seal.boundary.0);
        held.seals.retain(|other| other.epoch != seal.epoch);
        held.seals.push(seal);
        held.seals.sort_unstable_by_key(|seal| seal.epoch);
    }

    /// Voids every seal: the boundaries stand for nothing any more, closed windows stay closed.
    pub(super) fn void_seals(&mut self) {
        self.held.iter_mut().for_each(|held| held.seals.clear());
    }

    /// Whether any window has a seal.
    pub(super) fn any_seal(&self) -> bool {
        self.held.iter().any(|held| !held.seals.is_empty())
    }

    /// Windows of which something is held, ascending.
    pub(super) fn states(&self) -> Vec<WindowState> {
        let held = self.held.iter().filter(|held| held.chunks() > 0);
        held.map(|held| WindowState {
            window: held.window,
            chunks: held.chunks(),
            samples: held.ended.iter().map(|(_, counts)| counts.samples).sum(),
            bytes: held.ended.iter().map(|(_, counts)| counts.bytes).sum(),
            sealed: held.seals.iter().map(|seal| seal.epoch).collect(),
        })
        .collect()
    }

    /// For snapshots.
    pub(super) fn parts(&self) -> (&[Held], &[(Epoch, Ranges)]) {
        (&self.held, &self.closed)
    }

    /// Takes what a snapshot holds but for the counts, which the chunks give.
    pub(super) fn restore(&mut self, held: &Held) {
        let place = self.held_mut(held.window);
        place.generation = held.generation;
        place.seals.clone_from(&held.seals);
    }

    /// Takes ranges that a snapshot holds.
    pub(super) fn restore_closed(&mut self, epoch: Epoch, ranges: Ranges) {
        self.closed.push((epoch, ranges));
    }

    /// Raises generations to those of the chunks that are held, after a replay. A sound log leaves nothing to raise; one that lost the
    /// record of a forgotten chunk leaves the chunk above what its window counts, where no seal would reach it: the cut would be
    /// sealed without it, and a push of it would count as known (F-2).
    pub(super) fn settle(&mut self) {
        for held in &mut self.held {
            let newest = held.ended.iter().filter(|(_, counts)| counts.chunks > 0).map(|(at, _)| *at).max();
            held.generation = held.generation.max(newest.unwrap_or(0));
        }
    }

    /// Gives loaded chunks, of which only the number is known, the samples and bytes that chunks of their kind had when the snapshot
    /// was begun.
    pub(super) fn estimate(&mut self, before: &[Held]) {
        for held in before {
            let place = self.held_mut(held.window);
            for (generation, counts) in &held.ended {
                let now = place.counts(*generation);
                let scale = |total: u64| {
                    let scaled =
                        u128::from(total) * u128::from(now.chunks) / u128::from(counts.chunks.max(1));
                    u64::try_from(scaled).unwrap_or(u64::MAX)
                };
                (now.samples, now.bytes) = (scale(counts.samples), scale(counts.bytes));
            }
        }
    }
}

/// Adds a number to ranges, joining neighbours.
fn add(ranges: &mut Ranges, number: i64) {
    let at = ranges.partition_point(|(first, _)| *first <= number);
    let before = at.checked_sub(1).filter(|at| ranges[*at].1.saturating_add(1) >= number);
    let after =
        Some(at).filter(|at| ranges.get(*at).is_some_and(|(first, _)| number.saturating_add(1) == *first));
    match (before, after) {
        (Some(before), Some(after)) => {
            ranges[before].1 = ranges[before].1.max(ranges[after].1);
            ranges.remove(after);
        }
        (Some(before), None) => ranges[before].1 = ranges[before].1.max(number),
        (None, Some(after)) => ranges[after].0 = number,
        (None, None) => ranges.insert(at, (number, number)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn closed_windows_are_exact_and_compact(numbers in proptest::collection::vec(-40i64..40, 0..80)) {
            let mut windows = Windows::new(WindowLength::DEFAULT);
            let mut expected = BTreeSet::new();
            for number in numbers {
                windows.close(Epoch(3), Epoch(3), Window(number));
                expected.insert(number);
                let ranges = windows.ranges(Epoch(3)).expect("closed one");
                let gaps = expected.iter().zip(expected.iter().skip(1)).filter(|(a, b)| **b > **a + 1).count();
                prop_assert_eq!(ranges.len(), gaps + 1);
            }
            for number in -45..45 {
                prop_assert_eq!(windows.is_closed(Epoch(3), Window(number)), expected.contains(&number));
                prop_assert!(!windows.is_closed(Epoch(4), Window(number)));
            }
            let end = expected.last().map_or(i64::MIN, |last| WindowLength::DEFAULT.end(Window(*last)).0);
            prop_assert_eq!(windows.open_from(Epoch(3)), end);
        }
    }

    #[test]
    fn a_chunk_whose_forgetting_was_lost_lies_below_the_next_seal() {
        let (mut windows, window) = (Windows::new(WindowLength::DEFAULT), Window(1));
        windows.sealed(window, Seal { epoch: Epoch(3), boundary: Boundary(2), series: 1, samples: 1 });
        assert_eq!(windows.ended(window, 1, 10), 2);
        // The record that removed the chunk is gone with a damaged part of the log, the one that followed it is not.
        windows.forgotten(window, Boundary(2), true);
        assert_eq!(windows.next_boundary(window), Some(Boundary(1)));
        assert!(windows.holds_above(window, Boundary(1)));
        windows.settle();
        let next = windows.next_boundary(window).expect("few seals");
        assert!(!windows.holds_above(window, next), "{next:?}");
    }

    #[test]
    fn what_was_closed_in_past_epochs_goes() {
        let mut windows = Windows::new(WindowLength::DEFAULT);
        windows.close(Epoch(3), Epoch(3), Window(1));
        windows.close(Epoch(5), Epoch(3), Window(1));
        assert!(windows.is_closed(Epoch(3), Window(1)), "it is still the adopted epoch");
        windows.close(Epoch(5), Epoch(5), Window(2));
        assert!(!windows.is_closed(Epoch(3), Window(1)));
        assert!(windows.is_closed(Epoch(5), Window(1)) && windows.is_closed(Epoch(5), Window(2)));
    }
}

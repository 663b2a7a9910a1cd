//! How many series of a workspace are active: exact, by the minute of each series' last sample.
//!
//! A series is active while it received a sample in the last two hours on the data clock (received stamps). The head keeps the
//! minute in the series and a count for each minute here, so a sample costs a comparison and nothing when the minute is the same.

/// Minutes that a series stays active after its last sample.
const ACTIVE_MINUTES: u32 = 120;
/// Slots for minutes: a power of two above [`ACTIVE_MINUTES`].
const SLOTS: usize = 128;

/// Counts of series by the minute in which they were last written.
#[derive(Debug, Default)]
pub(super) struct ActiveSeries {
    counts: Vec<u32>,
    /// Newest minute seen.
    now: u32,
    total: u32,
}

impl ActiveSeries {
    /// The minute of a received stamp in milliseconds. 0 stands for never.
    pub(super) fn minute(received_ms: i64) -> u32 {
        u32::try_from(received_ms / 60_000).unwrap_or(0)
    }

    /// Lets time pass: series last written more than two hours before are no longer counted.
    pub(super) fn advance(&mut self, minute: u32) {
        if self.counts.is_empty() {
            self.counts = vec![0; SLOTS];
        }
        if minute.saturating_sub(self.now) as usize >= SLOTS {
            self.counts.fill(0);
            self.total = 0;
        } else {
            for passed in self.now..minute {
                // The slot of the minute that leaves the window as `passed + 1` begins.
                let leaving = (passed + 1).wrapping_sub(ACTIVE_MINUTES) as usize % SLOTS;
                self.total -= std::mem::take(&mut self.counts[leaving]);
            }
        }
        self.now = self.now.max(minute);
    }

    /// Whether a series last written in `minute` is active now.
    pub(super) fn is_active(&self, minute: u32) -> bool {
        minute != 0 && minute.saturating_add(ACTIVE_MINUTES) > self.now
    }

    /// Notes that a series last written in `before` was written now; returns its new minute.
    pub(super) fn touch(&mut self, before: u32) -> u32 {
        if before >= self.now {
            return before;
        }
        if self.is_active(before) {
            self.counts[before as usize % SLOTS] -= 1;
            self.total -= 1;
        }
        self.restore(self.now);
        self.now
    }

    /// A series last written in `minute` left.
    pub(super) fn leave(&mut self, minute: u32) {
        if self.is_active(minute) && minute <= self.now {
            self.counts[minute as usize % SLOTS] -= 1;
            self.total -= 1;
        }
    }

    /// Counts a series last written in `minute`, which is not counted yet.
    pub(super) fn restore(&mut self, minute: u32) {
        if self.is_active(minute) && minute <= self.now {
            self.counts[minute as usize % SLOTS] += 1;
            self.total += 1;
        }
    }

    /// Number of active series.
    pub(super) fn count(&self) -> u32 {
        self.total
    }

    /// Newest minute seen.
    pub(super) fn now(&self) -> u32 {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_count_is_exact(steps in proptest::collection::vec((0u32..40, 0usize..6), 1..200)) {
            let mut active = ActiveSeries::default();
            let mut series = [0u32; 6];
            let mut now = 1000;
            for (pass, touched) in steps {
                now += pass;
                active.advance(now);
                series[touched] = active.touch(series[touched]);
                let expected = series.iter().filter(|minute| **minute != 0 && **minute + ACTIVE_MINUTES > now).count();
                prop_assert_eq!(active.count() as usize, expected);
            }
            active.advance(now + 10_000);
            prop_assert_eq!(active.count(), 0);
        }
    }
}

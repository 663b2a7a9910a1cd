//! Milliseconds since the epoch, and the epoch-aligned windows in which samples are cut into blocks.

use std::{fmt, ops};

/// Oldest sample that is ever accepted from a sender, before the time of its arrival: one hour.
pub const MAX_SAMPLE_AGE_MS: i64 = 60 * 60 * 1000;

/// A point in time in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimestampMs(pub i64);

impl TimestampMs {
    /// The earliest time that can be expressed.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest time that can be expressed.
    pub const MAX: Self = Self(i64::MAX);

    /// Adds milliseconds, staying at the ends of the range instead of overflowing.
    #[must_use]
    pub const fn saturating_add(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Subtracts milliseconds, staying at the ends of the range instead of overflowing.
    #[must_use]
    pub const fn saturating_sub(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An epoch-aligned interval `[start, end)`, by its number since the epoch. How long it is tells the [`WindowLength`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(pub i64);

/// How long windows are: two hours, unless a deployment was set up with another length. It never changes in place, because
/// committed cuts are remembered by window number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WindowLength(i64);

/// A window length that chunks cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window of {0} ms: it must be between 1 s and 2 h")]
pub struct WindowLengthError(i64);

impl WindowLength {
    /// Two hours.
    pub const DEFAULT: Self = Self(2 * 60 * 60 * 1000);

    /// A length in milliseconds between one second and two hours, which is as far as a chunk reaches.
    pub const fn from_millis(millis: i64) -> Result<Self, WindowLengthError> {
        if 1_000 <= millis && millis <= Self::DEFAULT.0 {
            Ok(Self(millis))
        } else {
            Err(WindowLengthError(millis))
        }
    }

    /// Milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The window that contains a time.
    pub const fn window(self, at: TimestampMs) -> Window {
        Window(at.0.div_euclid(self.0))
    }

    /// First millisecond of a window.
    pub const fn start(self, window: Window) -> TimestampMs {
        TimestampMs(window.0.saturating_mul(self.0))
    }

    /// First millisecond after a window.
    pub const fn end(self, window: Window) -> TimestampMs {
        TimestampMs(window.0.saturating_add(1).saturating_mul(self.0))
    }

    /// All milliseconds of a window.
    pub const fn range(self, window: Window) -> TimeRange {
        TimeRange { min: self.start(window), max: self.end(window).saturating_sub(1) }
    }
}

impl Default for WindowLength {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A closed interval of time, as queries and selections use it: both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// First millisecond inside.
    pub min: TimestampMs,
    /// Last millisecond inside.
    pub max: TimestampMs,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { min: TimestampMs::MIN, max: TimestampMs::MAX };

    /// Whether `at` lies inside.
    pub const fn contains(self, at: TimestampMs) -> bool {
        self.min.0 <= at.0 && at.0 <= self.max.0
    }

    /// Whether the two intervals share a millisecond.
    pub const fn overlaps(self, other: Self) -> bool {
        self.min.0 <= other.max.0 && other.min.0 <= self.max.0
    }
}

impl From<ops::RangeInclusive<i64>> for TimeRange {
    fn from(range: ops::RangeInclusive<i64>) -> Self {
        Self { min: TimestampMs(*range.start()), max: TimestampMs(*range.end()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_to_the_epoch_on_both_sides_of_it() {
        let length = WindowLength::DEFAULT;
        assert_eq!(length.window(TimestampMs(0)), Window(0));
        assert_eq!(length.window(TimestampMs(length.as_millis() - 1)), Window(0));
        assert_eq!(length.window(TimestampMs(length.as_millis())), Window(1));
        assert_eq!(length.window(TimestampMs(-1)), Window(-1));
        assert_eq!(length.end(Window(-1)), length.start(Window(0)));
        assert_eq!(length.range(Window(0)), (0..=length.as_millis() - 1).into());
    }

    #[test]
    fn lengths_that_a_chunk_cannot_reach_are_refused() {
        assert!(WindowLength::from_millis(1_000).is_ok());
        for millis in [-1, 0, 999, 7_200_001] {
            assert_eq!(WindowLength::from_millis(millis), Err(WindowLengthError(millis)));
        }
    }
}

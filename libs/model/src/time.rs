//! Milliseconds since the epoch, and the epoch-aligned two-hour windows in which samples are cut into blocks.

use std::{fmt, ops};

/// Length of a window in milliseconds: two hours.
pub const WINDOW_MS: i64 = 2 * 60 * 60 * 1000;

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

    /// The window that contains this time.
    pub const fn window(self) -> Window {
        Window(self.0.div_euclid(WINDOW_MS))
    }
}

impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An epoch-aligned interval `[start, end)` of two hours, by its number since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(pub i64);

impl Window {
    /// First millisecond of the window.
    pub const fn start(self) -> TimestampMs {
        TimestampMs(self.0.saturating_mul(WINDOW_MS))
    }

    /// First millisecond after the window.
    pub const fn end(self) -> TimestampMs {
        TimestampMs(self.0.saturating_add(1).saturating_mul(WINDOW_MS))
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
        assert_eq!(TimestampMs(0).window(), Window(0));
        assert_eq!(TimestampMs(WINDOW_MS - 1).window(), Window(0));
        assert_eq!(TimestampMs(WINDOW_MS).window(), Window(1));
        assert_eq!(TimestampMs(-1).window(), Window(-1));
        assert_eq!(Window(-1).end(), Window(0).start());
    }
}

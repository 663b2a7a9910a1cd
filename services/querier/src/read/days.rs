//! The days of a query's range: 24 hours each from its start, for which limits hold one by one (QLIM-1).

use narthex_model::TimeRange;
use narthex_promql::SeriesData;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// More days than this are one with the last.
const MOST: i64 = 4096;

/// Where a query's days begin. All that lies before the first belongs to it, and all after the last to that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days {
    start: i64,
    count: usize,
}

/// Series that have samples in a day, and these samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) series: u64,
    pub(super) samples: u64,
}

impl Days {
    /// All time as one.
    pub(super) const fn one() -> Self {
        Self { start: 0, count: 1 }
    }

    /// The days of a range.
    pub(super) fn of(range: TimeRange) -> Self {
        let span = range.max.0.saturating_sub(range.min.0);
        let count = span.saturating_add(DAY - 1).div_euclid(DAY).clamp(1, MOST);
        Self { start: range.min.0, count: usize::try_from(count).unwrap_or(1) }
    }

    pub(super) const fn count(self) -> usize {
        self.count
    }

    /// The day of a time.
    pub(super) fn at(self, time: i64) -> usize {
        let day = time.saturating_sub(self.start).div_euclid(DAY);
        usize::try_from(day).unwrap_or(0).min(self.count - 1)
    }

    /// Counts a series and its samples, by day. One without samples belongs to the first.
    pub(super) fn add(self, series: &SeriesData, tallies: &mut [Tally]) {
        let (mut floats, mut histograms) = (0, 0);
        let mut seen = false;
        for (day, tally) in tallies.iter_mut().enumerate() {
            let inside = |time: i64| self.at(time) <= day;
            let until = floats + series.timestamps[floats..].partition_point(|time| inside(*time));
            let until_histogram =
                histograms + series.histograms[histograms..].partition_point(|(time, _)| inside(*time));
            let samples = (until - floats + until_histogram - histograms) as u64;
            (floats, histograms) = (until, until_histogram);
            tally.samples += samples;
            tally.series += u64::from(samples > 0);
            seen |= samples > 0;
        }
        if let Some(first) = tallies.first_mut().filter(|_| !seen) {
            first.series += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use narthex_model::TimestampMs;

    use super::*;

    #[test]
    fn samples_count_to_the_day_they_lie_in() {
        let range = |min, max| TimeRange { min: TimestampMs(min), max: TimestampMs(max) };
        assert_eq!(Days::of(range(5, 5)).count(), 1, "an instant query");
        assert_eq!(Days::of(range(0, DAY)).count(), 1);
        assert_eq!(Days::of(range(i64::MIN, i64::MAX)).count(), 4096);
        let days = Days::of(range(DAY, 3 * DAY + 1));
        assert_eq!((days.count(), days.at(0), days.at(2 * DAY), days.at(9 * DAY)), (3, 0, 1, 2));
        let timestamps = vec![0, DAY, DAY + 1, 2 * DAY, 5 * DAY];
        let values = vec![1.0; timestamps.len()];
        let series = SeriesData { timestamps, values, ..SeriesData::default() };
        let mut tallies = vec![Tally::default(); 3];
        days.add(&series, &mut tallies);
        days.add(&SeriesData::default(), &mut tallies);
        let tally = |series, samples| Tally { series, samples };
        assert_eq!(tallies, [tally(2, 3), tally(1, 1), tally(1, 1)]);
    }
}

//! Steps of a query, and how they are cut into segments: whole UTC days, so that any two queries cut at the same times.

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Steps that follow each other. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stretch {
    /// The first.
    pub(crate) start: i64,
    /// Their distance, above zero.
    pub(crate) step: i64,
    /// How many.
    pub(crate) count: usize,
}

impl Stretch {
    /// `start`, `start + step` and so on up to `end`.
    pub(crate) fn new(start: i64, end: i64, step: i64) -> Self {
        let step = step.max(1);
        let span = i128::from(end) - i128::from(start);
        let count =
            if span < 0 { 0 } else { usize::try_from(span / i128::from(step)).unwrap_or(usize::MAX - 1) + 1 };
        Self { start, step, count }
    }

    /// The time of a step.
    pub(crate) fn at(self, place: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i64::try_from(place).unwrap_or(i64::MAX)))
    }

    /// The time of the last step.
    pub(crate) fn end(self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    /// The time of the step that would come next.
    pub(crate) fn next(self) -> i64 {
        self.at(self.count)
    }

    /// The place of a time that is a step, among steps that may go on before and after.
    pub(crate) fn place(self, time: i64) -> i64 {
        time.saturating_sub(self.start).div_euclid(self.step)
    }

    /// Steps from one place up to another.
    pub(crate) fn part(self, from: usize, to: usize) -> Self {
        Self { start: self.at(from), count: to - from, ..self }
    }

    /// Where steps lie between multiples of their distance: queries of equal steps and phases share steps.
    pub(crate) fn phase(self) -> i64 {
        self.start.rem_euclid(self.step)
    }

    /// The steps of each so many days, by their number since the epoch.
    pub(crate) fn segments(self, days: i64) -> Vec<(i64, Self)> {
        let length = days.max(1).saturating_mul(DAY);
        let (mut segments, mut from) = (Vec::new(), 0);
        while from < self.count {
            let number = self.at(from).div_euclid(length);
            let end = segment_end(number, days);
            // The first step that is not before the end.
            let next = end.saturating_sub(self.start).saturating_add(self.step - 1).div_euclid(self.step);
            let to = usize::try_from(next).unwrap_or(usize::MAX).clamp(from + 1, self.count);
            segments.push((number, self.part(from, to)));
            from = to;
        }
        segments
    }
}

/// The first time after a segment of so many days.
pub(crate) fn segment_end(number: i64, days: i64) -> i64 {
    number.saturating_add(1).saturating_mul(days.max(1).saturating_mul(DAY))
}

/// How many days a segment has, and how short a stretch may be, if reading again what segments look back at is to be at most a
/// quarter of all that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// Days of a segment.
    pub(crate) days: i64,
    /// Milliseconds of a stretch that is worth an evaluation of its own.
    pub(crate) least: i64,
}

impl Lengths {
    /// `again`: time that is read again for every cut, over all selectors. `moved`: time that is read anew, over all selectors, when
    /// the evaluation moves on by `by`. All in milliseconds. None if nothing moves: then one evaluation reads it all.
    pub(crate) fn of(again: i128, moved: i128, by: i64) -> Option<Self> {
        /// What is read anew is to be at least so many times what is read again.
        const TIMES: i128 = 3;
        if moved <= 0 {
            return None;
        }
        let up = |amount: i128, unit: i128| (amount + unit - 1) / unit;
        let least = up(TIMES * again.max(0) * i128::from(by), moved);
        let days = up(least, DAY.into()).max(1);
        Some(Self {
            days: i64::try_from(days).unwrap_or(i64::MAX / DAY).min(i64::MAX / DAY),
            least: i64::try_from(least).unwrap_or(i64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn segments_are_days_however_a_query_begins() {
        let week = Stretch::new(DAY / 2, 7 * DAY + DAY / 2, 60_000);
        let days = week.segments(1);
        assert_eq!(days.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert_eq!(days[1].1, Stretch::new(DAY, 2 * DAY - 60_000, 60_000));
        assert_eq!(week.segments(4).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1]);
        let weekly = Stretch::new(-DAY, 21 * DAY, 7 * DAY);
        assert_eq!(weekly.segments(1).len(), 4, "steps longer than a day stand alone");
        assert_eq!(Stretch::new(5, 4, 1).segments(1), []);
    }

    #[test]
    fn what_looks_far_back_is_cut_less() {
        let minute = 60_000;
        let days = |again, moved| Lengths::of(again, moved, minute).map(|lengths| lengths.days);
        assert_eq!(days(4 * i128::from(minute), minute.into()), Some(1), "a lookback of five minutes");
        assert_eq!(days(i128::from(7 * DAY - minute), minute.into()), Some(21), "a window of a week");
        assert_eq!(days(i128::from(-DAY), minute.into()), Some(1), "windows shorter than steps");
        assert_eq!(days(5, 0), None, "all at one time");
        assert_eq!(Lengths::of(4 * 60_000, 60_000, minute).map(|lengths| lengths.least), Some(12 * 60_000));
        assert_eq!(days(i128::from(i64::MAX), 1), Some(i64::MAX / DAY));
    }

    proptest! {
        #[test]
        fn segments_hold_each_step_once(start in -9 * DAY..9 * DAY, steps in 0i64..300, step in 1i64..3 * DAY, days in 1i64..5) {
            let whole = Stretch::new(start, start + steps * step, step);
            let segments = whole.segments(days);
            let all: Vec<i64> = segments.iter().flat_map(|(_, part)| (0..part.count).map(|at| part.at(at))).collect();
            prop_assert_eq!(all, (0..whole.count).map(|at| whole.at(at)).collect::<Vec<_>>());
            for (number, part) in segments {
                prop_assert!(part.count > 0 && part.phase() == whole.phase());
                for time in [part.start, part.end()] {
                    prop_assert_eq!(time.div_euclid(days * DAY), number);
                }
            }
        }
    }
}

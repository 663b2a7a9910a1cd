//! What start timestamps tell about counters: resets that values do not show, and samples whose counts overlap.
//!
//! A start of 0 is not known, one at its own sample's time is OpenTelemetry's way to say the same.

/// When a sample was taken and when its count began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) start: i64,
    pub(super) time: i64,
}

/// Whether the count of `current` began after `previous` was taken.
///
/// A count that began right at the previous sample is that of a delta, if that sample's own start is known, and a count
/// that goes on with an unknown start otherwise.
pub(super) fn is_reset(previous: Begun, current: Begun) -> bool {
    if current.start == 0 || current.start >= current.time || current.start < previous.time {
        return false;
    }
    current.start > previous.time || (previous.start != 0 && previous.start < previous.time)
}

/// Whether `current` counts again what `previous` has counted.
pub(super) fn overlaps(previous: Begun, current: Begun) -> bool {
    current.start != 0 && current.start < previous.time && current.start != previous.start
}

/// The pair of neighbours that ends at `at`, where starts are known.
pub(super) fn pair(starts: &[i64], time: impl Fn(usize) -> i64, at: usize) -> Option<(Begun, Begun)> {
    let begun = |at: usize| Some(Begun { start: *starts.get(at)?, time: time(at) });
    Some((begun(at.checked_sub(1)?)?, begun(at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_count_that_began_after_the_previous_sample() {
        let begun = |start, time| Begun { start, time };
        for (previous, current, reset) in [
            ((10, 20), (10, 30), false),
            ((10, 20), (25, 30), true),
            ((10, 20), (20, 30), true),
            ((0, 20), (20, 30), false),
            ((20, 20), (20, 30), false),
            ((25, 20), (20, 30), false),
            ((10, 20), (0, 30), false),
            ((10, 20), (30, 30), false),
        ] {
            let found = is_reset(begun(previous.0, previous.1), begun(current.0, current.1));
            assert_eq!(found, reset, "{previous:?} {current:?}");
        }
    }
}

//! Walking over timestamps, step by step.

/// A place among ascending timestamps that only moves forward.
///
/// Scrapes and steps both keep their pace, so the place moves by about as much for each step: there it is looked for first. Looking back
/// costs no more than the move before did, so all moves together cost no more than twice the timestamps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    at: usize,
    stride: usize,
}

impl Place {
    /// Moves behind all timestamps up to `limit`; how many those are.
    #[inline]
    pub(super) fn advance(&mut self, times: &[i64], limit: i64) -> usize {
        let start = self.at;
        let mut at = (start + self.stride).min(times.len());
        while at > start && times[at - 1] > limit {
            at -= 1;
        }
        while at < times.len() && times[at] <= limit {
            at += 1;
        }
        (self.at, self.stride) = (at, at - start);
        at
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn every_limit_is_found(gaps in vec(0i64..5, 0..60), moves in vec(0i64..30, 0..30)) {
            let mut time = 0;
            let times: Vec<i64> = gaps.into_iter().map(|gap| { time += gap; time }).collect();
            let (mut place, mut limit) = (Place::default(), -2);
            for by in moves {
                limit += by;
                prop_assert_eq!(place.advance(&times, limit), times.partition_point(|time| *time <= limit));
            }
        }
    }
}

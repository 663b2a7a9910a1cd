//! Counter resets between two histograms.

use narthex_model::CounterResetHint;

use super::{
    arithmetic::{alike, coarser_index},
    buckets::bound,
    custom,
    float::{CUSTOM, FloatHistogram, Sparse},
};

impl FloatHistogram {
    /// Whether the counter was reset between `previous` and this histogram.
    pub(crate) fn detect_reset(&self, previous: &Self) -> bool {
        match self.hint {
            CounterResetHint::Reset => return true,
            CounterResetHint::NotReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() {
            if !previous.uses_custom_buckets() {
                return true;
            }
            if self.custom != previous.custom {
                return custom::detect_reset(
                    (&self.positive, &self.custom),
                    (&previous.positive, &previous.custom),
                );
            }
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        // A wider zero bucket must end where buckets of the previous histogram end.
        let (zero_count, threshold) = previous.zero_count_at(self.zero_threshold);
        if threshold != self.zero_threshold || self.zero_count < zero_count {
            return true;
        }
        self.shrunk(&self.positive, &previous.positive, previous.schema)
            || self.shrunk(&self.negative, &previous.negative, previous.schema)
    }

    /// Whether a bucket counts less than before, or is gone. Buckets of a finer schema are taken in this one's; those inside the
    /// zero bucket do not count.
    fn shrunk(&self, now: &Sparse, before: &Sparse, schema: i32) -> bool {
        let custom = schema == CUSTOM;
        let my_index = |index: i32| if custom { index } else { coarser_index(index, schema, self.schema) };
        let swallowed = |index: i32| {
            !custom && self.zero_threshold > 0.0 && bound(index, self.schema, &[]) <= self.zero_threshold
        };
        if schema == self.schema && alike(now, before) {
            let skip = before.iter().take_while(|(index, _)| swallowed(*index)).count();
            return now[skip..].iter().zip(&before[skip..]).any(|(now, before)| now.1 < before.1);
        }
        let (mut now, mut at, mut outside) = (now.iter().peekable(), 0, false);
        while let Some((index, count)) = before.get(at) {
            let (index, mut count) = (my_index(*index), *count);
            at += 1;
            while let Some((_, more)) = before.get(at).filter(|(other, _)| my_index(*other) == index) {
                count += more;
                at += 1;
            }
            // Bounds ascend, so what follows a bucket outside of the zero bucket is outside too.
            outside = outside || !swallowed(index);
            if !outside {
                continue;
            }
            while now.next_if(|(other, _)| *other < index).is_some() {}
            let shrunk = match now.peek() {
                Some((other, present)) if *other == index => *present < count,
                _ => count != 0.0,
            };
            if shrunk {
                return true;
            }
        }
        false
    }
}

//! Counter resets between two histograms.

use narthex_model::CounterResetHint;

use super::{
    arithmetic::coarser_index,
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
        let shrunk = |now: &Sparse, before: &Sparse| {
            let before = self.at_my_schema(before, previous.schema);
            let count_of =
                |index: i32| now.binary_search_by_key(&index, |(i, _)| *i).map_or(0.0, |at| now[at].1);
            before.iter().any(|(index, count)| {
                let present = now.binary_search_by_key(index, |(i, _)| *i).is_ok();
                if present { count_of(*index) < *count } else { *count != 0.0 }
            })
        };
        shrunk(&self.positive, &previous.positive) || shrunk(&self.negative, &previous.negative)
    }

    /// Buckets of a finer schema in this one's, without those inside the zero bucket.
    fn at_my_schema(&self, sparse: &Sparse, schema: i32) -> Sparse {
        let mut out: Sparse = Vec::with_capacity(sparse.len());
        for (index, count) in sparse {
            let index = if schema == CUSTOM { *index } else { coarser_index(*index, schema, self.schema) };
            match out.last_mut() {
                Some(last) if last.0 == index => last.1 += count,
                _ => out.push((index, *count)),
            }
        }
        if schema != CUSTOM && self.zero_threshold > 0.0 {
            out.retain(|(index, _)| bound(*index, self.schema, &[]) > self.zero_threshold);
        }
        out
    }
}

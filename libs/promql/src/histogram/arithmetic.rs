//! Sums and differences of histograms, plain and with Kahan compensation.

use narthex_model::CounterResetHint;

use super::{
    buckets::bound,
    custom,
    float::{CUSTOM, FloatHistogram, Sparse},
};

/// Exponential and custom buckets cannot meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incompatible;

/// What happened on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Merged {
    /// One side said "reset", the other "not reset".
    pub(crate) reset_collision: bool,
    /// Custom bounds differed and were intersected.
    pub(crate) bounds_reconciled: bool,
}

/// Adds `value` to `sum` with Neumaier's compensation.
pub(crate) fn kahan(value: f64, sum: &mut f64, compensation: &mut f64) {
    let total = *sum + value;
    if total.is_infinite() {
        *compensation = 0.0;
    } else if sum.abs() >= value.abs() {
        *compensation += (*sum - total) + value;
    } else {
        *compensation += (value - total) + *sum;
    }
    *sum = total;
}

/// The rounded sum of two floats and the error of rounding (Knuth); without infinities the two are the exact sum.
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The bucket that holds `index` after the resolution went from `from` to the coarser `to`.
pub(crate) fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    (index.saturating_sub(1) >> (from - to).min(31)) + 1
}

/// The buckets at the coarser schema `to`.
fn reduce(sparse: &Sparse, from: i32, to: i32) -> Sparse {
    let mut out: Sparse = Vec::with_capacity(sparse.len());
    for (index, count) in sparse {
        let index = coarser_index(*index, from, to);
        match out.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => out.push((index, *count)),
        }
    }
    out
}

/// Merges two bucket lists; `combine` gets the counts of both sides.
fn merge(left: &Sparse, right: &[(i32, f64)], mut combine: impl FnMut(Option<usize>, f64) -> f64) -> Sparse {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        let take_left = r >= right.len() || (l < left.len() && left[l].0 <= right[r].0);
        let both = take_left && r < right.len() && left[l].0 == right[r].0;
        if both {
            out.push((left[l].0, combine(Some(l), right[r].1)));
            l += 1;
            r += 1;
        } else if take_left {
            out.push(left[l]);
            l += 1;
        } else {
            out.push((right[r].0, combine(None, right[r].1)));
            r += 1;
        }
    }
    out
}

/// Whether two lists have the same buckets, as histograms of one series mostly do.
pub(super) fn alike(a: &[(i32, f64)], b: &[(i32, f64)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0)
}

/// Whether every bucket of `part` is among `all`: then adding it needs no new list, which is so for nearly all that a sum adds.
fn covers(all: &[(i32, f64)], part: &[(i32, f64)]) -> bool {
    let mut all = all.iter();
    part.iter().all(|(index, _)| all.any(|(other, _)| other == index))
}

/// The place of a bucket that is there, from `at` on.
fn seek(list: &[(i32, f64)], at: usize, index: i32) -> usize {
    at + list[at..].iter().take_while(|(other, _)| *other < index).count()
}

/// The buckets that are not swallowed by a zero bucket of this width.
fn beyond_zero(sparse: &Sparse, schema: i32, threshold: f64) -> &[(i32, f64)] {
    if schema == CUSTOM {
        return sparse;
    }
    let skip = sparse.iter().take_while(|(index, _)| bound(*index, schema, &[]) <= threshold).count();
    &sparse[skip..]
}

impl FloatHistogram {
    /// The same at a coarser schema.
    pub(crate) fn to_schema(&self, schema: i32) -> Self {
        if schema >= self.schema || self.uses_custom_buckets() || schema == CUSTOM {
            return self.clone();
        }
        Self {
            schema,
            hint: CounterResetHint::Unknown,
            positive: reduce(&self.positive, self.schema, schema),
            negative: reduce(&self.negative, self.schema, schema),
            ..self.clone()
        }
    }

    /// Adds another histogram.
    pub(crate) fn add(&mut self, other: &Self) -> Result<Merged, Incompatible> {
        self.combine(other, 1.0)
    }

    /// Subtracts another histogram.
    pub(crate) fn sub(&mut self, other: &Self) -> Result<Merged, Incompatible> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &Self, sign: f64) -> Result<Merged, Incompatible> {
        if self.uses_custom_buckets() != other.uses_custom_buckets() {
            return Err(Incompatible);
        }
        let mut merged = Merged { reset_collision: self.merge_hint(other.hint), bounds_reconciled: false };
        if !self.uses_custom_buckets() {
            self.zero_count += sign * self.reconcile_zero(other, None);
        }
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        if self.uses_custom_buckets() && self.custom != other.custom {
            merged.bounds_reconciled = true;
            custom::combine(self, None, other, sign);
            return Ok(merged);
        }
        let coarse = self.schema.min(other.schema);
        for negative in [false, true] {
            let (mine, theirs) = if negative {
                (&mut self.negative, &other.negative)
            } else {
                (&mut self.positive, &other.positive)
            };
            if coarse < self.schema {
                *mine = reduce(mine, self.schema, coarse);
            }
            let reduced = (coarse < other.schema).then(|| reduce(theirs, other.schema, coarse));
            let theirs = beyond_zero(reduced.as_ref().unwrap_or(theirs), coarse, self.zero_threshold);
            if alike(mine, theirs) {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.1 += sign * theirs.1);
            } else if covers(mine, theirs) {
                let mut at = 0;
                for (index, count) in theirs {
                    at = seek(mine, at, *index);
                    mine[at].1 += sign * count;
                }
            } else {
                let left = std::mem::take(mine);
                *mine = merge(&left, theirs, |at, count| at.map_or(0.0, |at| left[at].1) + sign * count);
            }
        }
        self.schema = coarse;
        Ok(merged)
    }

    /// Adds another histogram, keeping what rounding lost in `compensation` (which has the same buckets).
    pub(crate) fn kahan_add(
        &mut self,
        other: &Self,
        compensation: &mut Option<Box<Self>>,
    ) -> Result<Merged, Incompatible> {
        if self.uses_custom_buckets() != other.uses_custom_buckets() {
            return Err(Incompatible);
        }
        let mut merged = Merged { reset_collision: self.merge_hint(other.hint), bounds_reconciled: false };
        let lost = &mut **compensation.get_or_insert_with(|| Box::new(self.empty_like()));
        if !self.uses_custom_buckets() {
            let zero = self.reconcile_zero(other, Some(lost));
            kahan(zero, &mut self.zero_count, &mut lost.zero_count);
        }
        kahan(other.count, &mut self.count, &mut lost.count);
        kahan(other.sum, &mut self.sum, &mut lost.sum);
        if self.uses_custom_buckets() && self.custom != other.custom {
            merged.bounds_reconciled = true;
            custom::combine(self, Some(lost), other, 1.0);
            return Ok(merged);
        }
        let coarse = self.schema.min(other.schema);
        for negative in [false, true] {
            let (mine, lost_mine, theirs) = if negative {
                (&mut self.negative, &mut lost.negative, &other.negative)
            } else {
                (&mut self.positive, &mut lost.positive, &other.positive)
            };
            if coarse < self.schema {
                (*mine, *lost_mine) = kahan_reduce(mine, lost_mine, self.schema, coarse);
            }
            let reduced = (coarse < other.schema).then(|| {
                let nothing = theirs.iter().map(|(index, _)| (*index, 0.0)).collect();
                kahan_reduce(theirs, &nothing, other.schema, coarse)
            });
            let (theirs, lost_theirs) = match &reduced {
                Some((theirs, lost)) => (theirs, Some(lost)),
                None => (theirs, None),
            };
            let skipped = theirs.len() - beyond_zero(theirs, coarse, self.zero_threshold).len();
            kahan_merge(mine, lost_mine, &theirs[skipped..], lost_theirs.map(|lost| &lost[skipped..]));
        }
        self.schema = coarse;
        lost.schema = coarse;
        lost.zero_threshold = self.zero_threshold;
        Ok(merged)
    }

    fn empty_like(&self) -> Self {
        let zeros = |sparse: &Sparse| sparse.iter().map(|(index, _)| (*index, 0.0)).collect();
        Self {
            positive: zeros(&self.positive),
            negative: zeros(&self.negative),
            count: 0.0,
            sum: 0.0,
            zero_count: 0.0,
            ..self.clone()
        }
    }

    /// Settles the hint of a combination; true if the two contradict each other.
    fn merge_hint(&mut self, other: CounterResetHint) -> bool {
        use CounterResetHint::{Gauge, Unknown};
        match (self.hint, other) {
            (mine, theirs) if mine == theirs => {}
            (Gauge, _) | (Unknown, _) if other != Gauge || self.hint == Gauge => {}
            (_, Gauge) => self.hint = Gauge,
            (_, Unknown) => self.hint = Unknown,
            _ => {
                self.hint = Unknown;
                return true;
            }
        }
        false
    }

    /// Widens zero buckets until both are equally wide; the count of the other's.
    fn reconcile_zero(&mut self, other: &Self, mut lost: Option<&mut Self>) -> f64 {
        let (mut count, mut threshold) = (other.zero_count, other.zero_threshold);
        while threshold != self.zero_threshold {
            if self.zero_threshold > threshold {
                (count, threshold) = other.zero_count_at(self.zero_threshold);
            }
            if threshold > self.zero_threshold {
                (self.zero_count, self.zero_threshold) = self.zero_count_at(threshold);
                self.clear_inside_zero();
                if let Some(lost) = lost.as_deref_mut() {
                    lost.zero_threshold = self.zero_threshold;
                    lost.clear_inside_zero();
                    let keep = |mine: &Sparse, lost: &mut Sparse| {
                        lost.retain(|(index, _)| mine.binary_search_by_key(index, |(i, _)| *i).is_ok());
                    };
                    keep(&self.positive, &mut lost.positive);
                    keep(&self.negative, &mut lost.negative);
                }
            }
        }
        count
    }

    /// What the zero bucket would count if it were at least so wide, and how wide it then is.
    pub(crate) fn zero_count_at(&self, mut threshold: f64) -> (f64, f64) {
        if threshold == self.zero_threshold {
            return (self.zero_count, threshold);
        }
        'wider: loop {
            let (mut count, mut compensation) = (self.zero_count, 0.0);
            for entry in &self.positive {
                let bucket = self.positive_bucket(*entry);
                if bucket.lower >= threshold {
                    break;
                }
                kahan(bucket.count, &mut count, &mut compensation);
                if bucket.upper > threshold {
                    if bucket.count != 0.0 {
                        threshold = bucket.upper;
                    }
                    break;
                }
            }
            for entry in &self.negative {
                let bucket = self.negative_bucket(*entry);
                if bucket.upper <= -threshold {
                    break;
                }
                kahan(bucket.count, &mut count, &mut compensation);
                if bucket.lower < -threshold {
                    if bucket.count != 0.0 {
                        threshold = -bucket.lower;
                        continue 'wider;
                    }
                    break;
                }
            }
            return (count, threshold);
        }
    }

    fn clear_inside_zero(&mut self) {
        let (schema, edge) = (self.schema, self.zero_threshold);
        for sparse in [&mut self.positive, &mut self.negative] {
            sparse.retain(|(index, count)| {
                bound(index.saturating_sub(1), schema, &[]) >= edge && *count != 0.0
            });
        }
    }
}

fn kahan_reduce(sums: &Sparse, lost: &Sparse, from: i32, to: i32) -> (Sparse, Sparse) {
    let (mut out, mut out_lost): (Sparse, Sparse) = (Vec::new(), Vec::new());
    for (at, (index, count)) in sums.iter().enumerate() {
        let index = coarser_index(*index, from, to);
        let comp = lost.get(at).map_or(0.0, |(_, comp)| *comp);
        match (out.last_mut(), out_lost.last_mut()) {
            (Some(sum), Some(rest)) if sum.0 == index => {
                kahan(*count, &mut sum.1, &mut rest.1);
                kahan(comp, &mut sum.1, &mut rest.1);
            }
            _ => {
                out.push((index, *count));
                out_lost.push((index, comp));
            }
        }
    }
    (out, out_lost)
}

/// Adds buckets to `sums`, and what rounding lost to `lost`.
fn kahan_merge(sums: &mut Sparse, lost: &mut Sparse, add: &[(i32, f64)], add_lost: Option<&[(i32, f64)]>) {
    let matching = alike(sums, lost);
    if add_lost.is_none() && matching && alike(sums, add) {
        let sums = sums.iter_mut().zip(lost);
        sums.zip(add).for_each(|((sum, lost), (_, count))| kahan(*count, &mut sum.1, &mut lost.1));
        return;
    }
    let add_lost = |at: usize| add_lost.map_or(0.0, |list| list[at].1);
    if !matching || !covers(sums, add) {
        (*sums, *lost) = widened(sums, lost, add);
    }
    let mut at = 0;
    for (place, (index, count)) in add.iter().enumerate() {
        at = seek(sums, at, *index);
        let (sum, rest) = (&mut sums[at].1, &mut lost[at].1);
        kahan(*count, sum, rest);
        let comp = add_lost(place);
        if comp != 0.0 {
            kahan(comp, sum, rest);
        }
    }
}

/// Both lists with empty buckets wherever one of them or `add` has some.
fn widened(sums: &Sparse, lost: &Sparse, add: &[(i32, f64)]) -> (Sparse, Sparse) {
    let sums = merge(sums, add, |at, _| at.map_or(0.0, |at| sums[at].1));
    let comp_of = |index: i32| lost.binary_search_by_key(&index, |(i, _)| *i).map_or(0.0, |at| lost[at].1);
    let lost = sums.iter().map(|(index, _)| (*index, comp_of(*index))).collect();
    (sums, lost)
}

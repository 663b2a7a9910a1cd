//! Custom buckets whose bounds differ: both sides are counted into the bounds that they share.

use super::{
    arithmetic::kahan,
    float::{Bounds, FloatHistogram, Sparse},
};

/// Bounds that both have.
fn shared_bounds(left: &[f64], right: &[f64]) -> Vec<f64> {
    let mut shared = Vec::new();
    let (mut l, mut r) = (0, 0);
    while l < left.len() && r < right.len() {
        if left[l] == right[r] {
            shared.push(left[l]);
            l += 1;
            r += 1;
        } else if left[l] < right[r] {
            l += 1;
        } else {
            r += 1;
        }
    }
    shared
}

/// The index of the bucket of `shared` that contains the bucket `index` of `bounds`.
fn target(index: i32, bounds: &[f64], shared: &[f64]) -> usize {
    let Some(upper) = usize::try_from(index).ok().and_then(|index| bounds.get(index)) else {
        return shared.len();
    };
    shared.partition_point(|bound| bound < upper)
}

/// Adds (or with a negative sign subtracts) `other` into `sum`, intersecting the bounds; `lost` takes the compensation.
pub(super) fn combine(
    sum: &mut FloatHistogram,
    lost: Option<&mut FloatHistogram>,
    other: &FloatHistogram,
    sign: f64,
) {
    let shared = shared_bounds(&sum.custom, &other.custom);
    let mut counts = vec![(0.0, 0.0); shared.len() + 1];
    for (index, count) in &sum.positive {
        let (total, comp) = &mut counts[target(*index, &sum.custom, &shared)];
        kahan(*count, total, comp);
        let earlier = lost.as_deref().and_then(|lost| {
            lost.positive.binary_search_by_key(index, |(i, _)| *i).ok().map(|at| lost.positive[at].1)
        });
        if let Some(earlier) = earlier {
            kahan(earlier, total, comp);
        }
    }
    for (index, count) in &other.positive {
        let (total, comp) = &mut counts[target(*index, &other.custom, &shared)];
        kahan(sign * count, total, comp);
    }
    let kept: Vec<_> =
        counts.iter().enumerate().filter(|(_, (total, comp))| *total != 0.0 || *comp != 0.0).collect();
    sum.positive = kept.iter().map(|(index, (total, _))| (*index as i32, *total)).collect();
    let bounds = Bounds::from(shared);
    sum.custom = bounds.clone();
    if let Some(lost) = lost {
        lost.positive = kept.iter().map(|(index, (_, comp))| (*index as i32, *comp)).collect();
        lost.custom = bounds;
    }
}

/// Whether a counter with the buckets `now` must have been reset since `before`, judged at the shared bounds.
pub(super) fn detect_reset(now: (&Sparse, &[f64]), before: (&Sparse, &[f64])) -> bool {
    let shared = shared_bounds(now.1, before.1);
    let sums = |(sparse, bounds): (&Sparse, &[f64])| {
        let mut sums = vec![0.0; shared.len() + 1];
        for (index, count) in sparse {
            sums[target(*index, bounds, &shared)] += count;
        }
        sums
    };
    sums(now).iter().zip(sums(before)).any(|(now, before)| *now < before)
}

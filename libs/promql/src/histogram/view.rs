//! Histograms as the query API shows them: buckets with bounds.

use narthex_model::Histogram;

use super::float::FloatHistogram;

/// Which ends of a bucket belong to it, with the number that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketBoundaries {
    /// `(lower, upper]`
    OpenLeft = 0,
    /// `[lower, upper)`
    OpenRight = 1,
    /// `(lower, upper)`
    OpenBoth = 2,
    /// `[lower, upper]`
    ClosedBoth = 3,
}

/// One bucket as the query API shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BucketView {
    /// Which ends belong to it.
    pub boundaries: BucketBoundaries,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Observations.
    pub count: f64,
}

/// All buckets that are not empty, ascending.
pub fn bucket_views(histogram: &Histogram) -> Vec<BucketView> {
    let histogram = FloatHistogram::from_model(histogram);
    let custom = histogram.uses_custom_buckets();
    histogram
        .all_buckets()
        .into_iter()
        .filter(|bucket| bucket.count != 0.0)
        .map(|bucket| {
            // The bucket around zero, and the first custom one, have both ends.
            let both = bucket.lower == -bucket.upper || bucket.lower == f64::NEG_INFINITY;
            let boundaries = match (bucket.lower < 0.0, bucket.upper > 0.0) {
                _ if both && (!custom || bucket.lower == f64::NEG_INFINITY) => BucketBoundaries::ClosedBoth,
                _ if custom => BucketBoundaries::OpenLeft,
                (true, true) => BucketBoundaries::ClosedBoth,
                (true, false) => BucketBoundaries::OpenRight,
                (false, true) => BucketBoundaries::OpenLeft,
                (false, false) => BucketBoundaries::OpenBoth,
            };
            BucketView { boundaries, lower: bucket.lower, upper: bucket.upper, count: bucket.count }
        })
        .collect()
}

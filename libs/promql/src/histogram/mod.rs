//! Native histograms in the engine, with float counts.
//!
//! Buckets are sparse: (index, count) pairs ascending by index, so that spans matter only at the border to
//! [`narthex_model::Histogram`]. Arithmetic follows Prometheus's: schemas are reduced to the coarser one, zero buckets are
//! widened to the larger, custom bounds are intersected. Bucket bounds are Prometheus's, to the bit.

mod arithmetic;
mod bounds;
mod buckets;
mod classic;
mod custom;
mod float;
mod quantile;
mod reset;
mod trim;
mod view;

pub(crate) use arithmetic::{Incompatible, Merged, kahan, two_sum};
pub(crate) use classic::{ClassicBucket, classic_fraction, classic_quantile};
pub(crate) use float::{CUSTOM, FloatHistogram};
pub(crate) use quantile::{QuantileNote, native_fraction, native_quantile};
pub use view::{BucketBoundaries, BucketView, bucket_views};

#[cfg(test)]
mod tests;

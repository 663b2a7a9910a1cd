//! Token buckets: how fast something may be done (quotas-and-errors.md sections 3.2 and 4).
//!
//! Pure: the time is an argument, and a bucket is a value. A [`Rate`] is an argument too, so that a limit may change from one
//! call to the next. [`Buckets`] keeps one bucket for each key and forgets those that are full again, which are as good as new.

#![forbid(unsafe_code)]

mod bucket;
mod buckets;
mod rate;

pub use bucket::{Refused, TokenBucket};
pub use buckets::Buckets;
pub use rate::Rate;

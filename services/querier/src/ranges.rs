//! Range queries stretch by stretch: evaluated by segments of whole days, one after the other, and kept once nothing can change them.
//!
//! A query then holds the samples of one segment and not of all its range, and a query that was asked before reads only what
//! is new. The answer is that of one evaluation, to the bit, notes and statistics included (but for the most samples in memory,
//! which is the point of it).
//!
//! * `stretch`: steps and where they are cut. `reach`: what an evaluation reads. `safety`: which expressions may be cut.
//! * `extent`: kept answers and what they stand on. `merge`: one answer of many.
//! * `cache`: extents in memory (`shares`: within bounds) and on disk (`disk`, `file`).
//! * `answer`: the shell around them.
//!
//! Danger: an extent is shown to users without a look at the data. It must be exactly what would be read, so whoever makes the past
//! change by a new way (a backfill, a deletion of series) changes the workspace's [`crate::reads::History`] with it.

mod answer;
mod cache;
mod disk;
mod extent;
mod file;
mod merge;
mod reach;
mod safety;
mod settings;
mod shares;
mod stretch;

#[cfg(test)]
mod answer_test;
#[cfg(test)]
mod cache_test;
#[cfg(test)]
mod disk_test;

pub(crate) use answer::{Question, Ranges};
pub use settings::{CacheArgs, CacheSettings};
pub(crate) use stretch::Stretch;

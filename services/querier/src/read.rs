//! Quorum reads: every partition of the ring is asked through its owners, the answers are merged, or the read fails.
//!
//! [`ReadQuorum`] decides whom to ask and when enough is known; [`merge_copies`] and [`merge_partitions`] settle what
//! owners and partitions say. Both are pure, so a simulation drives them with its own network and clock. The shell around
//! them is [`Reader`]: one plan per ring snapshot, streams over [`Owners`], budgets, one replan on a newer ring.
//!
//! Invariants: R-1 (two complete answers of one epoch from every partition meet every acknowledged sample), R-2 (no quorum
//! is an error that names the partition and its owners), F-5 (an owner that is replaying or RECOVERING refuses, and a
//! refusal counts as no answer). Danger: an answer must be complete before it counts; a stream that ends in an error is
//! thrown away whole.

mod answer;
mod ask;
mod budget;
mod failure;
mod merge;
mod owners;
mod partition;
mod quorum;
mod reader;
mod series_merge;

#[cfg(test)]
mod answer_test;
#[cfg(test)]
mod fake_owners;
#[cfg(test)]
mod merge_test;
#[cfg(test)]
mod quorum_test;
#[cfg(test)]
mod reader_test;

pub use answer::{Answer, AnswerBuilder, AnswerState};
pub use budget::{Budget, Limits};
pub use failure::Failure;
pub use merge::{Merged, Rule, merge_copies, merge_partitions};
pub use owners::{MessageStream, Owners, PeerOwners};
pub use quorum::{ReadQuorum, Step};
pub use reader::Reader;
pub(crate) use reader::ReaderParts;
pub use series_merge::merge_samples;

//! Whole reads: every partition of the ring through its owners, every block that may hold something through a gateway; the
//! answers are merged, or the read fails.
//!
//! * [`ReadQuorum`] decides which owners to ask and when enough is known, [`BlockPlan`] which blocks, [`BlockFilter`] which of
//!   them can hold something; [`merge_copies`] and [`merge_partitions`] settle what owners, partitions and blocks say. All of
//!   them are pure, so a simulation drives them with its own network and clock.
//! * The shell around them is [`Reader`]: one plan per ring snapshot, streams over [`Owners`], manifests from a [`Catalogue`],
//!   budgets, one replan on a newer ring, one on a newer manifest.
//!
//! Why both owners send data of what is read, and none sends digests of it: a digest covers the same samples that data does, so
//! its owner decodes them all, and hashing them costs half as much again as decoding the second copy costs here (12 and 8 ns a
//! sample in one run of `storage_figures`). What it would save is bytes between zones, a few for each sample of the last
//! hours; older samples are in blocks, which are read once. Digests pay where most of what is compared is equal and would be
//! moved whole: between the owners of a cut, and where owners aggregate (`aggregate`), so that next to nothing moves.
//!
//! Invariants: R-1 (two complete answers of one epoch from every partition, and the blocks of a manifest that is as new, meet
//! every acknowledged sample), R-2 (no quorum, or a block that cannot be read, is an error that names it and says why), R-3
//! (the manifest is at least as new as every answer that counted, and as the departure of any partition), F-5 (an owner that
//! is replaying or RECOVERING refuses, and a refusal counts as no answer). Danger: an answer must be complete before it
//! counts; a stream that ends in an error is thrown away whole.

mod aggregate;
mod answer;
mod ask;
mod block_plan;
mod budget;
mod catalogue;
mod days;
mod failure;
mod fetch;
mod gateways;
mod heads;
mod held;
mod merge;
mod owners;
mod partition;
mod prune;
mod quorum;
mod reader;
mod series_merge;
mod whole;

#[cfg(test)]
mod aggregate_test;
#[cfg(test)]
mod answer_test;
#[cfg(test)]
mod block_plan_test;
#[cfg(test)]
mod blocks_test;
#[cfg(test)]
mod fake_blocks;
#[cfg(test)]
mod fake_owners;
#[cfg(test)]
mod merge_test;
#[cfg(test)]
mod quorum_test;
#[cfg(test)]
mod reader_test;

pub use answer::{Answer, AnswerBuilder, AnswerState};
pub use block_plan::{BlockFailure, BlockPlan, BlockStep};
pub use budget::{Budget, Limits};
pub use catalogue::{Catalogue, Departures, Proven};
pub use failure::Failure;
pub(crate) use gateways::registered;
pub(crate) use held::histogram_bytes;
pub use merge::{Merged, Rule, merge_copies, merge_partitions};
pub use owners::{MessageStream, Owners, PeerOwners};
pub use prune::BlockFilter;
pub use quorum::{ReadQuorum, Step};
pub use reader::Reader;
pub(crate) use reader::ReaderParts;
pub use series_merge::merge_samples;

//! The ingest ring as pure functions of its state: no I/O, no clock.
//!
//! A series' hash falls on a token; the token belongs to a partition; the partition's owners are the ingesters of its
//! ordinal, one in each zone. All series of a partition share their owners, so a write fails only when two owners of the
//! same partition are down. States and epochs follow rules 3, 7 and 11 of the design. What any instance could serve (blocks,
//! rule groups) is placed by [`rendezvous()`] instead.

#![forbid(unsafe_code)]

mod partition;
mod quorum;
mod quorum_write;
mod rendezvous;
mod ring;
mod tokens;

pub use partition::{Owner, Partition, PartitionState};
pub use quorum::{Replication, ReplicationError};
pub use quorum_write::{Verdict, WriteQuorum};
pub use rendezvous::{rendezvous, rendezvous_by_zone};
pub use ring::Ring;

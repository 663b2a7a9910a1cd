//! Consensus: openraft over a redb file and gRPC.
//!
//! The log and the vote are on disk before anything is answered; the state lives in memory and is rebuilt at start from
//! the last snapshot and the log behind it. A storage error stops the node for good (it never retries a failed fsync);
//! the process ends and is started again.

mod channels;
mod log_store;
mod machine;
mod network;
mod service;
mod store;

#[cfg(test)]
mod store_test;

pub(crate) use channels::Channels;
pub(crate) use log_store::LogStore;
pub use machine::OpenError;
pub(crate) use machine::{Machine, MachineStore, View};
pub(crate) use network::Network;
pub(crate) use service::{RaftService, from_payload, to_payload};
pub(crate) use store::Store;
pub use store::StoreError;

use std::io::Cursor;

use crate::state::{Command, Response};

/// Number of a control-plane node; never used again for another disk.
pub type NodeId = u64;

openraft::declare_raft_types!(
    /// Types of our consensus.
    pub Types:
        D = Command,
        R = Response,
);

/// The consensus engine with our types.
pub(crate) type Raft = openraft::Raft<Types>;

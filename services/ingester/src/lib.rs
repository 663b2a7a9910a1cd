//! The ingester: accepts pushes, keeps recent samples in WAL, head and chunk files, and serves them.

#![deny(unsafe_code)]

pub mod head;
pub mod recovery;
pub mod storage;
mod wal;

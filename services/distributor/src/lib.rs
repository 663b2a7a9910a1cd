//! The distributor: takes remote write, decodes and validates it, shards it by the ring and replicates it.
//!
//! Stateless. `content` judges the headers, `prepare` turns a body into one frame for each partition, `push` sends a frame to all
//! owners and counts their verdicts, `writer` puts the three together and tries once more where the ring has changed, `http` speaks
//! to senders. Invariants W-1, W-2 and W-5 of the design live here; rules 3 and 7 are kept by `push` and `writer`.

#![forbid(unsafe_code)]

mod config;
mod content;
mod distributor;
mod http;
mod metrics;
mod prepare;
mod push;
mod refusals;
mod run;
mod scratch;
mod writer;

pub use config::{Config, WriteArgs};
pub use distributor::Distributor;
pub use http::{REMOTE_WRITE, respond, router};
pub use prepare::{PartitionFrame, PrepareError, Prepared, RequestLimits, Scratch};
pub use push::PushSettings;
pub use run::{RunError, run};
pub use writer::{WriteError, Writer, WriterOptions};

#[cfg(test)]
mod write_test;

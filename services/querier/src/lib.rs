//! The querier: Prometheus's query API over quorum reads of every partition and over blocks.
//!
//! `read` gathers complete answers from owners and gateways and merges them, `narthex-promql` evaluates, `http` speaks
//! Prometheus's language. Stateless: all it keeps is the cluster snapshot and the manifests of workspaces that are read.
//! Invariants and T-1 of the design live here.

#![forbid(unsafe_code)]

mod config;
mod http;
mod memory;
mod metrics;
mod querier;
mod ranges;
pub mod read;
mod reads;
mod run;

pub use config::{Config, QueryArgs, QuerySettings};
pub use memory::{MemoryArgs, MemoryLimits};
pub use querier::{Querier, routes_over};
pub use ranges::{CacheArgs, CacheSettings};
pub use reads::{History, Lookup, Reads};
pub use run::{RunError, run};

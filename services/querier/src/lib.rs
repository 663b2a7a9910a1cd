//! The querier: Prometheus's query API over quorum reads of every partition.
//!
//! `read` gathers complete answers from owners and merges them, `narthex-promql` evaluates, `http` speaks Prometheus's
//! language. Stateless: all it keeps is the cluster snapshot. Invariants and T-1 of the design live here.

#![forbid(unsafe_code)]

mod config;
mod http;
mod metrics;
mod querier;
pub mod read;
mod reads;
mod run;

pub use config::{Config, QueryArgs, QuerySettings};
pub use querier::{Querier, routes_over, with_cors};
pub use reads::{Lookup, Reads};
pub use run::{RunError, run};

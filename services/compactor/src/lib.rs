//! The compactor: keeps the bucket tidy, whatever died half-way.
//!
//! Today it is the collector: blocks that no manifest names (a flusher died between its PUT and its commit, or another's commit
//! came first), blocks and segments that were taken out, and roots that newer ones superseded are deleted once they have been
//! unused for the grace period (B-3, rule 10; [`narthex_manifest::plan`] decides). Merging blocks and retention are not built
//! yet. It needs no control plane and keeps no state: what is to be done is read from the bucket, and several at once do
//! no harm.

#![forbid(unsafe_code)]

mod collector;
mod config;
mod metrics;
mod run;

pub use collector::Collector;
pub use config::{CollectArgs, Config};
pub use run::run;

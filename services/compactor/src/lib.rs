//! The compactor: keeps the bucket tidy, whatever died half-way.
//!
//! The [`Merger`] makes few large blocks of many small ones: a block costs every read that touches it, whatever it holds. Samples stay
//! what they are (B-2), and readers that still hold the old manifest find the old blocks for the grace period.
//!
//! The [`Collector`] deletes: blocks that no manifest names (a flusher died between its PUT and its commit, or another's commit
//! came first), blocks and segments that were taken out, and roots that newer ones superseded are deleted once they have been
//! unused for the grace period (B-3, rule 10; [`narthex_manifest::plan`] decides). Retention is not built yet.
//!
//! Neither needs a control plane or keeps a state: what is to be done is read from the bucket, and several at once do no harm.

#![forbid(unsafe_code)]

mod collector;
mod config;
mod merge;
mod merger;
mod metrics;
mod plan;
mod run;

pub use collector::Collector;
pub use config::{CollectArgs, CompactArgs, Config};
pub use merge::MergeError;
pub use merger::Merger;
pub use run::run;

//! From heads to blocks: every cut becomes one object in the bucket (design, section 8).
//!
//! `schedule` tells when a cut is due and whose turn it is, `agenda` what is tried when; both are pure. `cutter` takes one
//! cut from seal to commit over the pieces it needs: another owner's cut (`peer_cut`), what differs (`compare`,
//! `fetched`, `union`), the block (`write`). `flusher` is the loop.
//!
//! F-1 is the manifest's; F-2 rests on two sealed owners (one at replication factor 1) whose union is written; F-3: a cut is
//! forgotten only after a LIST showed its commit; F-4 is the head's. Danger: nothing here may assume that it runs once. Two
//! owners, or one before and after a restart, may do every step twice at the same time.

mod agenda;
mod blocks;
mod compare;
mod cutter;
mod error;
mod fetched;
mod flusher;
mod metrics;
mod peer_cut;
mod schedule;
mod settings;
mod union;
mod write;

pub use blocks::{Blocks, BlocksError};
pub(crate) use cutter::Cutter;
pub(crate) use error::FlushError;
pub(crate) use flusher::{Flusher, SharedFlusher};
pub use schedule::{Schedule, turn};
pub use settings::{CutArgs, FlushSettings};
pub use union::union;

#[cfg(test)]
mod tests;

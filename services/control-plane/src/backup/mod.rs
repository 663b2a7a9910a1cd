//! Backups of the state in the bucket, and the first start that restores one.
//!
//! The leader writes a backup every `--backup.interval` if the state has changed, and any node writes one when an operator asks
//! (`admin backup`). One is an object of its own, so that a backup never depends on another: the state as [`encode`] stores it, compressed
//! with a checksum. It holds secret keys; whoever may read the bucket may read them.
//!
//! [`encode`]: crate::state::encode
//!
//! A restore is the first start of nodes whose folders are empty, with `--restore`: the leader reads the backup and replicates it in parts
//! through the log ([`Command::RestorePart`]), so that all nodes restore the same one whatever each could read. Later starts ignore the
//! setting, as they do the bootstrap file. What the state says of the ring is adapted in [`crate::state`]: revisions go on above any that a
//! service may have seen, active partitions begin a new epoch, and instances have to register again.
//!
//! [`Command::RestorePart`]: crate::state::Command::RestorePart

mod restore;
mod schedule;
mod settings;
mod vault;

#[cfg(test)]
mod tests;

pub(crate) use restore::Restore;
pub(crate) use schedule::Schedule;
pub use settings::{BackupSettings, RestoreFrom};
pub(crate) use vault::{Stored, Vault, VaultError, unpack};

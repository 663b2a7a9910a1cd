//! The leader's part of a restore: it reads the backup and proposes it in parts.

use bytes::Bytes;
use parking_lot::Mutex;

use super::{RestoreFrom, Vault, VaultError, unpack};
use crate::{
    desk::{Desk, Unavailable},
    state::{Command, Packed, Refusal, Response, Restoring},
};

/// Bytes of a part: an entry of the log that replicates quickly.
const PART: usize = 2 << 20;

/// A restore that the first start has to do.
#[derive(Debug)]
pub(crate) struct Restore {
    vault: Vault,
    from: RestoreFrom,
    /// How far it is, for those who ask why the node is not ready.
    progress: Mutex<String>,
}

/// Why it does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error("{0}")]
    Refused(Refusal),
}

impl Restore {
    pub(crate) fn new(vault: Vault, from: RestoreFrom) -> Self {
        let progress = Mutex::new(format!("the leader has not begun to restore the backup {from} yet"));
        Self { vault, from, progress }
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> String {
        self.progress.lock().clone()
    }

    /// Proposes what is missing of the backup. What another leader began is gone on with.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<(), RestoreError> {
        let outcome = self.replicate(desk).await;
        if let Err(error) = &outcome {
            *self.progress.lock() =
                format!("cannot restore the backup {}: {error}; it is tried again", self.from);
        }
        outcome
    }

    async fn replicate(&self, desk: &Desk) -> Result<(), RestoreError> {
        let begun = desk.machine().view().state.restoring.as_ref().map(Restoring::progress);
        let (name, done) = match (begun, &self.from) {
            (Some(begun), _) => begun,
            (None, RestoreFrom::Named(name)) => (name.clone(), 0),
            (None, RestoreFrom::Latest) => {
                (self.vault.list().await?.into_iter().next().ok_or(VaultError::Empty)?.name, 0)
            }
        };
        let packed = self.vault.read(&name).await?;
        // Before anything is replicated: a damaged backup must not get into the log.
        let bytes = packed.clone();
        let read = tokio::task::spawn_blocking(move || unpack(&bytes).map(|state| state.revision));
        let revision = read.await.map_err(|_| VaultError::Cancelled)??;
        tracing::info!(backup = name, revision, bytes = packed.len(), "restoring the state from a backup");
        let parts = packed.len().div_ceil(PART);
        for part in done..parts {
            *self.progress.lock() = format!("restoring the backup {name}: part {} of {parts}", part + 1);
            let bytes = packed.slice(part * PART..packed.len().min((part + 1) * PART));
            self.propose(desk, &name, part, parts, bytes).await?;
        }
        Ok(())
    }

    async fn propose(
        &self,
        desk: &Desk,
        name: &str,
        part: usize,
        parts: usize,
        bytes: Bytes,
    ) -> Result<(), RestoreError> {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let command = Command::RestorePart {
            backup: name.to_owned(),
            part: number(part),
            parts: number(parts),
            data: Packed::new(&bytes),
        };
        match desk.propose(command).await? {
            Response::Refused(refusal) => Err(RestoreError::Refused(refusal)),
            _ => Ok(()),
        }
    }
}

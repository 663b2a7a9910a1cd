//! Backups when they are due, by the leader, and when somebody asks, by any node.

use std::{sync::Arc, time::Duration};

use narthex_model::TimestampMs;
use narthex_service::HumanDuration;
use tokio_util::sync::CancellationToken;

use super::{BackupSettings, Stored, Vault, VaultError};
use crate::{desk::Desk, metrics::Metrics};

/// How often it is looked whether one is due, and how long after a failure the next is tried.
const LOOK: Duration = Duration::from_secs(5);
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// A node's backups.
#[derive(Clone)]
pub(crate) struct Schedule {
    desk: Arc<Desk>,
    vault: Vault,
    interval: HumanDuration,
    keep: usize,
    metrics: Metrics,
}

impl Schedule {
    pub(crate) fn new(desk: Arc<Desk>, vault: Vault, settings: &BackupSettings, metrics: Metrics) -> Self {
        Self { desk, vault, interval: settings.interval, keep: settings.keep, metrics }
    }

    /// The backups themselves.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Writes backups when they are due, until shutdown.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        if self.interval.get().is_zero() {
            return;
        }
        // The newest backup, known to a leader once it has looked.
        let mut newest: Option<(u64, Option<Stored>)> = None;
        loop {
            let pause = match self.round(&mut newest).await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::warn!(%error, "the state could not be backed up; it is tried again in a minute");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.desk.clock().sleep(pause) => {}
            }
        }
    }

    async fn round(&self, newest: &mut Option<(u64, Option<Stored>)>) -> Result<(), VaultError> {
        let Some(term) = self.desk.leading() else {
            *newest = None;
            return Ok(());
        };
        let (revision, ready) = {
            let view = self.desk.machine().view();
            (view.state.revision, view.state.setup.is_some())
        };
        if !ready {
            return Ok(());
        }
        if newest.as_ref().is_none_or(|(of, _)| *of != term) {
            let found = self.vault.list().await?.into_iter().next();
            if let Some(found) = found.as_ref().filter(|found| found.revision > revision) {
                tracing::warn!(
                    backup = found.name,
                    revision,
                    "the bucket holds a backup of a newer state than this control plane's; to go on from it, start with empty \
                     folders and --restore"
                );
            }
            *newest = Some((term, found));
        }
        let last = newest.as_ref().and_then(|(_, stored)| stored.as_ref());
        self.metrics.newest_backup(last.map(|stored| stored.at));
        if self.is_due(last, revision) {
            let stored = self.write().await?;
            *newest = Some((term, Some(stored)));
        }
        Ok(())
    }

    fn is_due(&self, last: Option<&Stored>, revision: u64) -> bool {
        let Some(last) = last else { return true };
        let age = self.desk.clock().now().0.saturating_sub(last.at.0);
        let interval = i64::try_from(self.interval.get().as_millis()).unwrap_or(i64::MAX);
        last.revision != revision && age >= interval
    }

    /// Writes one of the state as this node has it, and removes those that are too many.
    pub(crate) async fn write(&self) -> Result<Stored, VaultError> {
        let state = self.desk.machine().view().state.clone();
        let now: TimestampMs = self.desk.clock().now();
        let written = self.vault.write(state, now).await;
        self.metrics.backup(written.is_ok());
        let stored = written?;
        self.metrics.newest_backup(Some(stored.at));
        tracing::info!(backup = stored.name, bytes = stored.size, "backed the state up");
        if self.keep > 0 {
            // The new one is there all the same.
            match self.vault.prune(self.keep).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "removed old backups"),
                Err(error) => tracing::warn!(%error, "cannot remove old backups"),
            }
        }
        Ok(stored)
    }
}

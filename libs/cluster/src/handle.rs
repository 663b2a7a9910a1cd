//! The handle through which a service reads the current snapshot and hears of changes.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Hints, Snapshot};

/// The snapshot could not be proven current, so an unknown name may exist after all: answer 503, not 404.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the control plane cannot be reached: {0}")]
pub struct NotCurrent(pub String);

/// Asks the control plane for its newest revision and waits, bounded, until the snapshot has it.
#[async_trait]
pub trait CatchUp: Send + Sync {
    /// Returns once `cluster` is at least as new as the control plane was when asked.
    async fn catch_up(&self, cluster: &Cluster) -> Result<(), NotCurrent>;
}

/// The current snapshot. Cloning shares it.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    current: ArcSwap<Snapshot>,
    revision: watch::Sender<u64>,
    catch_up: Option<Arc<dyn CatchUp>>,
    hints: Hints,
}

impl Cluster {
    /// Starts from a snapshot. Without `catch_up` the snapshot always counts as current, as in tests and simulations.
    pub fn new(snapshot: Snapshot, catch_up: Option<Arc<dyn CatchUp>>) -> Self {
        let (revision, _) = watch::channel(snapshot.revision);
        Self(Arc::new(Inner {
            current: ArcSwap::from_pointee(snapshot),
            revision,
            catch_up,
            hints: Hints::default(),
        }))
    }

    /// What is known now. Cheap; one request uses one snapshot throughout.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.current.load_full()
    }

    /// Installs a newer snapshot; an older one is ignored.
    pub fn install(&self, snapshot: Snapshot) {
        self.0.revision.send_if_modified(|revision| {
            let newer = snapshot.revision > *revision;
            if newer {
                *revision = snapshot.revision;
                self.0.current.store(Arc::new(snapshot));
            }
            newer
        });
    }

    /// Newest manifests that somebody told of.
    pub fn hints(&self) -> &Hints {
        &self.0.hints
    }

    /// Revisions as they are installed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// One bounded catch-up with the control plane; then what it does not know does not exist.
    pub async fn catch_up(&self) -> Result<Arc<Snapshot>, NotCurrent> {
        if let Some(catch_up) = &self.0.catch_up {
            catch_up.catch_up(self).await?;
        }
        Ok(self.snapshot())
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.snapshot().revision).finish()
    }
}

//! One bounded catch-up for all requests that wait for one.
//!
//! Unknown ids are cheap to send, so requests share catch-ups: a request is content with any that began after it arrived.
//! However many arrive, at most one runs and one more follows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use narthex_cluster::{Cluster, NotCurrent, Snapshot};
use narthex_service::{SharedClock, timeout};
use tokio::sync::Mutex;

/// How long a request may wait for the control plane.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct CatchUps {
    cluster: Cluster,
    clock: SharedClock,
    /// How many were begun.
    begun: AtomicU64,
    /// Number and outcome of the last that ended.
    last: Mutex<(u64, Result<(), NotCurrent>)>,
}

impl CatchUps {
    pub(crate) fn new(cluster: Cluster, clock: SharedClock) -> Self {
        Self { cluster, clock, begun: AtomicU64::new(0), last: Mutex::new((0, Ok(()))) }
    }

    /// A snapshot that is at least as new as the control plane was at the time of the call.
    pub(crate) async fn fresh(&self) -> Result<Arc<Snapshot>, NotCurrent> {
        let arrived = self.begun.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if last.0 <= arrived {
            let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
            let outcome = match timeout(self.clock.as_ref(), LIMIT, self.cluster.catch_up()).await {
                Ok(outcome) => outcome.map(drop),
                Err(elapsed) => Err(NotCurrent(elapsed.to_string())),
            };
            *last = (number, outcome);
        }
        last.1.clone().map(|()| self.cluster.snapshot())
    }
}

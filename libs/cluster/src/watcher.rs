//! The loop that keeps the snapshot current: watch, apply, and begin again elsewhere when the stream ends.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use narthex_model::{ManifestRevision, WorkspaceId};
use narthex_rpc::v1::{WatchEvent, WatchRequest};
use narthex_service::{Random, SharedClock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Cluster, ControlPlane, event::apply_event, member_metrics::MemberMetrics};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Growing pauses with jitter, so that a restarted control plane is not met by everyone at once.
pub(crate) struct Backoff {
    random: Random,
    pause: Duration,
}

impl Backoff {
    pub(crate) fn new(random: Random) -> Self {
        Self { random, pause: FIRST_PAUSE }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(millis / 2 + self.random.below(millis))
    }

    pub(crate) fn reset(&mut self) {
        self.pause = FIRST_PAUSE;
    }
}

pub(crate) struct Watcher {
    pub(crate) control: ControlPlane,
    pub(crate) cluster: Cluster,
    pub(crate) clock: SharedClock,
    pub(crate) backoff: Backoff,
    pub(crate) metrics: MemberMetrics,
    pub(crate) stale: Arc<Notify>,
}

impl Watcher {
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let ended = tokio::select! {
                () = shutdown.cancelled() => return,
                ended = self.follow() => ended,
            };
            self.metrics.disconnected();
            self.control.rotate();
            let pause = self.backoff.next();
            if pause > Duration::from_secs(1) {
                tracing::warn!(
                    reason = ended,
                    "the control plane cannot be watched; going on with the last snapshot"
                );
            } else {
                tracing::debug!(reason = ended, "the watch ended; watching again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// Follows one stream to its end, and says why it ended.
    async fn follow(&mut self) -> String {
        let from_revision = self.cluster.snapshot().revision;
        let mut events = match self.control.watch(WatchRequest { from_revision, topics: Vec::new() }).await {
            Ok(events) => events,
            Err(status) => return status.message().to_owned(),
        };
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = self.stale.notified() => return "the node seems to be behind the leader".to_owned(),
            };
            match event {
                Some(Ok(event)) => {
                    if let Err(reason) = self.install(event) {
                        return reason;
                    }
                }
                Some(Err(status)) => return status.message().to_owned(),
                None => return "the node closed the stream".to_owned(),
            }
        }
    }

    fn install(&mut self, mut event: WatchEvent) -> Result<(), String> {
        for hint in std::mem::take(&mut event.hints) {
            let workspace = WorkspaceId::from_slice(&hint.workspace).map_err(|error| error.to_string())?;
            if self.cluster.snapshot().workspaces.contains_key(&workspace) {
                self.cluster.hints().note(workspace, ManifestRevision(hint.revision));
            }
        }
        let removed = !event.removed_workspaces.is_empty() || event.reset;
        let snapshot = apply_event(&self.cluster.snapshot(), event).map_err(|error| error.to_string())?;
        self.metrics.installed(&snapshot);
        self.cluster.install(snapshot);
        if removed {
            let snapshot = self.cluster.snapshot();
            self.cluster.hints().retain(|workspace| snapshot.workspaces.contains_key(workspace));
        }
        self.backoff.reset();
        Ok(())
    }
}

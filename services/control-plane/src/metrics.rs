//! What the control plane counts. Names begin with `narthex_control_plane_`.

use std::sync::{Arc, atomic::AtomicU64};

use narthex_model::TimestampMs;
use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Unit,
};

use crate::state::Response;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    command: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackupLabels {
    outcome: &'static str,
}

/// A handle on all of them; clones count into the same.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    commands: Family<CommandLabels, Counter>,
    heartbeats: Counter,
    unavailable: Counter,
    snapshots: Counter,
    snapshot_bytes: Gauge,
    watchers: Gauge,
    leader: Gauge,
    term: Gauge<u64, AtomicU64>,
    revision: Gauge<u64, AtomicU64>,
    log_index: Gauge<u64, AtomicU64>,
    backups: Family<BackupLabels, Counter>,
    newest_backup: Gauge,
}

impl Metrics {
    pub(crate) fn new(registry: &SharedRegistry) -> Self {
        let inner = Inner::default();
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_control_plane");
        registry.register(
            "commands",
            "Applied commands, by command and outcome (done, refused)",
            inner.commands.clone(),
        );
        registry.register("heartbeats", "Heartbeats of instances taken as leader", inner.heartbeats.clone());
        registry.register(
            "requests_without_leader",
            "Requests given up because no leader could be reached; above 0 the nodes cannot reach a quorum",
            inner.unavailable.clone(),
        );
        registry.register("snapshots", "Snapshots written or installed", inner.snapshots.clone());
        registry.register("snapshot_bytes", "Size of the newest snapshot", inner.snapshot_bytes.clone());
        registry.register("watchers", "Open watches", inner.watchers.clone());
        registry.register("leader", "1 on the leader, else 0", inner.leader.clone());
        registry.register("term", "Term of the election", inner.term.clone());
        registry.register("applied_revision", "Revision of the applied state", inner.revision.clone());
        registry.register("log_index", "Index of the last log entry", inner.log_index.clone());
        registry.register(
            "backups",
            "Backups of the state, by outcome (written, failed)",
            inner.backups.clone(),
        );
        registry.register_with_unit(
            "newest_backup_timestamp",
            "When the newest backup was written, as the leader knows; 0 if there is none",
            Unit::Seconds,
            inner.newest_backup.clone(),
        );
        Self(Arc::new(inner))
    }

    pub(crate) fn applied(&self, command: &'static str, response: &Response) {
        let outcome = if matches!(response, Response::Refused(_)) { "refused" } else { "done" };
        self.0.commands.get_or_create(&CommandLabels { command, outcome }).inc();
    }

    pub(crate) fn heartbeat(&self) {
        self.0.heartbeats.inc();
    }

    pub(crate) fn unavailable(&self) {
        self.0.unavailable.inc();
    }

    pub(crate) fn snapshot(&self, bytes: usize) {
        self.0.snapshots.inc();
        self.0.snapshot_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn backup(&self, written: bool) {
        let outcome = if written { "written" } else { "failed" };
        self.0.backups.get_or_create(&BackupLabels { outcome }).inc();
    }

    pub(crate) fn newest_backup(&self, at: Option<TimestampMs>) {
        self.0.newest_backup.set(at.map_or(0, |at| at.0 / 1000));
    }

    /// Counts a watch until the guard is dropped.
    pub(crate) fn watcher(&self) -> WatcherGuard {
        self.0.watchers.inc();
        WatcherGuard(self.clone())
    }

    pub(crate) fn consensus(&self, leader: bool, term: u64, revision: u64, log_index: u64) {
        self.0.leader.set(i64::from(leader));
        self.0.term.set(term);
        self.0.revision.set(revision);
        self.0.log_index.set(log_index);
    }
}

/// One open watch.
#[derive(Debug)]
pub(crate) struct WatcherGuard(Metrics);

impl Drop for WatcherGuard {
    fn drop(&mut self) {
        self.0.0.watchers.dec();
    }
}

//! What the manifests of a process count. No label names a workspace: there may be very many.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{Outcome, Tally};

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    outcome: &'static str,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    commits: Family<OutcomeLabel, Counter>,
    conflicts: Counter,
    unknown: Counter,
    forks: Counter,
    retries: Counter,
    pub(super) lists: Counter,
    pub(super) roots_read: Counter,
    pub(super) segments_read: Counter,
    collected: Family<KindLabel, Counter>,
    pub(super) strays: Gauge,
    revision: Gauge,
    root_bytes: Gauge,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("narthex_manifest");
        registry.register("commits", "Edits that were tried, by how they ended", metrics.commits.clone());
        let mut counter =
            |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter("conflicts", "Attempts at a revision that another writer wrote first", &metrics.conflicts);
        counter("unknown_replies", "Writes of a root whose outcome was unknown", &metrics.unknown);
        counter("forks", "Roots that were written beside the line of the newest one", &metrics.forks);
        counter("retries", "Requests of commits that failed and were made again", &metrics.retries);
        counter("lists", "Searches for the newest root by a list", &metrics.lists);
        counter("read_roots", "Roots read", &metrics.roots_read);
        counter("read_segments", "Segments read", &metrics.segments_read);
        registry.register("collected", "Objects deleted as garbage", metrics.collected.clone());
        registry.register(
            "stray_objects",
            "Objects of no known name in the last sweep",
            metrics.strays.clone(),
        );
        registry.register(
            "max_revision",
            "Greatest revision of any workspace that this process committed",
            metrics.revision.clone(),
        );
        registry.register(
            "max_root_bytes",
            "Size of the largest root that this process wrote",
            metrics.root_bytes.clone(),
        );
        metrics
    }

    pub(super) fn committed(&self, outcome: &Outcome, tally: Tally) {
        let name = match outcome {
            Outcome::Committed(manifest) => {
                let revision = i64::try_from(manifest.revision().0).unwrap_or(i64::MAX);
                self.revision.set(revision.max(self.revision.get()));
                "committed"
            }
            Outcome::Refused { .. } => "refused",
            Outcome::Rewrite(_) => "rewrite",
            Outcome::Undecided => "undecided",
        };
        self.commits.get_or_create(&OutcomeLabel { outcome: name }).inc();
        self.conflicts.inc_by(tally.conflicts.into());
        self.unknown.inc_by(tally.unknown.into());
        self.forks.inc_by(tally.forks.into());
        self.retries.inc_by(tally.failures.into());
    }

    pub(super) fn root_written(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.root_bytes.set(bytes.max(self.root_bytes.get()));
    }

    pub(super) fn collected(&self, kind: &'static str, count: usize) {
        self.collected.get_or_create(&KindLabel { kind }).inc_by(count as u64);
    }
}

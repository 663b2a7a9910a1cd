//! What storage counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Why samples were not stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    pub(super) reason: &'static str,
}

/// Storage's metrics, registered once.
#[derive(Debug, Clone, Default)]
pub(super) struct StorageMetrics {
    pub(super) samples: Counter,
    pub(super) late_samples: Counter,
    pub(super) known_samples: Counter,
    pub(super) refused_samples: Family<ReasonLabel, Counter>,
    pub(super) refused_pushes: Family<ReasonLabel, Counter>,
    pub(super) series_created: Counter,
    pub(super) metadata_dropped: Counter,
    pub(super) sealed_cuts: Counter,
    pub(super) forgotten_cuts: Counter,
    pub(super) removed_series: Counter,
    pub(super) disk_bytes: Gauge,
    pub(super) read_bytes: Gauge,
    pub(super) wal_bytes: Counter,
    pub(super) wal_batches: Counter,
    pub(super) wal_segments: Gauge,
    pub(super) failed: Gauge,
    pub(super) truncated_bytes: Counter,
    pub(super) quarantined: Counter,
    pub(super) checkpoints: Counter,
    pub(super) checkpoint_failures: Counter,
    pub(super) checkpoint_bytes: Gauge,
    pub(super) sync_seconds: Option<Histogram>,
}

impl StorageMetrics {
    pub(super) fn new() -> Self {
        Self { sync_seconds: Some(Histogram::new(exponential_buckets(0.000_1, 2.0, 16))), ..Self::default() }
    }

    /// Makes the metrics visible. Once, by the storage that was opened: an attempt that was refused must not leave a second set
    /// under the same names.
    pub(super) fn register(&self, registry: &mut Registry) {
        let metrics = self;
        let registry = registry.sub_registry_with_prefix("narthex_ingester");
        let mut counter =
            |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter("stored_samples", "Samples stored", &metrics.samples);
        counter(
            "late_samples",
            "Samples stored that were older than the newest of their series",
            &metrics.late_samples,
        );
        counter(
            "known_samples",
            "Samples that were there already with the same value",
            &metrics.known_samples,
        );
        counter("created_series", "Series created", &metrics.series_created);
        counter("dropped_metadata_entries", "Metadata entries dropped by a limit", &metrics.metadata_dropped);
        counter("sealed_cuts", "Cuts sealed, cuts sealed again included", &metrics.sealed_cuts);
        counter("forgotten_cuts", "Committed cuts that were forgotten", &metrics.forgotten_cuts);
        counter("removed_series", "Series that left memory", &metrics.removed_series);
        counter("wal_written_bytes", "Bytes written to the write-ahead log", &metrics.wal_bytes);
        counter("wal_batches", "Group commits of the write-ahead log", &metrics.wal_batches);
        counter(
            "wal_truncated_bytes",
            "Bytes cut off a torn end of the write-ahead log at start-up",
            &metrics.truncated_bytes,
        );
        counter(
            "quarantined_files",
            "Damaged files set aside at start-up; restore or recover",
            &metrics.quarantined,
        );
        counter("checkpoints", "Checkpoints completed", &metrics.checkpoints);
        counter(
            "checkpoint_failures",
            "Checkpoints that failed; the write-ahead log grows until one succeeds",
            &metrics.checkpoint_failures,
        );
        registry.register(
            "refused_samples",
            "Samples that were not stored, by reason; SEALED ones may be sent again",
            metrics.refused_samples.clone(),
        );
        registry.register("refused_pushes", "Frames refused, by reason", metrics.refused_pushes.clone());
        registry.register(
            "wal_segments",
            "Segments of the write-ahead log on disk",
            metrics.wal_segments.clone(),
        );
        registry.register(
            "checkpoint_size_bytes",
            "Size of the newest checkpoint",
            metrics.checkpoint_bytes.clone(),
        );
        registry.register(
            "data_directory_bytes",
            "Bytes of log, chunk files and snapshots, to which --disk.quota applies",
            metrics.disk_bytes.clone(),
        );
        let help = "Bytes that the labels of reads under way occupy, to which --read.memory applies";
        registry.register("read_label_bytes", help, metrics.read_bytes.clone());
        registry.register(
            "storage_failed",
            "1 after a failed write or sync: nothing is acknowledged until a restart",
            metrics.failed.clone(),
        );
        if let Some(seconds) = &metrics.sync_seconds {
            registry.register("wal_sync_seconds", "Time of one sync of the write-ahead log", seconds.clone());
        }
    }

    pub(super) fn refuse_push(&self, reason: &'static str) {
        self.refused_pushes.get_or_create(&ReasonLabel { reason }).inc();
    }
}

//! The gateway's metrics: requests and how they ended, blocks, what was read from where, and the disk cache.

use narthex_service::SharedRegistry;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

/// How a request ended, or began to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    Ok,
    Invalid,
    Missing,
    Damaged,
    Unavailable,
    OverBudget,
    Failed,
}

impl Outcome {
    pub(crate) fn of(code: tonic::Code) -> Self {
        match code {
            tonic::Code::Ok => Self::Ok,
            tonic::Code::InvalidArgument => Self::Invalid,
            tonic::Code::NotFound => Self::Missing,
            tonic::Code::DataLoss => Self::Damaged,
            tonic::Code::Unavailable => Self::Unavailable,
            tonic::Code::ResourceExhausted => Self::OverBudget,
            _ => Self::Failed,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) method: &'static str,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    pub(crate) kind: &'static str,
}

/// What reading from the bucket took.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadMetrics {
    /// Requests.
    pub(crate) bucket_reads: Counter,
    /// Their bytes.
    pub(crate) bucket_bytes: Counter,
}

/// The disk cache.
#[derive(Debug, Clone, Default)]
pub(crate) struct CacheMetrics {
    /// Pages found.
    pub(crate) hits: Counter,
    /// Pages not found.
    pub(crate) misses: Counter,
    /// Bytes of pages found.
    pub(crate) read_bytes: Counter,
    /// Bytes kept.
    pub(crate) written_bytes: Counter,
    /// Pages that had to go for others.
    pub(crate) evicted: Counter,
    /// Pages whose checksum did not agree.
    pub(crate) damaged: Counter,
    /// Reads and writes that the disk failed.
    pub(crate) failed: Counter,
    /// Reads that were not kept because the disk did not keep up.
    pub(crate) skipped: Counter,
    /// Pages held.
    pub(crate) pages: Gauge,
}

/// Everything. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    /// Requests by method and how they ended; a stream that fails later is counted by kind below.
    pub(crate) requests: Family<RequestLabels, Counter>,
    /// Errors of blocks by kind.
    pub(crate) errors: Family<KindLabel, Counter>,
    /// Requests that were not let in because too many waited.
    pub(crate) refused: Counter,
    /// Requests that wait.
    pub(crate) waiting: Gauge,
    /// Requests being answered.
    pub(crate) running: Gauge,
    /// Bytes of memory that they took for samples.
    pub(crate) memory: Gauge,
    /// Footers read and parsed.
    pub(crate) blocks_opened: Counter,
    /// Blocks whose footer was in memory.
    pub(crate) footer_hits: Counter,
    /// Bytes of footers in memory.
    pub(crate) footer_bytes: Gauge,
    /// Blocks of which it was known what matchers find in them.
    pub(crate) found_hits: Counter,
    /// Blocks that were searched, to be known from then on.
    pub(crate) found_misses: Counter,
    /// Bytes of what matchers found, in memory.
    pub(crate) found_bytes: Gauge,
    /// Samples sent.
    pub(crate) samples: Counter,
    /// Bytes of chunks sent.
    pub(crate) chunk_bytes: Counter,
    pub(crate) reads: ReadMetrics,
    pub(crate) cache: CacheMetrics,
}

impl Metrics {
    /// Registers everything under `narthex_store_gateway_`.
    pub(crate) fn register(registry: &SharedRegistry) -> Self {
        let metrics = Self::default();
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_store_gateway");
        registry.register("requests", "Requests by method and outcome", metrics.requests.clone());
        registry.register("block_errors", "Blocks that could not be read, by kind", metrics.errors.clone());
        registry.register(
            "requests_refused",
            "Requests refused because too many of their workspace waited",
            metrics.refused.clone(),
        );
        registry.register(
            "requests_waiting",
            "Requests that wait for others to end",
            metrics.waiting.clone(),
        );
        registry.register("requests_running", "Requests being answered", metrics.running.clone());
        registry.register(
            "memory_reserved_bytes",
            "Memory that requests reserved for samples",
            metrics.memory.clone(),
        );
        registry.register(
            "blocks_opened",
            "Blocks whose footer was read and parsed",
            metrics.blocks_opened.clone(),
        );
        registry.register(
            "footer_hits",
            "Blocks whose parsed footer was in memory",
            metrics.footer_hits.clone(),
        );
        registry.register("footer_bytes", "Memory of parsed footers", metrics.footer_bytes.clone());
        registry.register(
            "found_series_hits",
            "Blocks in which the matching series were known from an earlier request",
            metrics.found_hits.clone(),
        );
        registry.register(
            "found_series_misses",
            "Blocks that were searched for matching series, which are known from then on",
            metrics.found_misses.clone(),
        );
        registry.register("found_series_bytes", "Memory of matching series", metrics.found_bytes.clone());
        registry.register("samples_sent", "Samples sent", metrics.samples.clone());
        registry.register("chunk_bytes_sent", "Bytes of chunks sent", metrics.chunk_bytes.clone());
        registry.register(
            "bucket_reads",
            "Reads of blocks that went to the bucket",
            metrics.reads.bucket_reads.clone(),
        );
        registry.register(
            "bucket_read_bytes",
            "Bytes of blocks read from the bucket",
            metrics.reads.bucket_bytes.clone(),
        );
        metrics.cache.register(registry.sub_registry_with_prefix("cache"));
        metrics
    }
}

impl CacheMetrics {
    fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        registry.register("hits", "Pages found in the disk cache", self.hits.clone());
        registry.register("misses", "Pages not found in the disk cache", self.misses.clone());
        registry.register("read_bytes", "Bytes read from the disk cache", self.read_bytes.clone());
        registry.register("written_bytes", "Bytes written to the disk cache", self.written_bytes.clone());
        registry.register("evictions", "Pages dropped for newer ones", self.evicted.clone());
        registry.register(
            "damaged",
            "Pages whose checksum did not agree; they are read from the bucket again",
            self.damaged.clone(),
        );
        registry.register("failures", "Reads and writes that the cache's disk failed", self.failed.clone());
        registry.register(
            "skipped",
            "Reads that were not kept because the cache's disk did not keep up",
            self.skipped.clone(),
        );
        registry.register("pages", "Pages held, of 64 KiB each", self.pages.clone());
    }
}

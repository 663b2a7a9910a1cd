//! Counters of the querier. Every refusal and every way in which a read deviates from the plain one has its own.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Seconds: from a millisecond to the default timeout.
const DURATIONS: [f64; 12] = [0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];
/// Powers of ten for samples and series.
const SIZES: [f64; 8] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    /// `instant`, `range`, `labels`, `series`, `metadata`, `exemplars`, `format` or `parse`.
    pub(crate) kind: &'static str,
    /// `success` or Prometheus's `errorType`.
    pub(crate) outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Kind {
    /// As in [`Outcome`].
    pub(crate) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    /// Why.
    pub(crate) reason: &'static str,
}

/// All metrics; cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) queries: Family<Outcome, Counter>,
    pub(crate) duration: Family<Kind, Histogram>,
    pub(crate) samples: Histogram,
    pub(crate) series: Histogram,
    pub(crate) running: Gauge,
    pub(crate) waiting: Gauge,
    pub(crate) waited: Histogram,
    pub(crate) memory: Gauge,
    pub(crate) out_of_memory: Family<Reason, Counter>,
    pub(crate) cut_off: Counter,
    pub(crate) refused: Family<Reason, Counter>,
    pub(crate) owner_failures: Family<Reason, Counter>,
    pub(crate) hedged: Counter,
    pub(crate) replans: Counter,
    pub(crate) no_quorum: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) aggregations: Family<Reason, Counter>,
    pub(crate) blocks_asked: Counter,
    pub(crate) blocks_pruned: Counter,
    pub(crate) block_replans: Counter,
    pub(crate) blocks_unreadable: Counter,
    pub(crate) gateway_bytes: Counter,
    pub(crate) gateway_failures: Family<Reason, Counter>,
    pub(crate) gateway_failovers: Counter,
    pub(crate) hedged_gateways: Counter,
    pub(crate) range_cached: Family<Reason, Counter>,
    pub(crate) range_not_kept: Family<Reason, Counter>,
    pub(crate) range_steps_kept: Counter,
    pub(crate) range_steps_read: Counter,
    pub(crate) range_bytes: Gauge,
    pub(crate) range_evictions: Counter,
    pub(crate) range_disk_bytes: Gauge,
    pub(crate) range_disk_hits: Counter,
    pub(crate) range_disk_damaged: Counter,
}

impl Metrics {
    /// Registers everything under `narthex_querier_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            queries: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            samples: Histogram::new(SIZES),
            series: Histogram::new(SIZES),
            running: Gauge::default(),
            waiting: Gauge::default(),
            waited: Histogram::new(DURATIONS),
            memory: Gauge::default(),
            out_of_memory: Family::default(),
            cut_off: Counter::default(),
            refused: Family::default(),
            owner_failures: Family::default(),
            hedged: Counter::default(),
            replans: Counter::default(),
            no_quorum: Counter::default(),
            conflicts: Counter::default(),
            received_bytes: Counter::default(),
            aggregations: Family::default(),
            blocks_asked: Counter::default(),
            blocks_pruned: Counter::default(),
            block_replans: Counter::default(),
            blocks_unreadable: Counter::default(),
            gateway_bytes: Counter::default(),
            gateway_failures: Family::default(),
            gateway_failovers: Counter::default(),
            hedged_gateways: Counter::default(),
            range_cached: Family::default(),
            range_not_kept: Family::default(),
            range_steps_kept: Counter::default(),
            range_steps_read: Counter::default(),
            range_bytes: Gauge::default(),
            range_evictions: Counter::default(),
            range_disk_bytes: Gauge::default(),
            range_disk_hits: Counter::default(),
            range_disk_damaged: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("narthex_querier");
        registry.register("queries", "Requests by kind and outcome", metrics.queries.clone());
        registry.register(
            "query_duration_seconds",
            "Time to the first byte of the answer",
            metrics.duration.clone(),
        );
        registry.register(
            "query_samples",
            "Samples that a query processed, as its statistics tell and usage is counted",
            metrics.samples.clone(),
        );
        registry.register("query_series", "Series in a query's answer", metrics.series.clone());
        registry.register("queries_running", "Requests being answered", metrics.running.clone());
        registry.register("queries_waiting", "Requests waiting for a slot", metrics.waiting.clone());
        registry.register(
            "queries_refused",
            "Requests refused by a limit, by reason",
            metrics.refused.clone(),
        );
        metrics.register_bounds(registry);
        metrics.register_owners(registry);
        metrics.register_blocks(registry);
        metrics.register_ranges(registry);
        metrics
    }

    fn register_bounds(&self, registry: &mut Registry) {
        let help = "Time that requests waited for a slot before they ran";
        registry.register("query_wait_seconds", help, self.waited.clone());
        let help = "Bytes of memory that queries have taken, their answers included until clients have them";
        registry.register("query_memory_bytes", help, self.memory.clone());
        let help = "Refusals of memory, by whose bound it was: the query's, the workspace's or the process's";
        registry.register("query_memory_refusals", help, self.out_of_memory.clone());
        let help = "Answers that were given up because the client did not take them in time";
        registry.register("answers_cut_off", help, self.cut_off.clone());
    }

    fn register_owners(&self, registry: &mut Registry) {
        let help = "Reads that an owner did not answer completely, by reason";
        registry.register("owner_read_failures", help, self.owner_failures.clone());
        registry.register(
            "hedged_reads",
            "Partitions whose third owner was asked early",
            self.hedged.clone(),
        );
        registry.register("replans", "Reads planned again on a newer ring", self.replans.clone());
        registry.register(
            "reads_without_quorum",
            "Reads that found no quorum of a partition",
            self.no_quorum.clone(),
        );
        let help = "Series of which two owners hold different values for one timestamp";
        registry.register("conflicting_series", help, self.conflicts.clone());
        registry.register(
            "received_bytes",
            "Bytes of series, chunks, states and digests received from owners",
            self.received_bytes.clone(),
        );
        let help = "Aggregations that owners were asked for, by what came of it; refused ones were read";
        registry.register("aggregations", help, self.aggregations.clone());
    }

    fn register_ranges(&self, registry: &mut Registry) {
        let help = "Range queries that looked into the result cache, by what was there: all steps (hit), some (partial) or none (miss)";
        registry.register("range_cache_queries", help, self.range_cached.clone());
        let help = "Results of range queries that could not be kept whatever their time, by reason";
        registry.register("range_cache_not_kept", help, self.range_not_kept.clone());
        let help = "Steps of range queries that were answered from the result cache";
        registry.register("range_cache_steps", help, self.range_steps_kept.clone());
        let help = "Steps of range queries that looked into the result cache and were evaluated";
        registry.register("range_cache_steps_evaluated", help, self.range_steps_read.clone());
        registry.register("range_cache_bytes", "Memory of the result cache", self.range_bytes.clone());
        let help = "Segments that the result cache gave up for others, in memory and on disk";
        registry.register("range_cache_evictions", help, self.range_evictions.clone());
        let help = "Bytes of the result cache's files";
        registry.register("range_cache_disk_bytes", help, self.range_disk_bytes.clone());
        let help = "Segments that were read from the result cache's files";
        registry.register("range_cache_disk_hits", help, self.range_disk_hits.clone());
        let help = "Files of the result cache that were damaged or another's, and deleted";
        registry.register("range_cache_disk_damaged", help, self.range_disk_damaged.clone());
    }

    fn register_blocks(&self, registry: &mut Registry) {
        let help = "Blocks that gateways were asked for, once for each time";
        registry.register("blocks_asked", help, self.blocks_asked.clone());
        let help = "Blocks in the time of a read that the manifest's statistics ruled out";
        registry.register("blocks_pruned", help, self.blocks_pruned.clone());
        let help = "Reads planned again on the newest manifest because a block was gone or damaged";
        registry.register("block_replans", help, self.block_replans.clone());
        let help = "Reads that failed because a block could not be read";
        registry.register("reads_without_block", help, self.blocks_unreadable.clone());
        let help = "Bytes of series and chunks received from gateways";
        registry.register("gateway_received_bytes", help, self.gateway_bytes.clone());
        let help = "Reads that a gateway did not answer completely, by reason";
        registry.register("gateway_read_failures", help, self.gateway_failures.clone());
        let help = "Groups of blocks that went to the next gateways because one failed";
        registry.register("gateway_failovers", help, self.gateway_failovers.clone());
        let help = "Groups of blocks that were asked of the next gateways too because one was silent";
        registry.register("hedged_gateway_reads", help, self.hedged_gateways.clone());
    }
}

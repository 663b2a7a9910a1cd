//! Settings of the querier.

use std::{net::SocketAddr, time::Duration};

use clap::{ArgAction, Args, Parser};
use narthex_bucket::BucketArgs;
use narthex_edge::EdgeSettings;
use narthex_manifest::MarginArgs;
use narthex_promql::EngineConfig;
use narthex_service::{
    AdminSettings, ByteSize, DataClockSettings, HumanDuration, MemberSettings, PublicSettings,
};
use narthex_telemetry::TelemetrySettings;

use crate::{
    memory::{MemoryArgs, MemoryLimits},
    ranges::{CacheArgs, CacheSettings},
};

/// Answers PromQL over HTTP from the ingesters of all partitions and from the blocks in the bucket.
#[derive(Debug, Clone, Parser)]
#[command(name = "narthex-querier", version)]
pub struct Config {
    /// Address of the query API, and of /ready, /live and /metrics unless --admin-listen is set
    #[arg(
        long = "listen",
        env = "NARTHEX_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9009"
    )]
    pub listen: SocketAddr,

    /// Who this process is in the cluster.
    #[command(flatten)]
    pub member: MemberSettings,

    /// How the deployment presents itself.
    #[command(flatten)]
    pub public: PublicSettings,

    /// What the edge lets in.
    #[command(flatten)]
    pub edge: EdgeSettings,

    /// Where operators look.
    #[command(flatten)]
    pub admin: AdminSettings,

    /// Time that samples are judged by.
    #[command(flatten)]
    pub data_clock: DataClockSettings,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,

    /// How queries run.
    #[command(flatten)]
    pub query: QueryArgs,

    /// Where blocks are listed; store-gateways read them.
    #[command(flatten)]
    pub bucket: BucketArgs,

    /// Length of the windows whose samples become one block, as the ingesters have it
    #[arg(long = "cut.window", env = "NARTHEX_CUT_WINDOW", value_name = "DURATION", default_value = "2h")]
    pub window: HumanDuration,

    /// For how long manifests can be followed.
    #[command(flatten)]
    pub margins: MarginArgs,
}

/// The querier's own keys, shared with the all-in-one.
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// Longest time a query may run; the timeout parameter of a request only shortens it
    #[arg(
        long = "query.timeout",
        env = "NARTHEX_QUERY_TIMEOUT",
        value_name = "DURATION",
        default_value = "2m"
    )]
    pub timeout: HumanDuration,

    /// How far back an instant selector looks for a sample
    #[arg(
        long = "query.lookback-delta",
        env = "NARTHEX_QUERY_LOOKBACK_DELTA",
        value_name = "DURATION",
        default_value = "5m"
    )]
    pub lookback_delta: HumanDuration,

    /// Most samples a query may read, a range query in every 24 hours of its range; and most that it may hold while it is evaluated
    #[arg(
        long = "query.max-samples",
        env = "NARTHEX_QUERY_MAX_SAMPLES",
        value_name = "NUMBER",
        default_value_t = 50_000_000
    )]
    pub max_samples: u64,

    /// Most series a query may read, a range query in every 24 hours of its range
    #[arg(
        long = "query.max-series",
        env = "NARTHEX_QUERY_MAX_SERIES",
        value_name = "NUMBER",
        default_value_t = 12_000_000
    )]
    pub max_series: u64,

    /// Most bytes of labels and chunks a query may receive from all owners and gateways together, a range query for every 24
    /// hours of its range
    #[arg(
        long = "query.max-bytes",
        env = "NARTHEX_QUERY_MAX_BYTES",
        value_name = "BYTES",
        default_value = "5GiB"
    )]
    pub max_bytes: ByteSize,

    /// Most chunks a query may receive from all owners and gateways together, a range query for every 24 hours of its range
    #[arg(
        long = "query.max-chunks",
        env = "NARTHEX_QUERY_MAX_CHUNKS",
        value_name = "NUMBER",
        default_value_t = 20_000_000
    )]
    pub max_chunks: u64,

    /// Longest time between start and end of a range query and of requests for series and labels; 0s is no limit
    #[arg(
        long = "query.max-range",
        env = "NARTHEX_QUERY_MAX_RANGE",
        value_name = "DURATION",
        default_value = "95d"
    )]
    pub max_range: HumanDuration,

    /// Round start and end of range queries down to multiples of the step, as the managed service does
    #[arg(
        long = "query.align-range",
        env = "NARTHEX_QUERY_ALIGN_RANGE",
        value_name = "true|false",
        default_value_t = true,
        action = ArgAction::Set
    )]
    pub align_range: bool,

    /// Requests answered at a time
    #[arg(
        long = "query.max-concurrent",
        env = "NARTHEX_QUERY_MAX_CONCURRENT",
        value_name = "NUMBER",
        default_value_t = 40
    )]
    pub max_concurrent: usize,

    /// Requests of one workspace answered at a time
    #[arg(
        long = "query.max-concurrent-per-workspace",
        env = "NARTHEX_QUERY_MAX_CONCURRENT_PER_WORKSPACE",
        value_name = "NUMBER",
        default_value_t = 20
    )]
    pub max_concurrent_per_workspace: usize,

    /// Requests of one workspace that may wait; more are refused with 429
    #[arg(
        long = "query.max-waiting-per-workspace",
        env = "NARTHEX_QUERY_MAX_WAITING_PER_WORKSPACE",
        value_name = "NUMBER",
        default_value_t = 200
    )]
    pub max_waiting_per_workspace: usize,

    /// Requests of all workspaces that may wait; more are refused with 503
    #[arg(
        long = "query.max-waiting",
        env = "NARTHEX_QUERY_MAX_WAITING",
        value_name = "NUMBER",
        default_value_t = 2_000
    )]
    pub max_waiting_of_all: usize,

    /// What queries may occupy.
    #[command(flatten)]
    pub memory: MemoryArgs,

    /// What is kept of results.
    #[command(flatten)]
    pub cache: CacheArgs,

    /// Longest time that a client may take to receive an answer; then its connection is closed and the memory of the answer freed
    #[arg(
        long = "query.send-timeout",
        env = "NARTHEX_QUERY_SEND_TIMEOUT",
        value_name = "DURATION",
        default_value = "5m"
    )]
    pub send_timeout: HumanDuration,

    /// Let ingesters answer aggregations of series that they hold, instead of sending the samples
    #[arg(
        long = "query.push-down",
        env = "NARTHEX_QUERY_PUSH_DOWN",
        value_name = "true|false",
        default_value_t = true,
        action = ArgAction::Set
    )]
    pub push_down: bool,

    /// Ask one more owner of a partition, or the next store-gateway for a block, when those asked have not sent anything for
    /// this long
    #[arg(
        long = "query.hedge-after",
        env = "NARTHEX_QUERY_HEDGE_AFTER",
        value_name = "DURATION",
        default_value = "500ms"
    )]
    pub hedge_after: HumanDuration,
}

/// [`QueryArgs`] as the API uses them.
#[derive(Debug, Clone)]
pub struct QuerySettings {
    /// Longest time of a query.
    pub timeout: Duration,
    /// Lookback in milliseconds.
    pub lookback_delta_ms: i64,
    /// Most samples of a query, and of 24 hours of a range query.
    pub max_samples: u64,
    /// Most series likewise.
    pub max_series: u64,
    /// Most bytes likewise.
    pub max_bytes: u64,
    /// Most chunks likewise.
    pub max_chunks: u64,
    /// Longest range in milliseconds.
    pub max_range_ms: i64,
    /// Whether ranges are aligned (STAT-11).
    pub align_range: bool,
    /// Requests running in the process.
    pub max_concurrent: usize,
    /// Requests running for one workspace.
    pub max_concurrent_per_workspace: usize,
    /// Requests waiting for one workspace.
    pub max_waiting_per_workspace: usize,
    /// Requests waiting in the process.
    pub max_waiting: usize,
    /// What queries may occupy.
    pub memory: MemoryLimits,
    /// What is kept of results.
    pub cache: CacheSettings,
    /// Longest time of sending an answer.
    pub send_timeout: Duration,
    /// Whether aggregations are answered where the series are.
    pub push_down: bool,
    /// Silence after which another owner is asked.
    pub hedge_after: Duration,
}

impl From<&QueryArgs> for QuerySettings {
    fn from(args: &QueryArgs) -> Self {
        Self {
            timeout: args.timeout.get(),
            lookback_delta_ms: millis(args.lookback_delta),
            max_samples: args.max_samples,
            max_series: args.max_series,
            max_bytes: args.max_bytes.bytes(),
            max_chunks: args.max_chunks,
            max_range_ms: match millis(args.max_range) {
                0 => i64::MAX,
                limit => limit,
            },
            align_range: args.align_range,
            max_concurrent: args.max_concurrent,
            max_concurrent_per_workspace: args.max_concurrent_per_workspace,
            max_waiting_per_workspace: args.max_waiting_per_workspace,
            max_waiting: args.max_waiting_of_all,
            memory: args.memory.limits(),
            cache: args.cache.settings(args.memory.limits()),
            send_timeout: args.send_timeout.get(),
            push_down: args.push_down,
            hedge_after: args.hedge_after.get(),
        }
    }
}

fn millis(duration: HumanDuration) -> i64 {
    i64::try_from(duration.get().as_millis()).unwrap_or(i64::MAX)
}

impl Default for QuerySettings {
    /// The defaults of the flags.
    fn default() -> Self {
        #[derive(Parser)]
        struct Defaults {
            #[command(flatten)]
            query: QueryArgs,
        }
        (&Defaults::parse_from(["defaults"]).query).into()
    }
}

impl QuerySettings {
    pub(crate) fn engine(&self) -> EngineConfig {
        EngineConfig {
            lookback_delta_ms: self.lookback_delta_ms,
            max_samples: usize::try_from(self.max_samples).unwrap_or(usize::MAX),
            push_down: self.push_down,
            ..EngineConfig::default()
        }
    }
}

//! Settings of the compactor.

use std::net::SocketAddr;

use clap::{Args, Parser};
use narthex_bucket::BucketArgs;
use narthex_manifest::MarginArgs;
use narthex_service::{AdminSettings, ByteSize, HumanDuration};
use narthex_telemetry::TelemetrySettings;

/// Keeps the bucket tidy: merges small blocks into large ones and deletes what no manifest has named for the grace period. One is
/// enough; several do no harm.
#[derive(Debug, Clone, Parser)]
#[command(name = "narthex-compactor", version)]
pub struct Config {
    /// Address of /ready, /live and /metrics unless --admin-listen is set
    #[arg(
        long = "listen",
        env = "NARTHEX_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9012"
    )]
    pub listen: SocketAddr,

    /// Where operators look.
    #[command(flatten)]
    pub admin: AdminSettings,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,

    /// The bucket to keep tidy.
    #[command(flatten)]
    pub bucket: BucketArgs,

    /// Length of the windows whose samples become one block, as the ingesters have it
    #[arg(long = "cut.window", env = "NARTHEX_CUT_WINDOW", value_name = "DURATION", default_value = "2h")]
    pub window: HumanDuration,

    /// When something is garbage.
    #[command(flatten)]
    pub margins: MarginArgs,

    /// When it is looked for.
    #[command(flatten)]
    pub collect: CollectArgs,

    /// How blocks are merged.
    #[command(flatten)]
    pub compact: CompactArgs,
}

/// The merger's own keys, shared with the all-in-one.
#[derive(Debug, Clone, Args)]
pub struct CompactArgs {
    /// Time between two rounds over all workspaces that look for blocks to merge. A round asks the bucket for the newest manifest of
    /// each
    #[arg(
        long = "compact.interval",
        env = "NARTHEX_COMPACT_INTERVAL",
        value_name = "DURATION",
        default_value = "10m"
    )]
    pub compact_interval: HumanDuration,

    /// Size above which the blocks of 6 or 12 windows become several, each with a part of the series
    #[arg(
        long = "compact.block-size",
        env = "NARTHEX_COMPACT_BLOCK_SIZE",
        value_name = "BYTES",
        default_value = "1GiB"
    )]
    pub compact_block_size: ByteSize,
}

impl Default for CompactArgs {
    fn default() -> Self {
        Self { compact_interval: HumanDuration::from_secs(600), compact_block_size: ByteSize::mib(1024) }
    }
}

/// The collector's own keys, shared with the all-in-one.
#[derive(Debug, Clone, Args)]
pub struct CollectArgs {
    /// Time between two rounds over all workspaces. A round lists every key in the bucket once
    #[arg(long = "gc.interval", env = "NARTHEX_GC_INTERVAL", value_name = "DURATION", default_value = "1h")]
    pub interval: HumanDuration,
}

impl Default for CollectArgs {
    fn default() -> Self {
        Self { interval: HumanDuration::from_secs(3_600) }
    }
}

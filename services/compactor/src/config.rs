//! Settings of the compactor.

use std::net::SocketAddr;

use clap::{Args, Parser};
use narthex_bucket::BucketArgs;
use narthex_manifest::MarginArgs;
use narthex_service::{AdminSettings, HumanDuration};
use narthex_telemetry::TelemetrySettings;

/// Keeps the bucket tidy: deletes what no manifest has named for the grace period. One is enough; several do no harm.
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

//! Writes a load to one receiver and reports what it took.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Result;
use clap::Parser;
use narthex_integration_tests::{aws::Signer, http::Http};
use narthex_load_tests::{Load, Plan, prepare, run};
use narthex_service::SystemClock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Writes N series of ten labels by remote write, as fast as acknowledged or at a rate, and reports acknowledged
/// samples, the servers' CPU time and memory, and latencies.
///
/// With AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment (`. data/client.env`) requests are signed.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    /// Remote write URL, complete; give one per zone (comma-separated or repeated). Default:
    /// $NARTHEX_WORKSPACE_URL/api/v1/remote_write.
    #[arg(long, value_delimiter = ',')]
    url: Vec<String>,
    /// How many series.
    #[arg(long, default_value_t = 100_000)]
    series: usize,
    /// Samples of each series.
    #[arg(long, default_value_t = 40)]
    samples: usize,
    /// One-sample series in a request.
    #[arg(long, default_value_t = 2_000)]
    series_per_request: usize,
    /// Connections that send at the same time.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Samples per second; as fast as acknowledged when absent.
    #[arg(long)]
    rate: Option<f64>,
    /// Milliseconds between two samples of a series on the data clock, which ends now.
    #[arg(long, default_value_t = 15_000)]
    interval_ms: i64,
    /// Process id of a server; its descendants count too. Repeat for several.
    #[arg(long, value_delimiter = ',')]
    pid: Vec<u32>,
    /// Send unsigned whatever the environment holds.
    #[arg(long)]
    no_sigv4: bool,
    /// Write the report as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide = true)]
    access_key_id: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true, hide_env_values = true)]
    secret_access_key: Option<String>,
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    #[arg(long, env = "NARTHEX_WORKSPACE_URL", hide = true)]
    workspace_url: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if let (true, Some(workspace)) = (arguments.url.is_empty(), &arguments.workspace_url) {
        arguments.url.push(format!("{workspace}/api/v1/remote_write"));
    }
    let signer = match (&arguments.access_key_id, &arguments.secret_access_key) {
        (Some(id), Some(secret)) if !arguments.no_sigv4 => Some(Signer::new(id, secret, &arguments.region)),
        _ => None,
    };
    let clock = SystemClock::shared();
    let plan = Plan {
        series: arguments.series,
        samples: arguments.samples,
        series_per_request: arguments.series_per_request,
        interval_ms: arguments.interval_ms,
        last_ms: clock.now().0,
    };
    let prepared = Arc::new(prepare(&plan)?);
    let load = Load {
        urls: arguments.url,
        signer,
        connections: arguments.connections,
        rate: arguments.rate,
        server_processes: arguments.pid,
    };
    let http = Http::new(clock, Duration::from_secs(60));
    let report = run("load", &plan, &prepared, &load, &http).await?;
    print!("{report}");
    if let Some(path) = arguments.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

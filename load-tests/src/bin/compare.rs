//! The same load against Narthex and its peers, one after another, in one run on this machine.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::Result;
use clap::Parser;
use narthex_load_tests::{
    Plan,
    compare::{Kind, Options, measure, table},
    prepare,
};
use narthex_service::SystemClock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Starts each receiver on an empty disk, writes the same load to it, and prints a table with ratios. Peers are
/// installed into the user's cache folder; Narthex's binaries are those beside this one, or in NARTHEX_BIN_DIR.
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Arguments {
    /// What to compare; the ratios are the first to each other one.
    #[arg(long, value_delimiter = ',', default_value = "narthex,prometheus,victoria-metrics")]
    receivers: Vec<Kind>,
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
    /// Milliseconds between two samples of a series on the data clock, which ends when the run begins.
    #[arg(long, default_value_t = 15_000)]
    interval_ms: i64,
    /// Kill each receiver at the end and measure the time until it is ready again.
    #[arg(long)]
    restart: bool,
    /// Write the reports as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options =
        Options { connections: arguments.connections, rate: arguments.rate, restart: arguments.restart };
    let plan = Plan {
        series: arguments.series,
        samples: arguments.samples,
        series_per_request: arguments.series_per_request,
        interval_ms: arguments.interval_ms,
        last_ms: SystemClock::shared().now().0,
    };
    let prepared = Arc::new(prepare(&plan)?);
    let mut reports = Vec::new();
    for kind in arguments.receivers {
        let report = measure(kind, &plan, &prepared, &options).await?;
        println!("{report}");
        reports.push(report);
    }
    print!("{}", table(&reports));
    if let Some(path) = arguments.json {
        fs::write(path, serde_json::to_vec_pretty(&reports)?)?;
    }
    Ok(())
}

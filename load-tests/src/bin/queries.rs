//! What queries of dashboards cost: Narthex beside its peers, on the same data in the same run.

use std::{future::pending, path::PathBuf};

use anyhow::Result;
use clap::Parser;
use narthex_integration_tests::sandbox::Sandbox;
use narthex_load_tests::queries::{Comparison, Kind, Options, Report, Rounds, Scale};
use narthex_service::HumanDuration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asks the queries of load-tests/queries/dashboards.yml of servers that hold the same samples, and prints a table: CPU time of
/// the server's process (median over runs), ratios, latencies, sums. Answers of Narthex and Prometheus are compared; what
/// differs is told below the table, and the exit status is 1.
///
/// To work on the engine, load once with --keep, and then run again and again on what was loaded:
///
///  $ queries --scale heads-100k --keep DIR --json peers.json
///  $ queries --scale heads-100k --keep DIR --servers narthex --baseline peers.json
///  $ queries --scale heads-100k --keep DIR --servers narthex,prometheus --only 'CPU by' --runs 5
///
/// The second takes the peers' figures from the first. A server's folder below DIR is complete when it holds a file `loaded`;
/// remove the folder to load again. Peers are installed into the user's cache folder; Narthex's binary is the one beside this
/// program, or in NARTHEX_BIN_DIR.
#[derive(Debug, Parser)]
#[command(name = "queries", verbatim_doc_comment)]
struct Arguments {
    /// The data set.
    #[arg(long, value_enum, default_value = "heads-100k")]
    scale: Scale,
    /// Who is asked; ratios are to the first.
    #[arg(long, value_delimiter = ',', default_value = "narthex,prometheus,victoria-metrics")]
    servers: Vec<Kind>,
    /// How often each question is asked of each server, in turns.
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// A question that was asked three times is left when it has taken this long.
    #[arg(long, default_value = "15s")]
    patience: HumanDuration,
    /// Only questions whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// Keep the servers' folders below this one, and use those that are there.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Write the report as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Take the figures of servers that are not asked now from this report.
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// At the end, leave the servers running until this program is interrupted, for a profiler or questions by hand. Process ids
    /// are told at the start.
    #[arg(long)]
    hold: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        scale: arguments.scale,
        servers: arguments.servers,
        only: arguments.only,
        rounds: Rounds { runs: arguments.runs, patience: arguments.patience.get() },
        keep: arguments.keep,
    };
    let sandbox = Sandbox::new()?;
    let comparison = Comparison::prepare(&sandbox, &options).await?;
    let mut report = comparison.run().await?;
    if let Some(path) = arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(path) = arguments.baseline {
        let earlier: Report = serde_json::from_slice(&std::fs::read(path)?)?;
        report.fill_from(&earlier);
    }
    print!("{}", report.markdown());
    let wrong = report.wrong().count();
    if arguments.hold {
        eprintln!("holding");
        pending::<()>().await;
    }
    drop(comparison);
    sandbox.discard();
    std::process::exit(i32::from(wrong > 0));
}

//! One control-plane node, or the operator's client of a running cluster.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use narthex_control_plane::{AdminArgs, Config, admin_main, run};
use narthex_telemetry::{TelemetrySettings, run_main};

/// Narthex's control plane: workspaces, keys, membership and the ring.
#[derive(Debug, Parser)]
#[command(name = "narthex-control-plane", version, args_conflicts_with_subcommands = true)]
struct Settings {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    telemetry: TelemetrySettings,

    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Inspect and change a running cluster
    Admin(AdminArgs),
}

fn main() -> ExitCode {
    let Settings { config, telemetry, task } = narthex_service::config::parse();
    match task {
        None => run_main("control-plane", &telemetry, None, |components| run(config, components)),
        Some(Task::Admin(args)) => admin_main(args),
    }
}

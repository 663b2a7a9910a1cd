//! `narthex`: every service in one process, and the commands that set up a cluster on one machine.

mod cluster;
mod files;
mod identity;
mod standalone;

use std::process::ExitCode;

use clap::Parser;
use narthex_service::{Random, SystemClock};

use crate::{cluster::ClusterCommand, standalone::Config};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.nth(1).is_some_and(|word| word == "cluster") {
        return cluster_command(ClusterCommand::parse());
    }
    let config: Config = narthex_service::config::parse();
    let (telemetry, data_clock) = (config.telemetry.clone(), config.data_clock.data_clock);
    narthex_telemetry::run_main("narthex", &telemetry, data_clock, |components| {
        standalone::run(config, components)
    })
}

fn cluster_command(command: ClusterCommand) -> ExitCode {
    let outcome = command.run(&Random::from_system(), &*SystemClock::shared());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `narthex`: every service in one process, the commands that set up a cluster on one machine, and those of operators.

mod cluster;
mod files;
mod identity;
mod standalone;

use std::process::ExitCode;

use clap::Parser;
use narthex_control_plane::{AdminArgs, admin_main};
use narthex_service::{Random, SystemClock};

use crate::{cluster::ClusterCommand, standalone::Config};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    match words.nth(1) {
        Some(word) if word == "cluster" => return cluster_command(ClusterCommand::parse()),
        Some(word) if word == "admin" => {
            let AdminCommand::Admin(args) = AdminCommand::parse();
            return admin_main(args);
        }
        _ => {}
    }
    let config: Config = narthex_service::config::parse();
    let (telemetry, data_clock) = (config.telemetry.clone(), config.data_clock.data_clock);
    narthex_telemetry::run_main("narthex", &telemetry, data_clock, |components| {
        standalone::run(config, components)
    })
}

/// `narthex admin ...`, the same as `narthex-control-plane admin ...`
#[derive(Debug, Parser)]
#[command(name = "narthex", version)]
enum AdminCommand {
    /// Inspect and change a running cluster, and its blocks
    Admin(AdminArgs),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The flags of all services meet here; two with one name, id or short letter are found out when a command is built.
    #[test]
    fn no_two_flags_collide() {
        Config::command().debug_assert();
        ClusterCommand::command().debug_assert();
        AdminCommand::command().debug_assert();
    }
}

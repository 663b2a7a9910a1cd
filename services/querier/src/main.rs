//! The querier as a process of its own.

use std::process::ExitCode;

use narthex_querier::{Config, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config: Config = narthex_service::config::parse();
    let (telemetry, data_clock) = (config.telemetry.clone(), config.data_clock.data_clock);
    narthex_telemetry::run_main("querier", &telemetry, data_clock, |components| run(config, components))
}

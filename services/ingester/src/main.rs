//! `narthex-ingester`: keeps recent samples. See `narthex-ingester --help`.

use std::process::ExitCode;

use narthex_ingester::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config: Config = narthex_service::config::parse();
    let (telemetry, data_clock) = (config.telemetry.clone(), config.data_clock.data_clock);
    narthex_telemetry::run_main("ingester", &telemetry, data_clock, |components| {
        narthex_ingester::run(config, components)
    })
}

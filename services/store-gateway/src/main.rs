//! `narthex-store-gateway`: serves blocks. See `narthex-store-gateway --help`.

use std::process::ExitCode;

use narthex_store_gateway::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config: Config = narthex_service::config::parse();
    let telemetry = config.telemetry.clone();
    narthex_telemetry::run_main("store-gateway", &telemetry, None, |components| {
        narthex_store_gateway::run(config, components)
    })
}

//! `narthex-compactor`: keeps the bucket tidy. See `narthex-compactor --help`.

use std::process::ExitCode;

use narthex_compactor::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config: Config = narthex_service::config::parse();
    let telemetry = config.telemetry.clone();
    narthex_telemetry::run_main("compactor", &telemetry, None, |components| {
        narthex_compactor::run(config, components)
    })
}

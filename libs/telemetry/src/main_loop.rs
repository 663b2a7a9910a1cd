//! What every `main` does around its service.

use std::{future::Future, process::ExitCode};

use narthex_service::{Components, DataClockSetting, cancel_on_signal};

use crate::{Telemetry, TelemetrySettings};

/// Runs a service to its end: runtime, logs and traces, signals, then `service`, then the last spans.
///
/// `service` gets the process's components and returns once it has drained after their shutdown token was cancelled. An
/// error is logged with its causes, and the process ends with a failure. A binary sets its global allocator itself.
pub fn run_main<F, Fut, E>(
    name: &str,
    settings: &TelemetrySettings,
    data_clock: Option<DataClockSetting>,
    service: F,
) -> ExitCode
where
    F: FnOnce(Components) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<anyhow::Error>,
{
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    runtime.block_on(async {
        let telemetry = match Telemetry::install(name, settings) {
            Ok(telemetry) => telemetry,
            Err(error) => return fail(&error.to_string()),
        };
        let components = Components::from_system(data_clock);
        if let Err(error) = cancel_on_signal(components.shutdown.clone()) {
            return fail(&format!("cannot listen for signals: {error}"));
        }
        tracing::info!(service = name, version = env!("CARGO_PKG_VERSION"), "starting");
        let outcome = service(components).await.map_err(Into::into);
        let code = match outcome {
            Ok(()) => {
                tracing::info!(service = name, "stopped");
                ExitCode::SUCCESS
            }
            Err(error) => {
                tracing::error!(service = name, error = format!("{error:#}"), "stopped by an error");
                ExitCode::FAILURE
            }
        };
        telemetry.shutdown().await;
        code
    })
}

/// For failures before logs work.
fn fail(reason: &str) -> ExitCode {
    eprintln!("error: {reason}");
    ExitCode::FAILURE
}

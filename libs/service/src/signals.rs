//! SIGTERM and SIGINT begin the drain; a second one ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `shutdown` on SIGTERM or SIGINT. A second signal exits with the shell's code for it, without draining.
/// Must be called within the runtime.
pub fn cancel_on_signal(shutdown: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => ("SIGTERM", 143),
                _ = interrupt.recv() => ("SIGINT", 130),
            }
        };
        let (name, _) = next().await;
        tracing::info!(signal = name, "shutting down; send the signal again to stop without draining");
        shutdown.cancel();
        let (name, code) = next().await;
        tracing::warn!(signal = name, "stopping without draining");
        std::process::exit(code);
    });
    Ok(())
}

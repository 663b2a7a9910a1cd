//! The maintainer: writes frozen chunk files and checkpoints beside the writer, when they are due, and measures what is on disk.

use std::{sync::atomic::Ordering, time::Duration};

use super::{checkpoint, shared::Shared};

/// How often it looks whether something is due.
const PAUSE: Duration = Duration::from_secs(1);
/// Shortest time between attempts after a failed one.
const RETRY: Duration = Duration::from_secs(10);

/// Works until storage is closed.
pub(super) fn run(shared: &Shared) {
    let mut last = shared.clock.monotonic();
    let mut failed_at: Option<Duration> = None;
    loop {
        let mut state = shared.maintain.lock();
        if !state.closed {
            shared.maintenance.wait_for(&mut state, PAUSE);
        }
        if state.closed || shared.failure.get().is_some() || shared.abandoned.load(Ordering::Acquire) {
            return;
        }
        drop(state);
        measure(shared);
        let now = shared.clock.monotonic();
        if failed_at.is_some_and(|at| now.saturating_sub(at) < RETRY) {
            continue;
        }
        let written = shared.uncheckpointed.load(Ordering::Relaxed);
        let due = now.saturating_sub(last) >= shared.config.checkpoint_interval && written > 0;
        let outcome = if due || written >= shared.config.checkpoint_bytes {
            last = now;
            checkpoint::write(shared)
        } else {
            checkpoint::write_chunk_files(shared)
        };
        failed_at = outcome.is_err().then_some(now);
    }
}

/// Counts the bytes of the directory: heads with what they will write, and the log since the last checkpoint with what is
/// preallocated.
pub(super) fn measure(shared: &Shared) {
    let workspaces: Vec<_> = shared.workspaces.read().values().cloned().collect();
    let heads = workspaces.iter().map(|workspace| workspace.state.read().disk_bytes()).sum::<u64>();
    let bytes = heads + shared.uncheckpointed.load(Ordering::Relaxed) + shared.config.allocate_bytes;
    shared.disk_bytes.store(bytes, Ordering::Relaxed);
    shared.metrics.disk_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
}

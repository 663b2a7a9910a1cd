//! Who reads: forgetting waits for those who began before.
//!
//! An answer of a read names the manifest revision that this owner acts on, and blocks are read by that revision; if samples went
//! from memory after the answer was begun, they would be in neither. So the owner first acts on the newer revision, and what
//! is forgotten goes only when all reads of the time before have ended. Reads that take longer than that waits for them
//! are expelled: they fail and are asked again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use narthex_service::Clock;
use parking_lot::Mutex;

use super::{error::StorageError, shared::Workspace};

/// Longest wait for reads.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between looks.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    era: u64,
    /// Leases of earlier eras are void.
    void_before: u64,
    /// Number of leases by era.
    held: BTreeMap<u64, usize>,
}

/// A read that goes on.
#[derive(Debug)]
pub(super) struct Lease {
    workspace: Arc<Workspace>,
    era: u64,
}

impl Lease {
    pub(super) fn new(workspace: Arc<Workspace>) -> Self {
        let era = {
            let mut state = workspace.leases.0.lock();
            let era = state.era;
            *state.held.entry(era).or_default() += 1;
            era
        };
        Self { workspace, era }
    }

    /// Where to read, unless the read was expelled.
    pub(super) fn workspace(&self) -> Result<&Arc<Workspace>, StorageError> {
        let expelled = self.era < self.workspace.leases.0.lock().void_before;
        if expelled { Err(StorageError::Expelled) } else { Ok(&self.workspace) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.workspace.leases.0.lock();
        if let Some(held) = state.held.get_mut(&self.era) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.era);
            }
        }
    }
}

impl Leases {
    /// Begins an era and waits until no read of an earlier one goes on.
    pub(super) async fn turn(&self, clock: &dyn Clock) {
        let era = {
            let mut state = self.0.lock();
            state.era += 1;
            state.era
        };
        let began = clock.monotonic();
        loop {
            {
                let mut state = self.0.lock();
                let waits = state.held.keys().next().is_some_and(|oldest| *oldest < era);
                if !waits || clock.monotonic().saturating_sub(began) >= PATIENCE {
                    state.void_before = state.void_before.max(era);
                    return;
                }
            }
            clock.sleep(PAUSE).await;
        }
    }
}

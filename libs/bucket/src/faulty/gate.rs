//! A place where operations wait until a test lets them go on.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed until [`Gate::open`]. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<State>>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    open: bool,
    arrived: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    /// Waits until `count` operations have come to the gate, whether they still wait or not.
    pub async fn arrived(&self, count: usize) {
        self.wait_for(|state| state.arrived >= count).await;
    }

    pub(super) async fn pass(&self) {
        self.0.send_modify(|state| state.arrived += 1);
        self.wait_for(|state| state.open).await;
    }

    async fn wait_for(&self, condition: impl FnMut(&State) -> bool) {
        // The sender lives in self, so the wait cannot end by its loss.
        let mut states = self.0.subscribe();
        let _state = states.wait_for(condition).await;
    }
}

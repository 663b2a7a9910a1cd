//! The gate before every read: how many requests run and wait at a time, per process and per workspace.
//!
//! [`Turns`] decides; here requests wait for its word and slots come back when they are dropped. A request that goes away while
//! it waits leaves its place, also when its turn came at the same moment.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use narthex_model::WorkspaceId;
use narthex_service::SharedClock;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    ApiError, ErrorKind,
    turns::{Arrival, GateLimits, Refusal, Ticket, Turns},
};
use crate::metrics::{Metrics, Reason};

/// The gate. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    clock: SharedClock,
    metrics: Metrics,
}

struct State {
    turns: Turns,
    /// Who waits for its word.
    calls: HashMap<Ticket, oneshot::Sender<()>>,
}

/// The right to run, given back on drop.
pub(crate) struct Slot {
    gate: Gate,
    workspace: WorkspaceId,
    since: Duration,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Shared { clock, metrics, .. } = &*self.gate.0;
        metrics.running.dec();
        let held = clock.monotonic().saturating_sub(self.since);
        self.gate.done(self.workspace, held);
    }
}

/// A request in the line; leaves it on drop unless its turn came.
struct Waiting {
    gate: Gate,
    workspace: WorkspaceId,
    ticket: Ticket,
    taken: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let left = {
            let mut state = self.gate.0.state.lock();
            state.calls.remove(&self.ticket);
            let left = state.turns.leave(self.workspace, self.ticket);
            self.gate.note(&state);
            left
        };
        if !left {
            // The slot was given to it a moment ago.
            self.gate.done(self.workspace, Duration::ZERO);
        }
    }
}

impl Gate {
    pub(crate) fn new(limits: GateLimits, clock: SharedClock, metrics: Metrics) -> Self {
        let state = Mutex::new(State { turns: Turns::new(limits), calls: HashMap::new() });
        Self(Arc::new(Shared { state, clock, metrics }))
    }

    /// Waits for a slot; fails at once where too many wait, or where the wait would probably be longer than `patience`. Whoever
    /// calls ends the wait by dropping it.
    pub(crate) async fn enter(&self, workspace: WorkspaceId, patience: Duration) -> Result<Slot, ApiError> {
        let Shared { state, clock, metrics } = &*self.0;
        let came = clock.monotonic();
        let waiting = {
            let mut state = state.lock();
            let arrival = state.turns.arrive(workspace, patience);
            match arrival.map_err(|refusal| self.refused(refusal))? {
                Arrival::Runs => None,
                Arrival::Waits(ticket) => {
                    let (call, called) = oneshot::channel();
                    state.calls.insert(ticket, call);
                    self.note(&state);
                    Some((Waiting { gate: self.clone(), workspace, ticket, taken: false }, called))
                }
            }
        };
        if let Some((mut waiting, called)) = waiting {
            let shut = |_| ApiError::new(ErrorKind::Unavailable, "the querier is shutting down, ask another");
            called.await.map_err(shut)?;
            waiting.taken = true;
        }
        let since = clock.monotonic();
        metrics.running.inc();
        metrics.waited.observe(since.saturating_sub(came).as_secs_f64());
        Ok(Slot { gate: self.clone(), workspace, since })
    }

    fn done(&self, workspace: WorkspaceId, held: Duration) {
        let mut state = self.0.state.lock();
        if let Some(ticket) = state.turns.done(workspace, held)
            && let Some(call) = state.calls.remove(&ticket)
        {
            // One that went away in this moment gives the slot back itself.
            let _ = call.send(());
        }
        self.note(&state);
    }

    fn note(&self, state: &State) {
        self.0.metrics.waiting.set(state.turns.waiting() as i64);
    }

    fn refused(&self, refusal: Refusal) -> ApiError {
        let (reason, kind, text) = match refusal {
            Refusal::LineFull(limit) => (
                "too_many_waiting",
                ErrorKind::TooManyRequests,
                format!(
                    "too many queries of the workspace are waiting already (limit: {limit}), try again later"
                ),
            ),
            Refusal::TooLateOfOwn(wait) => (
                "too_late_of_own",
                ErrorKind::TooManyRequests,
                format!(
                    "the workspace has queued so many queries that this one would wait about {:.0} s, longer than its timeout; \
                     send fewer at a time",
                    wait.as_secs_f64()
                ),
            ),
            Refusal::Overloaded(limit) => (
                "overloaded",
                ErrorKind::Unavailable,
                format!("the querier is overloaded: {limit} queries are waiting, try again later"),
            ),
            Refusal::TooLate(wait) => (
                "too_late",
                ErrorKind::Unavailable,
                format!(
                    "the querier is overloaded: the query would wait about {:.0} s, longer than its timeout; try again later",
                    wait.as_secs_f64()
                ),
            ),
        };
        self.0.metrics.refused.get_or_create(&Reason { reason }).inc();
        ApiError::new(kind, text)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("turns", &self.0.state.lock().turns).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};
    use narthex_service::{Components, SystemClock};

    use super::*;

    const LIMITS: GateLimits =
        GateLimits { running: 1, running_per_workspace: 1, waiting: 2, waiting_per_workspace: 1 };
    const PATIENCE: Duration = Duration::from_secs(60);

    fn gate() -> (Gate, Metrics) {
        let metrics = Metrics::register(&mut Components::from_system(None).registry.lock());
        (Gate::new(LIMITS, SystemClock::shared(), metrics.clone()), metrics)
    }

    fn workspace(number: u128) -> WorkspaceId {
        WorkspaceId::from_u128(number)
    }

    #[tokio::test]
    async fn slots_pass_from_one_to_the_next_and_refusals_are_counted() {
        let (gate, metrics) = gate();
        let first = gate.enter(workspace(1), PATIENCE).await.expect("free");
        let mut second = Box::pin(gate.enter(workspace(1), PATIENCE));
        let mut other = Box::pin(gate.enter(workspace(2), PATIENCE));
        assert!(poll!(&mut second).is_pending() && poll!(&mut other).is_pending());
        let full =
            gate.enter(workspace(1), PATIENCE).now_or_never().expect("at once").err().expect("refused");
        assert_eq!(full.kind, ErrorKind::TooManyRequests);
        let loaded =
            gate.enter(workspace(3), PATIENCE).now_or_never().expect("at once").err().expect("refused");
        assert_eq!(loaded.kind, ErrorKind::Unavailable);
        for reason in ["too_many_waiting", "overloaded"] {
            assert_eq!(metrics.refused.get_or_create(&Reason { reason }).get(), 1, "{reason}");
        }
        assert_eq!((metrics.running.get(), metrics.waiting.get()), (1, 2));
        drop(first);
        drop(second.await.expect("its turn"));
        drop(other.await.expect("its turn"));
        assert_eq!((metrics.running.get(), metrics.waiting.get()), (0, 0));
    }

    #[tokio::test]
    async fn a_slot_given_to_one_that_went_away_is_not_lost() {
        let (gate, metrics) = gate();
        let first = gate.enter(workspace(1), PATIENCE).await.expect("free");
        let mut second = Box::pin(gate.enter(workspace(1), PATIENCE));
        let mut other = Box::pin(gate.enter(workspace(2), PATIENCE));
        assert!(poll!(&mut second).is_pending() && poll!(&mut other).is_pending());
        drop(first);
        // Called, and dropped before it was polled again.
        drop(second);
        drop(other.await.expect("its turn"));
        let third = gate.enter(workspace(3), PATIENCE).now_or_never().expect("at once");
        assert!(third.is_ok());
        drop(third);
        assert_eq!((metrics.running.get(), metrics.waiting.get()), (0, 0));
    }
}

//! What is due and when it is tried: a pure function of what was noticed and how tries ended.
//!
//! Times are monotonic. An owner waits its turns from when it noticed that a cut is due, so that a turn lasts as long as work
//! lasts, however fast the data clock runs.

use std::{collections::BTreeMap, time::Duration};

use narthex_model::{Window, WorkspaceId};

/// The first pause after a failure; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Cuts that are due and not committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agenda(BTreeMap<(WorkspaceId, Window), Pending>);

#[derive(Debug, Clone, Copy)]
struct Pending {
    since: Duration,
    not_before: Duration,
    failures: u32,
}

impl Agenda {
    /// Notes that a cut is due, and tells whether this owner tries it now: its turn has come, and the pause after the last failure
    /// is over. `wait` is how long the owners before it have.
    pub(crate) fn is_up(
        &mut self,
        workspace: WorkspaceId,
        window: Window,
        wait: Duration,
        now: Duration,
    ) -> bool {
        let fresh = Pending { since: now, not_before: now.saturating_add(wait), failures: 0 };
        now >= self.0.entry((workspace, window)).or_insert(fresh).not_before
    }

    /// A try failed: the next one comes after a pause. `noise` in 0..=1000 spreads the pauses of many cuts.
    pub(crate) fn failed(&mut self, workspace: WorkspaceId, window: Window, now: Duration, noise: u32) {
        if let Some(pending) = self.0.get_mut(&(workspace, window)) {
            let pause = FIRST_PAUSE.saturating_mul(1 << pending.failures.min(16)).min(LONGEST_PAUSE);
            pending.failures += 1;
            pending.not_before = now.saturating_add(pause / 2 + pause * noise / 2_000);
        }
    }

    /// For how long a cut has been due.
    pub(crate) fn pending_for(&self, workspace: WorkspaceId, window: Window, now: Duration) -> Duration {
        let pending = self.0.get(&(workspace, window));
        pending.map_or(Duration::ZERO, |pending| now.saturating_sub(pending.since))
    }

    /// Keeps only cuts that are still to be made.
    pub(crate) fn retain(&mut self, keep: impl Fn(WorkspaceId, Window) -> bool) {
        self.0.retain(|(workspace, window), _| keep(*workspace, *window));
    }

    /// How many cuts are due, and for how long the oldest has been.
    pub(crate) fn backlog(&self, now: Duration) -> (usize, Duration) {
        let oldest = self.0.values().map(|pending| pending.since).min();
        (self.0.len(), oldest.map_or(Duration::ZERO, |since| now.saturating_sub(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn owners_wait_for_those_before_them_and_pause_after_failures() {
        let (mut agenda, workspace, window) = (Agenda::default(), WorkspaceId::from_random(1), Window(1));
        assert!(!agenda.is_up(workspace, window, secs(10), secs(100)));
        assert!(!agenda.is_up(workspace, window, secs(10), secs(109)));
        assert!(agenda.is_up(workspace, window, secs(10), secs(110)));
        let mut now = secs(110);
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            agenda.failed(workspace, window, now, 1_000);
            assert!(!agenda.is_up(workspace, window, secs(10), now + secs(pause) - secs(1)));
            now += secs(pause);
            assert!(agenda.is_up(workspace, window, secs(10), now), "after {pause} s");
        }
        assert_eq!(agenda.backlog(now), (1, now - secs(100)));
        agenda.retain(|_, _| false);
        assert_eq!(agenda.backlog(now), (0, Duration::ZERO));
    }
}

//! Whose turn it is: which request runs next when a slot is free, and which is refused at once. Pure.
//!
//! A free slot goes to the waiting workspace that runs the fewest requests, among equals to the one whose last turn is longest
//! ago; within a workspace requests run in their order. So a workspace that waits gets its fair share of slots whatever others
//! have queued, and never more slots than its own bound. No slot is free while a request waits that may take it.
//!
//! A request that would probably wait longer than its time is refused while its client can still ask elsewhere. The estimate is
//! the number of turns before its own by how long requests hold a slot, as seen lately.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use narthex_model::WorkspaceId;

/// Upper bounds of [`Turns`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct GateLimits {
    /// Running requests of the process.
    pub(crate) running: usize,
    /// Running requests of one workspace.
    pub(crate) running_per_workspace: usize,
    /// Waiting requests of the process; more are refused.
    pub(crate) waiting: usize,
    /// Waiting requests of one workspace; more are refused.
    pub(crate) waiting_per_workspace: usize,
}

/// A waiting request.
pub(crate) type Ticket = u64;

/// What becomes of a request that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It has a slot.
    Runs,
    /// It waits under this ticket.
    Waits(Ticket),
}

/// Why a request neither runs nor waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The workspace's own line is full.
    LineFull(usize),
    /// All lines together are.
    Overloaded(usize),
    /// Its turn would come after its time, for what its own workspace has queued.
    TooLateOfOwn(Duration),
    /// The same, for what others have.
    TooLate(Duration),
}

/// The state of all lines.
#[derive(Debug)]
pub(crate) struct Turns {
    limits: GateLimits,
    running: usize,
    waiting: usize,
    lines: HashMap<WorkspaceId, Line>,
    next: u64,
    /// How long requests hold a slot; zero while nothing is known.
    hold: Duration,
}

/// The requests of one workspace; forgotten with the last of them.
#[derive(Debug, Default)]
struct Line {
    running: usize,
    waiting: VecDeque<Ticket>,
    last_turn: u64,
}

impl Turns {
    pub(crate) fn new(limits: GateLimits) -> Self {
        let limits = GateLimits {
            running: limits.running.max(1),
            running_per_workspace: limits.running_per_workspace.max(1),
            ..limits
        };
        Self { limits, running: 0, waiting: 0, lines: HashMap::new(), next: 0, hold: Duration::ZERO }
    }

    /// Requests that wait.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// A request comes that can wait for so long.
    pub(crate) fn arrive(&mut self, workspace: WorkspaceId, patience: Duration) -> Result<Arrival, Refusal> {
        let limits = self.limits;
        let (own, ahead) =
            self.lines.get(&workspace).map_or((0, 0), |line| (line.running, line.waiting.len()));
        if self.running < limits.running && own < limits.running_per_workspace && ahead == 0 {
            self.next += 1;
            let line = self.lines.entry(workspace).or_default();
            (line.running, line.last_turn) = (own + 1, self.next);
            self.running += 1;
            return Ok(Arrival::Runs);
        }
        if ahead >= limits.waiting_per_workspace {
            return Err(Refusal::LineFull(limits.waiting_per_workspace));
        }
        if self.waiting >= limits.waiting {
            return Err(Refusal::Overloaded(limits.waiting));
        }
        self.judge(workspace, ahead, patience)?;
        self.next += 1;
        let line = self.lines.entry(workspace).or_default();
        if ahead == 0 && own == 0 {
            line.last_turn = self.next;
        }
        line.waiting.push_back(self.next);
        self.waiting += 1;
        Ok(Arrival::Waits(self.next))
    }

    /// Refuses a request whose turn would come too late.
    fn judge(&self, workspace: WorkspaceId, ahead: usize, patience: Duration) -> Result<(), Refusal> {
        let wait = |turns: usize, slots: usize| self.hold.mul_f64(turns as f64 / slots as f64);
        let own = wait(ahead + 1, self.limits.running_per_workspace.min(self.limits.running));
        if own > patience {
            return Err(Refusal::TooLateOfOwn(own));
        }
        // For each turn of this workspace every other that waits has one.
        let others = self.lines.iter().filter(|(other, _)| **other != workspace);
        let before: usize = others.map(|(_, line)| line.waiting.len().min(ahead + 1)).sum();
        let all = wait(before + ahead + 1, self.limits.running);
        if all > patience { Err(Refusal::TooLate(all)) } else { Ok(()) }
    }

    /// A request is done after it held its slot for so long (not at all if it went away); the ticket of the one that gets the slot.
    pub(crate) fn done(&mut self, workspace: WorkspaceId, held: Duration) -> Option<Ticket> {
        if !held.is_zero() {
            self.hold = if self.hold.is_zero() { held } else { (self.hold * 7 + held) / 8 };
        }
        self.running -= 1;
        if let Some(line) = self.lines.get_mut(&workspace) {
            line.running -= 1;
        }
        let granted = self.grant();
        self.forget(workspace);
        granted
    }

    /// A waiting request goes away; false if it does not wait (any more).
    pub(crate) fn leave(&mut self, workspace: WorkspaceId, ticket: Ticket) -> bool {
        let Some(line) = self.lines.get_mut(&workspace) else { return false };
        let Some(at) = line.waiting.iter().position(|waiting| *waiting == ticket) else { return false };
        line.waiting.remove(at);
        self.waiting -= 1;
        self.forget(workspace);
        true
    }

    fn grant(&mut self) -> Option<Ticket> {
        let most = self.limits.running_per_workspace;
        let may = self.lines.values_mut().filter(|line| !line.waiting.is_empty() && line.running < most);
        let line = may.min_by_key(|line| (line.running, line.last_turn))?;
        let ticket = line.waiting.pop_front()?;
        self.next += 1;
        (line.running, line.last_turn) = (line.running + 1, self.next);
        self.running += 1;
        self.waiting -= 1;
        Some(ticket)
    }

    fn forget(&mut self, workspace: WorkspaceId) {
        if self.lines.get(&workspace).is_some_and(|line| line.running == 0 && line.waiting.is_empty()) {
            self.lines.remove(&workspace);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const LIMITS: GateLimits =
        GateLimits { running: 4, running_per_workspace: 3, waiting: 12, waiting_per_workspace: 6 };
    const LONG: Duration = Duration::from_secs(1_000);

    fn workspace(number: u128) -> WorkspaceId {
        WorkspaceId::from_u128(number)
    }

    fn waits(arrival: Result<Arrival, Refusal>) -> Ticket {
        match arrival {
            Ok(Arrival::Waits(ticket)) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_comes_last_and_runs_nothing_gets_the_next_slot() {
        let mut turns = Turns::new(GateLimits { running_per_workspace: 4, ..LIMITS });
        let (greedy, probe) = (workspace(1), workspace(2));
        for _ in 0..4 {
            assert_eq!(turns.arrive(greedy, LONG), Ok(Arrival::Runs));
        }
        let queued: Vec<_> = (0..6).map(|_| waits(turns.arrive(greedy, LONG))).collect();
        let ticket = waits(turns.arrive(probe, LONG));
        assert_eq!(turns.done(greedy, Duration::ZERO), Some(ticket), "though six waited before it");
        assert_eq!(turns.done(greedy, Duration::ZERO), Some(queued[0]));
    }

    #[test]
    fn workspaces_that_run_as_much_take_turns() {
        let mut turns = Turns::new(GateLimits { running: 1, ..LIMITS });
        assert_eq!(turns.arrive(workspace(9), LONG), Ok(Arrival::Runs));
        let tickets: Vec<Vec<_>> =
            (0..3).map(|w| (0..3).map(|_| waits(turns.arrive(workspace(w), LONG))).collect()).collect();
        let expected: Vec<_> = (0..3).flat_map(|round| tickets.iter().map(move |line| line[round])).collect();
        let mut runs = workspace(9);
        for ticket in expected {
            assert_eq!(turns.done(runs, Duration::ZERO), Some(ticket));
            let of = tickets.iter().position(|line| line.contains(&ticket)).expect("a known ticket");
            runs = workspace(of as u128);
        }
        assert_eq!(turns.done(runs, Duration::ZERO), None);
        assert!(turns.lines.is_empty() && turns.running == 0 && turns.waiting == 0);
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let mut turns = Turns::new(LIMITS);
        for _ in 0..3 {
            assert_eq!(turns.arrive(workspace(1), LONG), Ok(Arrival::Runs));
        }
        let queued: Vec<_> = (0..6).map(|_| waits(turns.arrive(workspace(1), LONG))).collect();
        assert_eq!(turns.arrive(workspace(1), LONG), Err(Refusal::LineFull(6)));
        assert_eq!(turns.arrive(workspace(2), LONG), Ok(Arrival::Runs));
        (0..6).for_each(|_| assert!(waits(turns.arrive(workspace(2), LONG)) > 0));
        assert_eq!(turns.arrive(workspace(3), LONG), Err(Refusal::Overloaded(12)));
        // Sixty seconds hold a slot each, three slots for a workspace.
        assert!(turns.done(workspace(1), Duration::from_secs(60)).is_some());
        assert!(turns.leave(workspace(1), queued[0]));
        let soon = Duration::from_secs(119);
        assert_eq!(turns.arrive(workspace(1), soon), Err(Refusal::TooLateOfOwn(Duration::from_secs(120))));
        assert_eq!(turns.arrive(workspace(3), soon / 4), Err(Refusal::TooLate(Duration::from_secs(45))));
        assert!(matches!(turns.arrive(workspace(3), soon), Ok(Arrival::Waits(_))));
    }

    /// One event: a request comes, one that runs is done, or one that waits goes away.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Arrive(u128),
        Done(usize),
        Leave(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0u128..5).prop_map(Event::Arrive),
            3 => any::<usize>().prop_map(Event::Done),
            1 => any::<usize>().prop_map(Event::Leave),
        ]
    }

    proptest! {
        #[test]
        fn slots_are_used_fairly_and_in_order(events in prop::collection::vec(event(), 1..200)) {
            let mut turns = Turns::new(LIMITS);
            let mut running: Vec<u128> = Vec::new();
            // What waits, in its order, and how many turns others had since its line had one.
            let mut waiting: BTreeMap<u128, VecDeque<Ticket>> = BTreeMap::new();
            let mut passed: BTreeMap<u128, BTreeMap<u128, usize>> = BTreeMap::new();
            for event in events {
                match event {
                    Event::Arrive(w) => match turns.arrive(workspace(w), LONG) {
                        Ok(Arrival::Runs) => running.push(w),
                        Ok(Arrival::Waits(ticket)) => waiting.entry(w).or_default().push_back(ticket),
                        Err(refusal) => {
                            let all: usize = waiting.values().map(VecDeque::len).sum();
                            let own = waiting.get(&w).map_or(0, VecDeque::len);
                            let full = match refusal {
                                Refusal::LineFull(_) => own == 6,
                                Refusal::Overloaded(_) => all == 12,
                                _ => false,
                            };
                            prop_assert!(full, "refused with {:?} while {} of {} wait", refusal, own, all);
                        }
                    },
                    Event::Leave(at) => {
                        let all: Vec<_> =
                            waiting.iter().flat_map(|(w, line)| line.iter().map(|ticket| (*w, *ticket))).collect();
                        if let Some((w, ticket)) = all.get(at % all.len().max(1)).copied() {
                            prop_assert!(turns.leave(workspace(w), ticket));
                            prop_assert!(!turns.leave(workspace(w), ticket));
                            waiting.entry(w).or_default().retain(|other| *other != ticket);
                        }
                    }
                    Event::Done(at) if !running.is_empty() => {
                        let ended = running.swap_remove(at % running.len());
                        let runs = |running: &[u128], w: u128| running.iter().filter(|other| **other == w).count();
                        if let Some(ticket) = turns.done(workspace(ended), Duration::from_secs(1)) {
                            let found = waiting.iter().find(|(_, line)| line.front() == Some(&ticket));
                            let w = *found.expect("the first of a line").0;
                            let least = waiting.iter().filter(|(_, line)| !line.is_empty());
                            let least = least.map(|(other, _)| runs(&running, *other)).min();
                            prop_assert_eq!(Some(runs(&running, w)), least, "the one that runs least");
                            waiting.entry(w).or_default().pop_front();
                            running.push(w);
                            // Nobody that waits is passed by the same workspace again and again.
                            passed.remove(&w);
                            let idle = waiting.iter().filter(|(other, line)| {
                                !line.is_empty() && runs(&running, **other) == 0
                            });
                            for (other, _) in idle {
                                let times = passed.entry(*other).or_default().entry(w).or_default();
                                *times += 1;
                                prop_assert!(*times <= 1, "{} was passed {} times by {}", other, times, w);
                            }
                        }
                    }
                    Event::Done(_) => {}
                }
                passed.retain(|w, _| waiting.get(w).is_some_and(|line| !line.is_empty()));
                let of = |w: u128| running.iter().filter(|other| **other == w).count();
                prop_assert!(running.len() <= 4 && (0..5).all(|w| of(w) <= 3));
                let idle = running.len() < 4 && waiting.iter().any(|(w, line)| !line.is_empty() && of(*w) < 3);
                prop_assert!(!idle, "a slot is free for one that waits");
                prop_assert_eq!((turns.running, turns.waiting), (running.len(), waiting.values().map(VecDeque::len).sum()));
            }
        }
    }
}

//! The commit protocol as a state machine: what happened goes in, what to do next comes out. No I/O, no clock.
//!
//! ```text
//! newest root -> conditions hold? -> HEAD of added blocks -> new segments -> PUT root, if absent
//!      ^                                                                        |  written, exists or unknown
//!      |                                                                        v
//!      +--- not there: again on what is there <--- LIST: is it in the newest? <--- GET that revision: whose is it?
//! ```
//!
//! * Rule 5: only a manifest that a LIST returned as newest answers anything: success, refusal, or "somebody else did it". A
//!   root that a writer read in any other way may be a fork: a paused writer can write next to a base whose successors were
//!   collected, and never knows.
//! * Rule 8: "already exists" and an unknown outcome are settled by reading that revision: our nonce is success, another's is
//!   the base of the next attempt, none means the same bytes under the same name again.
//! * Rule 9: every attempt evaluates the edit on the manifest it is applied to (B-4).
//! * Rule 10: a commit begins after a HEAD of its blocks, within [`commit_within`](crate::Margins::commit_within) of their PUT by
//!   the bucket's dates. However long the process is paused after that, a block that may have been collected meanwhile is refused by
//!   [`Manifest::collected_before`], which the collector moves on *before* it deletes. So safety does not rest on the margin.
//!
//! Drive it with [`Committer::start`], then one [`Event`] for every [`Action`], until [`Action::Done`]. A driver that stops in
//! between, wherever it is, leaves at most objects that the collector finds.

mod messages;

use std::{sync::Arc, time::Duration};

use narthex_model::{ManifestRevision, WorkspaceId};

use crate::{Applied, Attempt, BucketTime, Edit, Manifest, Refused};
pub use messages::{Action, Event, Outcome, Rewrite, Tally, Writer};

#[derive(Debug, Clone)]
enum State {
    Start,
    List,
    Load(ManifestRevision),
    Head(usize),
    Segment(Applied, usize),
    Put(Applied),
    Settle(Applied),
    /// What follows the wait.
    Wait(Box<State>),
}

/// A commit under way.
#[derive(Debug)]
pub struct Committer {
    edit: Edit,
    writer: Writer,
    state: State,
    base: Arc<Manifest>,
    /// Whether `base` was the newest in a LIST made after the last PUT.
    proven: bool,
    /// Whether `base` is a root that this commit wrote.
    wrote: bool,
    /// When the oldest added block was put, once all were looked at.
    put: Option<BucketTime>,
    oldest: Option<BucketTime>,
    /// When the last action was given, and when the last LIST was.
    asked_at: Duration,
    listed_at: Duration,
    segments_named: u32,
    tries: u32,
    tally: Tally,
}

/// Failures after which a commit is left undecided.
const MAX_FAILURES: u32 = 12;
/// Lost races after which a commit is left undecided.
const MAX_CONFLICTS: u32 = 200;
/// Lost races after which the newest root is looked for, instead of the next one.
const CONFLICTS_TO_LIST: u32 = 4;

impl Committer {
    /// Commits an edit to a workspace's manifest. `base` is any revision that was read before: a good guess saves requests, and
    /// a bad one does no harm.
    pub fn new(edit: Edit, workspace: WorkspaceId, base: Option<Arc<Manifest>>, writer: Writer) -> Self {
        let known = base.is_some();
        let base = base.unwrap_or_else(|| Arc::new(Manifest::empty(workspace, writer.window_length)));
        debug_assert_eq!(base.workspace(), workspace);
        let state = if known { State::Start } else { State::List };
        Self {
            edit,
            writer,
            state,
            base,
            proven: false,
            wrote: false,
            put: None,
            oldest: None,
            asked_at: Duration::ZERO,
            listed_at: Duration::ZERO,
            segments_named: 0,
            tries: 0,
            tally: Tally::default(),
        }
    }

    /// The edit.
    pub const fn edit(&self) -> &Edit {
        &self.edit
    }

    /// What went on so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// The first action.
    pub fn start(&mut self, now: Duration) -> Action {
        self.asked_at = now;
        let first = std::mem::replace(&mut self.state, State::List);
        self.go(first)
    }

    /// The action after an event; `now` is time as in [`Reader::begin`](crate::Reader::begin). An event that does not answer the
    /// last action is a mistake of the driver: the commit begins anew, which is always safe.
    pub fn on(&mut self, event: Event, now: Duration) -> Action {
        let asked_at = std::mem::replace(&mut self.asked_at, now);
        match (std::mem::replace(&mut self.state, State::List), event) {
            (state, Event::Failed) => self.fail(state),
            (State::Wait(then), Event::Waited) => self.go(*then),
            (State::List, Event::Newest(newest)) => self.listed(newest.unwrap_or_default(), asked_at),
            // So long after the LIST the name may be another's: collected, and written again by a writer that slept.
            (State::Load(_), Event::Loaded(_)) if self.is_late(now) => self.fail(State::List),
            (State::Load(_), Event::Loaded(manifest)) => self.loaded(manifest),
            // It was newest, so it is gone because newer ones are there.
            (State::Load(_), Event::Absent) => self.fail(State::List),
            (State::Head(at), Event::Headed { put, now }) => self.headed(at, put, now),
            (State::Head(at), Event::Absent) => self.rewrite(Rewrite::Missing(self.edit.added()[at].id)),
            (State::Segment(applied, at), Event::Written) => self.write(applied, at + 1),
            (state @ State::Segment(..), Event::Unknown) => self.fail(state),
            (State::Put(applied), Event::Written) => self.written(applied),
            (State::Put(applied), Event::Exists) => self.go(State::Settle(applied)),
            (State::Put(applied), Event::Unknown) => {
                self.tally.unknown += 1;
                self.go(State::Settle(applied))
            }
            (State::Settle(applied), Event::Loaded(manifest)) => self.settled(applied, manifest),
            // Rule 8: absent. The same bytes again: if the first try arrives after all, it is the same root.
            (State::Settle(applied), Event::Absent) => self.fail(State::Put(applied)),
            (_, event) => {
                debug_assert!(false, "{event:?} answers no action");
                self.fail(State::List)
            }
        }
    }

    fn go(&mut self, state: State) -> Action {
        if let State::Start = state {
            return self.evaluate();
        }
        self.state = state;
        self.action()
    }

    /// What the present state waits for.
    fn action(&self) -> Action {
        match &self.state {
            State::Start | State::List => Action::ListNewest,
            State::Load(revision) => Action::Load(*revision),
            State::Head(at) => Action::Head(self.edit.added()[*at].id),
            State::Segment(applied, at) => Action::PutSegment(applied.segments[*at].clone()),
            State::Put(Applied { manifest, file, .. }) => {
                Action::PutRoot { manifest: Arc::clone(manifest), file: file.clone() }
            }
            State::Settle(applied) => Action::Load(applied.manifest.revision()),
            State::Wait(_) => Action::Wait(self.tries),
        }
    }

    /// Tries a state (again) after a while, unless there were too many failures.
    fn fail(&mut self, then: State) -> Action {
        self.tally.failures += 1;
        if self.tally.failures > MAX_FAILURES {
            return Action::Done(Outcome::Undecided);
        }
        self.wait(then)
    }

    fn wait(&mut self, then: State) -> Action {
        self.tries += 1;
        self.go(State::Wait(Box::new(then)))
    }

    fn is_late(&self, now: Duration) -> bool {
        now.saturating_sub(self.listed_at) >= self.writer.margins.follow_within()
    }

    fn listed(&mut self, newest: ManifestRevision, asked_at: Duration) -> Action {
        self.listed_at = asked_at;
        if newest == self.base.revision() {
            self.proven = true;
            return self.evaluate();
        }
        if newest < self.base.revision() {
            // The bucket shows less than was read from it: wait until it is consistent again.
            return self.fail(State::List);
        }
        self.go(State::Load(newest))
    }

    fn loaded(&mut self, newest: Arc<Manifest>) -> Action {
        if std::mem::take(&mut self.wrote) && !self.edit.holds(&newest) {
            self.tally.forks += 1;
        }
        self.base = newest;
        self.proven = true;
        self.evaluate()
    }

    /// What to do on the present base.
    fn evaluate(&mut self) -> Action {
        if self.edit.holds(&self.base) {
            return self.answer(Outcome::Committed);
        }
        if let Err(refused) = self.edit.check(&self.base, self.writer.window_length) {
            return self.refuse(refused);
        }
        if self.put.is_none() && !self.edit.added().is_empty() {
            return self.go(State::Head(0));
        }
        self.attempt()
    }

    /// Applies the edit to the base (rule 9) and begins to write.
    fn attempt(&mut self) -> Action {
        let Writer { nonce, window_length, limits, .. } = self.writer;
        let (put, segments_named) = (self.put, self.segments_named);
        let attempt = Attempt { writer: nonce, window_length, limits, put, segments_named };
        match self.base.apply(&self.edit, &attempt) {
            Ok(applied) => {
                self.segments_named += applied.segments.len() as u32;
                self.write(applied, 0)
            }
            Err(refused) => self.refuse(refused),
        }
    }

    /// Writes the segments from `at` on, then the root.
    fn write(&mut self, applied: Applied, at: usize) -> Action {
        // A LIST made before this write proves nothing about it (rule 5).
        self.proven = false;
        let state =
            if at < applied.segments.len() { State::Segment(applied, at) } else { State::Put(applied) };
        self.go(state)
    }

    fn headed(&mut self, at: usize, put: BucketTime, now: BucketTime) -> Action {
        let (age, limit) = (put.until(now), self.writer.margins.commit_within());
        if age > limit {
            return self.rewrite(Rewrite::Late { block: self.edit.added()[at].id, age, limit });
        }
        self.oldest = Some(self.oldest.map_or(put, |oldest| oldest.min(put)));
        if at + 1 < self.edit.added().len() {
            return self.go(State::Head(at + 1));
        }
        self.put = self.oldest;
        self.attempt()
    }

    /// The root is in the bucket. Whether it counts tells a LIST (rule 5).
    fn written(&mut self, applied: Applied) -> Action {
        self.base = applied.manifest;
        self.wrote = true;
        self.go(State::List)
    }

    /// Rule 8: somebody wrote the revision. Was it us?
    fn settled(&mut self, applied: Applied, found: Arc<Manifest>) -> Action {
        if found.writer() == self.writer.nonce {
            return self.written(applied);
        }
        self.tally.conflicts += 1;
        if self.tally.conflicts > MAX_CONFLICTS {
            return Action::Done(Outcome::Undecided);
        }
        self.base = found;
        let then =
            if self.tally.conflicts.is_multiple_of(CONFLICTS_TO_LIST) { State::List } else { State::Start };
        self.wait(then)
    }

    fn refuse(&mut self, refused: Refused) -> Action {
        self.answer(|newest| match refused {
            Refused::Collected { put, before } => Outcome::Rewrite(Rewrite::Collected { put, before }),
            refused => Outcome::Refused { refused, newest },
        })
    }

    fn rewrite(&mut self, rewrite: Rewrite) -> Action {
        self.answer(|_| Outcome::Rewrite(rewrite))
    }

    /// Answers, if the base is proven newest; finds out otherwise.
    fn answer(&mut self, outcome: impl FnOnce(Arc<Manifest>) -> Outcome) -> Action {
        if self.proven {
            return Action::Done(outcome(Arc::clone(&self.base)));
        }
        self.go(State::List)
    }
}

#[cfg(test)]
mod tests;

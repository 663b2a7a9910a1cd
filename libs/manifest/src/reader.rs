//! Keeping up with a workspace's manifest, as a state machine: time and what happened go in, what to read next comes out.
//!
//! Roots are named by number, so that the next one is found by asking for it; that is cheaper than a LIST, but an answer "not
//! there" may also mean "collected long ago". So a reader asks by name only while its base was the newest root less than
//! [`Margins::follow_within`] ago, half of the time that a superseded root is kept; otherwise it LISTs (rule 5). A root whose
//! parent is not the base shows a fork, and makes it LIST too. Hints make it look, and nothing more (rule 6 asks for "at least
//! this revision").

use std::{sync::Arc, time::Duration};

use narthex_model::ManifestRevision;

use crate::{Manifest, Margins};

/// How new the manifest must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// What is known is good enough if it has this revision (rule 6); 0 for whatever is known.
    AtLeast(ManifestRevision),
    /// The newest one after this moment; asked for by name if possible.
    Newest,
    /// The newest one after this moment, by a LIST.
    Listed,
}

/// What the driver does next.
#[derive(Debug, Clone)]
pub enum ReadAction {
    /// LIST the first key below the manifest; answer [`ReadEvent::Newest`].
    ListNewest,
    /// GET a root and the segments it names; answer [`ReadEvent::Loaded`] or [`ReadEvent::Absent`].
    Load(ManifestRevision),
    /// This is what was asked for.
    Done(Arc<Manifest>),
    /// The bucket does not have the revision that was asked for, although somebody acted on it: it is not consistent, or it is
    /// another bucket. Wait and try again.
    Behind {
        /// What was asked for.
        wanted: ManifestRevision,
        /// What is there.
        newest: Arc<Manifest>,
    },
}

/// What came of an action. After a failed request begin anew.
#[derive(Debug, Clone)]
pub enum ReadEvent {
    /// The newest root by a LIST; `None` if there is none.
    Newest(Option<ManifestRevision>),
    /// What the root says.
    Loaded(Arc<Manifest>),
    /// The root is not there.
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    List,
    /// A root that a LIST returned as newest.
    Newest,
    /// The root after the base.
    Next,
}

/// One workspace's manifest as far as it was read.
#[derive(Debug)]
pub struct Reader {
    base: Arc<Manifest>,
    /// Since when the base is known; it was the newest root at this time or later. `None`: it never was, for all we know.
    current_at: Option<Duration>,
    /// When the last request began.
    asked_at: Duration,
    /// The greatest revision that somebody told of.
    hinted: ManifestRevision,
    /// What it was when the last request began.
    heeded: ManifestRevision,
    wanted: Freshness,
    state: State,
    margins: Margins,
}

/// Revisions that are read one by one; to get further ahead a LIST is cheaper.
const FOLLOW_AT_MOST: u64 = 4;

impl Reader {
    /// A reader that knows nothing yet; `empty` is what stands before the first root.
    pub fn new(empty: Manifest, margins: Margins) -> Self {
        Self {
            base: Arc::new(empty),
            current_at: None,
            asked_at: Duration::ZERO,
            hinted: ManifestRevision(0),
            heeded: ManifestRevision(0),
            wanted: Freshness::AtLeast(ManifestRevision(0)),
            state: State::Idle,
            margins,
        }
    }

    /// The manifest as last read; `None` before anything was read.
    pub fn known(&self) -> Option<&Arc<Manifest>> {
        self.current_at.map(|_| &self.base)
    }

    /// Somebody says that there is a revision.
    pub fn hint(&mut self, revision: ManifestRevision) {
        self.hinted = self.hinted.max(revision);
    }

    /// Whether it is worth looking: a hint told of a newer revision, or it was quiet for `silence`.
    pub fn is_due(&self, now: Duration, silence: Duration) -> bool {
        self.hinted > self.base.revision()
            || self.current_at.is_none_or(|at| now.saturating_sub(at) >= silence)
    }

    /// Takes over what a commit proved to be the newest at a time.
    pub fn adopt(&mut self, newest: &Arc<Manifest>, at: Duration) {
        if newest.revision() >= self.base.revision() {
            self.base = Arc::clone(newest);
            self.current_at = Some(self.current_at.map_or(at, |own| own.max(at)));
        }
    }

    /// Begins to look. `now` is time since any fixed point, and must not run slower than the bucket's: where a machine may be
    /// suspended, take the clock that goes on.
    pub fn begin(&mut self, wanted: Freshness, now: Duration) -> ReadAction {
        self.wanted = wanted;
        self.asked_at = now;
        match wanted {
            Freshness::AtLeast(revision) if self.current_at.is_some() && self.base.revision() >= revision => {
                self.done()
            }
            Freshness::Listed => self.list(now),
            _ => self.next(now),
        }
    }

    /// The action after an event; `now` as in [`Self::begin`].
    pub fn on(&mut self, event: ReadEvent, now: Duration) -> ReadAction {
        match (self.state, event) {
            (State::List, ReadEvent::Newest(newest)) => self.listed(newest.unwrap_or_default(), now),
            // So long after the LIST the name may be another's: collected, and written again by a writer that slept.
            (State::Newest, ReadEvent::Loaded(manifest)) if self.is_young(self.asked_at, now) => {
                self.base = manifest;
                self.current_at = Some(self.asked_at);
                self.finish()
            }
            // Late answers tell nothing, even if the question was asked in time.
            (State::Next, _) if !self.is_current(now) => self.list(now),
            (State::Next, ReadEvent::Loaded(manifest)) if manifest.parent() == self.base.writer() => {
                // It was written after the base was the newest, so the base's age is its age at most.
                self.base = manifest;
                self.next(now)
            }
            (State::Next, ReadEvent::Absent) => {
                // The base is younger than half of the time that a root is kept: nobody wrote a next one yet.
                self.current_at = Some(self.asked_at);
                self.finish()
            }
            // A fork, a root that was collected since it was listed, or a driver's mistake.
            _ => self.list(now),
        }
    }

    fn is_young(&self, at: Duration, now: Duration) -> bool {
        now.saturating_sub(at) < self.margins.follow_within()
    }

    /// Whether the root after the base, if there was ever one, is still there.
    fn is_current(&self, now: Duration) -> bool {
        self.current_at.is_some_and(|at| self.is_young(at, now))
    }

    /// Asks for the root after the base, if that can be trusted and leads there soon.
    fn next(&mut self, now: Duration) -> ReadAction {
        let goal = match self.wanted {
            Freshness::AtLeast(revision) => revision.max(self.hinted),
            Freshness::Newest | Freshness::Listed => self.hinted,
        };
        let far = goal.0.saturating_sub(self.base.revision().0) > FOLLOW_AT_MOST;
        if far || !self.is_current(now) {
            return self.list(now);
        }
        self.ask(State::Next, now);
        ReadAction::Load(ManifestRevision(self.base.revision().0 + 1))
    }

    fn list(&mut self, now: Duration) -> ReadAction {
        self.ask(State::List, now);
        ReadAction::ListNewest
    }

    fn ask(&mut self, state: State, now: Duration) {
        (self.state, self.asked_at, self.heeded) = (state, now, self.hinted);
    }

    fn listed(&mut self, newest: ManifestRevision, now: Duration) -> ReadAction {
        if newest > self.base.revision() {
            self.state = State::Newest;
            return ReadAction::Load(newest);
        }
        debug_assert!(now >= self.asked_at);
        if newest == self.base.revision() {
            self.current_at = Some(self.asked_at);
        }
        self.finish()
    }

    fn finish(&mut self) -> ReadAction {
        // A hint that did not come true is no reason to look again and again.
        if self.hinted <= self.heeded {
            self.hinted = self.hinted.min(self.base.revision());
        }
        match self.wanted {
            Freshness::AtLeast(wanted) if self.base.revision() < wanted => {
                self.state = State::Idle;
                ReadAction::Behind { wanted, newest: Arc::clone(&self.base) }
            }
            _ => self.done(),
        }
    }

    fn done(&mut self) -> ReadAction {
        self.state = State::Idle;
        ReadAction::Done(Arc::clone(&self.base))
    }
}

#[cfg(test)]
mod tests;

//! Work of the writer that is not a push: sealing, forgetting, sweeping and dropping, a turn at a time.
//!
//! A head may have millions of series, so an operation visits them in turns of [`TURN`], and the pushes that wait go in between.
//! Every turn is a record of its own and applied at its place in the log, so replay repeats exactly what happened. Operations run
//! one after the other; each answers once its records are written, a seal once they are synced (rule 1), whatever the
//! sync mode. An operation that is cut off by a crash or an error is asked for again and goes on where that matters.

use std::{ops::Range, sync::Arc};

use narthex_model::{Epoch, ManifestRevision, Window, WorkspaceId};
use tokio::sync::oneshot;

use super::{error::StorageError, shared::Workspace, writer::Writer};
use crate::{
    head::{Boundary, Head, Seal},
    wal::StepsBuilder,
};

/// Series visited in one turn: the head is locked for about a millisecond, some more when many of them leave. Few in tests, so that
/// operations on small heads take several turns.
const TURN: u32 = if cfg!(test) { 3 } else { 2048 };

/// A sealed cut of this owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// What of the window lies below this is the cut.
    pub boundary: Boundary,
    /// Series with samples in it.
    pub series: u64,
    /// Samples in it, before competing values are resolved; about right where the owner was restarted since.
    pub samples: u64,
}

impl From<Seal> for Sealed {
    fn from(seal: Seal) -> Self {
        Self { boundary: seal.boundary, series: seal.series, samples: seal.samples }
    }
}

/// What a commit made an owner forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgot {
    /// What it had sealed for the cut.
    Sealed,
    /// All that it held of the window: it had not sealed the cut, and now counts it as sealed.
    Everything,
    /// Nothing: it is in a later epoch and had not sealed the cut, or has forgotten it before.
    Nothing,
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, StorageError>>;

/// An operation and how far it is.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) workspace: WorkspaceId,
    pub(super) what: What,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum What {
    Seal { epoch: Epoch, window: Window, visited: Option<Visited>, answer: Answer<Sealed> },
    VoidSeals { answer: Answer<()> },
    Act { revision: ManifestRevision, answer: Answer<()> },
    Forget(Forgetting),
    Sweep { visited: Visited, answer: Answer<u64> },
    Drop { answer: Answer<()> },
}

/// The series visited so far.
#[derive(Debug, Default)]
pub(super) struct Visited {
    next: u32,
    /// Series that have samples of the window, when sealing; that left, otherwise.
    found: u64,
    /// Series that hold nothing and stay because they are active.
    lingering: u64,
}

impl Visited {
    /// The ids of the next turn; `None` when all were visited. Series that are new since the beginning have nothing to be done.
    fn turn(&mut self, bound: u32) -> Option<Range<u32>> {
        let ids = (self.next < bound).then(|| self.next..bound.min(self.next.saturating_add(TURN)))?;
        self.next = ids.end;
        Some(ids)
    }
}

/// A commit being acted on.
#[derive(Debug)]
pub(super) struct Forgetting {
    epoch: Epoch,
    window: Window,
    adopted: Epoch,
    stage: Stage,
    answer: Answer<Forgot>,
}

#[derive(Debug)]
enum Stage {
    Begin,
    /// A cut that was not sealed here is sealed before it is forgotten.
    Sealing(Option<Visited>),
    Forgetting {
        boundary: Boundary,
        outcome: Forgot,
        visited: Visited,
    },
}

impl Forgetting {
    pub(super) fn new(epoch: Epoch, window: Window, adopted: Epoch, answer: Answer<Forgot>) -> Self {
        Self { epoch, window, adopted, stage: Stage::Begin, answer }
    }
}

impl Operation {
    /// Does one turn; gives itself back while there is more to do.
    pub(super) fn turn(self, writer: &mut Writer) -> Option<Self> {
        let Self { workspace, what } = self;
        let place = writer.workspace(workspace);
        let on = On { id: workspace, place, writer };
        let what = match what {
            What::Seal { epoch, window, visited, answer } => on.seal(epoch, window, visited, answer),
            What::VoidSeals { answer } => on.void_seals(answer),
            What::Act { revision, answer } => on.act(revision, answer),
            What::Forget(forgetting) => on.forget(forgetting),
            What::Sweep { visited, answer } => on.sweep(visited, answer),
            What::Drop { answer } => on.drop_workspace(answer),
        };
        what.map(|what| Self { workspace, what })
    }
}

enum Progress<M, T> {
    More(M),
    Done(T),
}

/// A turn on one workspace.
struct On<'a> {
    id: WorkspaceId,
    place: Arc<Workspace>,
    writer: &'a mut Writer,
}

impl On<'_> {
    fn steps(&self) -> StepsBuilder {
        StepsBuilder::new(self.id)
    }

    fn apply<T>(
        &mut self,
        steps: &StepsBuilder,
        apply: impl FnOnce(&mut Head) -> T,
    ) -> Result<T, StorageError> {
        self.writer.step(self.id, &self.place, steps, apply)
    }

    fn seal(
        mut self,
        epoch: Epoch,
        window: Window,
        visited: Option<Visited>,
        answer: Answer<Sealed>,
    ) -> Option<What> {
        match self.seal_turn(epoch, epoch, window, visited) {
            Ok(Progress::More(visited)) => Some(What::Seal { epoch, window, visited: Some(visited), answer }),
            Ok(Progress::Done(sealed)) => {
                self.writer.metrics().sealed_cuts.inc();
                self.writer.answer_synced(answer, sealed);
                None
            }
            Err(error) => {
                let _ = answer.send(Err(error));
                None
            }
        }
    }

    fn seal_turn(
        &mut self,
        epoch: Epoch,
        adopted: Epoch,
        window: Window,
        visited: Option<Visited>,
    ) -> Result<Progress<Visited, Sealed>, StorageError> {
        let Some(mut visited) = visited else { return self.begin_seal(epoch, adopted, window) };
        let bound = self.place.state.read().head.id_bound();
        let mut steps = self.steps();
        if let Some(ids) = visited.turn(bound) {
            steps.end_chunks(window, ids.start, ids.end);
            visited.found += self.apply(&steps, |head| head.end_chunks(window, ids, |_| false))?;
            return Ok(Progress::More(visited));
        }
        let seal = {
            let state = self.place.state.read();
            let boundary = state.head.next_boundary(window).ok_or(StorageError::SealedTooOften)?;
            Seal { epoch, boundary, series: visited.found, samples: state.head.ended_samples(window) }
        };
        steps.sealed(window, &seal);
        self.apply(&steps, |head| head.sealed(window, seal))?;
        Ok(Progress::Done(seal.into()))
    }

    fn begin_seal(
        &mut self,
        epoch: Epoch,
        adopted: Epoch,
        window: Window,
    ) -> Result<Progress<Visited, Sealed>, StorageError> {
        let (seal, closed, holds, boundary) = {
            let head = &self.place.state.read().head;
            let (seal, boundary) = (head.seal_of(epoch, window), head.next_boundary(window));
            (seal, head.is_closed(epoch, window), head.holds(window), boundary)
        };
        if let Some(seal) = seal {
            return Ok(Progress::Done(seal.into()));
        }
        let boundary = boundary.ok_or(StorageError::SealedTooOften)?;
        if !closed {
            let mut steps = self.steps();
            steps.close(epoch, adopted, window);
            self.apply(&steps, |head| head.close(epoch, adopted, window))?;
        }
        if holds {
            return Ok(Progress::More(Visited::default()));
        }
        Ok(Progress::Done(Sealed { boundary, series: 0, samples: 0 }))
    }

    fn void_seals(mut self, answer: Answer<()>) -> Option<What> {
        let mut done = Ok(());
        if self.place.state.read().head.has_seals() {
            let mut steps = self.steps();
            steps.void_seals();
            done = self.apply(&steps, Head::void_seals);
        }
        match done {
            Ok(()) => self.writer.answer_synced(answer, ()),
            Err(error) => drop(answer.send(Err(error))),
        }
        None
    }

    fn act(mut self, revision: ManifestRevision, answer: Answer<()>) -> Option<What> {
        let mut done = Ok(());
        if self.place.state.read().head.acted() < revision {
            let mut steps = self.steps();
            steps.act(revision);
            done = self.apply(&steps, |head| head.act(revision));
        }
        match done {
            Ok(()) => self.writer.answer_written(answer, ()),
            Err(error) => drop(answer.send(Err(error))),
        }
        None
    }

    fn forget(mut self, mut forgetting: Forgetting) -> Option<What> {
        let stage = std::mem::replace(&mut forgetting.stage, Stage::Begin);
        match self.forget_turn(&forgetting, stage) {
            Ok(Progress::More(stage)) => {
                forgetting.stage = stage;
                Some(What::Forget(forgetting))
            }
            Ok(Progress::Done(outcome)) => {
                if outcome != Forgot::Nothing {
                    self.writer.metrics().forgotten_cuts.inc();
                }
                // Without a sync: what comes back after a crash is forgotten again.
                self.writer.answer_written(forgetting.answer, outcome);
                None
            }
            Err(error) => {
                let _ = forgetting.answer.send(Err(error));
                None
            }
        }
    }

    fn forget_turn(
        &mut self,
        forgetting: &Forgetting,
        stage: Stage,
    ) -> Result<Progress<Stage, Forgot>, StorageError> {
        let Forgetting { epoch, window, adopted, .. } = *forgetting;
        match stage {
            Stage::Begin => {
                let seal = self.place.state.read().head.seal_of(epoch, window);
                Ok(match seal {
                    Some(seal) => Progress::More(Stage::forgetting(seal.boundary, Forgot::Sealed)),
                    None if adopted <= epoch => Progress::More(Stage::Sealing(None)),
                    None => Progress::Done(Forgot::Nothing),
                })
            }
            Stage::Sealing(visited) => match self.seal_turn(epoch, adopted, window, visited)? {
                Progress::More(visited) => Ok(Progress::More(Stage::Sealing(Some(visited)))),
                Progress::Done(_) => {
                    let seal = self.place.state.read().head.seal_of(epoch, window);
                    Ok(match seal {
                        Some(seal) => Progress::More(Stage::forgetting(seal.boundary, Forgot::Everything)),
                        None => Progress::Done(Forgot::Nothing),
                    })
                }
            },
            Stage::Forgetting { boundary, outcome, mut visited } => {
                if self.let_go(Some((window, boundary)), &mut visited)? {
                    return Ok(Progress::More(Stage::Forgetting { boundary, outcome, visited }));
                }
                let mut steps = self.steps();
                let gone = !self.place.state.read().head.holds_above(window, boundary);
                steps.forgotten(window, boundary, gone);
                self.apply(&steps, |head| head.forgotten(window, boundary, gone))?;
                self.tidy(&visited)?;
                Ok(Progress::Done(outcome))
            }
        }
    }

    /// Visits the next series: forgets their chunks of a cut, and lets those leave that hold nothing then. False when all
    /// were visited.
    fn let_go(
        &mut self,
        cut: Option<(Window, Boundary)>,
        visited: &mut Visited,
    ) -> Result<bool, StorageError> {
        let bound = self.place.state.read().head.id_bound();
        let Some(ids) = visited.turn(bound) else { return Ok(false) };
        // Only this thread changes the head, so what is read here still holds when it is applied.
        let (leaving, lingering) = self.place.state.read().head.leaving(cut, ids.clone());
        visited.lingering += lingering;
        visited.found += leaving.len() as u64;
        let mut steps = self.steps();
        if let Some((window, boundary)) = cut {
            steps.forget_chunks(window, boundary, ids.start, ids.end);
        }
        if !leaving.is_empty() {
            steps.leave(&leaving);
        }
        if cut.is_some() || !leaving.is_empty() {
            self.writer.metrics().removed_series.inc_by(leaving.len() as u64);
            self.apply(&steps, |head| {
                if let Some((window, boundary)) = cut {
                    head.forget_chunks(window, boundary, ids, |_| false);
                }
                leaving.into_iter().for_each(|id| head.remove_series(id));
            })?;
        }
        Ok(true)
    }

    /// Returns memory after series or chunks went.
    fn tidy(&mut self, visited: &Visited) -> Result<(), StorageError> {
        if self.place.state.read().head.has_stale_metadata() {
            let mut steps = self.steps();
            steps.clear_metadata();
            self.apply(&steps, Head::clear_metadata)?;
        }
        let head = &mut self.place.state.write().head;
        head.set_lingering(visited.lingering > 0);
        head.trim();
        Ok(())
    }

    fn sweep(mut self, mut visited: Visited, answer: Answer<u64>) -> Option<What> {
        let turn = self.let_go(None, &mut visited).and_then(|more| {
            if !more {
                self.tidy(&visited)?;
            }
            Ok(more)
        });
        match turn {
            Ok(true) => return Some(What::Sweep { visited, answer }),
            Ok(false) => self.writer.answer_written(answer, visited.found),
            Err(error) => drop(answer.send(Err(error))),
        }
        None
    }

    fn drop_workspace(mut self, answer: Answer<()>) -> Option<What> {
        let mut steps = self.steps();
        steps.drop_workspace();
        let dropped = self.apply(&steps, |head| *head = head.emptied());
        match dropped {
            Ok(()) => {
                let mut state = self.place.state.write();
                (state.snapshot, state.dropped) = (None, true);
                drop(state);
                self.writer.answer_synced(answer, ());
            }
            Err(error) => drop(answer.send(Err(error))),
        }
        None
    }
}

impl Stage {
    fn forgetting(boundary: Boundary, outcome: Forgot) -> Self {
        Self::Forgetting { boundary, outcome, visited: Visited::default() }
    }
}

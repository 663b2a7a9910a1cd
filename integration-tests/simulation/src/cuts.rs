//! An owner's part in cuts: sealing and forgetting turn by turn, as the storage of a real ingester does it, with pushes in
//! between.
//!
//! Every turn is logged at its place among the pushes. A seal is answered once it is synced (rule 1).

use std::rc::Rc;

use narthex_ingester::head::Seal;
use narthex_model::{Cut, Epoch, ManifestRevision, Window};

use crate::{
    Mutation,
    control::partition_of,
    disk::Entry,
    faults::Fault,
    message::{Message, Refused, RequestId, SealedCut},
    network::Node,
    store::{Turn, keys},
    world::{Event, World},
};

/// Work on the head that takes several turns.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Seals, then tells.
    Seal {
        /// What.
        cut: Cut,
        /// Ids that were visited.
        visited: Option<u32>,
        /// Who wants to know.
        to: Node,
        /// The question.
        request: RequestId,
        /// Series whose samples are wanted.
        series: Rc<Vec<u32>>,
    },
    /// Forgets.
    Forget {
        /// What.
        cut: Cut,
        /// The manifest that has it.
        revision: ManifestRevision,
        /// The epoch that the owner has adopted.
        adopted: Epoch,
        /// How far it is.
        stage: Stage,
    },
}

/// How far forgetting is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    /// The revision is to be noted.
    Act,
    /// What is to be done is to be found out.
    Begin,
    /// What was not sealed is sealed first.
    Sealing(Option<u32>),
    /// Chunks go.
    Forgetting(narthex_ingester::head::Boundary, u32),
}

/// Series that are visited in one turn.
const TURN: u32 = 5;

enum Progress {
    More(Option<u32>),
    Done,
}

impl World {
    /// Queues work on the head.
    pub(crate) fn operate(&mut self, id: usize, operation: Operation) {
        let Some(process) = &mut self.ingesters[id].process else { return };
        process.operations.push_back(operation);
        self.plan_turn(id);
    }

    fn plan_turn(&mut self, id: usize) {
        let Some(process) = &mut self.ingesters[id].process else { return };
        if process.operations.is_empty() || std::mem::replace(&mut process.turn_planned, true) {
            return;
        }
        let stalled = self.ingesters[id].stalled_until.saturating_sub(self.now);
        let delay = if self.below(20) == 0 { self.below(200) } else { self.below(4) } + 1 + stalled;
        self.timer(Node::Ingester(id), delay, Event::OperationTurn(id));
    }

    /// One turn of the first operation.
    pub(crate) fn operation_turn(&mut self, id: usize) {
        let Some(process) = &mut self.ingesters[id].process else { return };
        process.turn_planned = false;
        let Some(operation) = process.operations.pop_front() else { return };
        let rest = match operation {
            Operation::Seal { cut, visited, to, request, series } => {
                match self.seal_turn(id, cut.epoch, cut.epoch, cut.window, visited) {
                    Progress::More(visited) => Some(Operation::Seal { cut, visited, to, request, series }),
                    Progress::Done => {
                        self.tell_sealed(id, cut, to, request, &series);
                        None
                    }
                }
            }
            Operation::Forget { cut, revision, mut adopted, stage } => {
                if matches!(stage, Stage::Begin) && self.mutation != Mutation::ForgetWithoutPass {
                    // What a later epoch takes in must not go with an earlier epoch's cut.
                    adopted = self.enter(id).unwrap_or(adopted);
                }
                let stage = self.forget_turn(id, cut, revision, adopted, stage);
                stage.map(|stage| Operation::Forget { cut, revision, adopted, stage })
            }
        };
        let Some(process) = &mut self.ingesters[id].process else { return };
        if let Some(rest) = rest {
            process.operations.push_front(rest);
        }
        self.plan_turn(id);
        self.pump(id);
    }

    /// Makes a change and logs it.
    pub(crate) fn step(&mut self, id: usize, turn: Turn) {
        self.note(|| format!("ingester {id} {turn:?}"));
        let ingester = &mut self.ingesters[id];
        let Some(process) = &mut ingester.process else { return };
        process.store.apply(turn);
        ingester.disk.append(Entry::Turn(turn));
    }

    fn seal_turn(
        &mut self,
        id: usize,
        epoch: Epoch,
        adopted: Epoch,
        window: Window,
        visited: Option<u32>,
    ) -> Progress {
        let mutation = self.mutation;
        let Some(process) = &self.ingesters[id].process else { return Progress::Done };
        let head = process.store.head();
        let Some(first) = visited else {
            if head.seal_of(epoch, window).is_some() {
                return Progress::Done;
            }
            let (closed, holds) = (head.is_closed(epoch, window), head.holds(window));
            if !closed && mutation != Mutation::DoNotSeal {
                self.step(id, Turn::Close(epoch, adopted, window));
            }
            return if holds { Progress::More(Some(0)) } else { Progress::Done };
        };
        if first < head.id_bound() {
            let end = first + TURN;
            self.step(id, Turn::EndChunks(window, first, end));
            return Progress::More(Some(end));
        }
        let boundary = head.next_boundary(window).expect("few seals");
        let seal = Seal { epoch, boundary, series: 0, samples: head.ended_samples(window) };
        self.step(id, Turn::Sealed(window, seal));
        Progress::Done
    }

    /// The seal is synced, and whoever asked is told what is in it.
    fn tell_sealed(&mut self, id: usize, cut: Cut, to: Node, request: RequestId, series: &[u32]) {
        let (now, mutation) = (self.now, self.mutation);
        let ingester = &mut self.ingesters[id];
        if mutation != Mutation::SealUnsynced {
            ingester.disk.sync();
        }
        if self.chance(5) {
            // Whatever was promised must have been synced.
            let soon = 1 + self.below(15);
            self.at(soon, Event::Fault(Fault::PowerCut(id)));
        }
        let Some(process) = &mut self.ingesters[id].process else { return };
        process.inflight -= 1;
        let all = process.store.cut(cut.epoch, cut.window, |_| true);
        let empty =
            || SealedCut { digests: std::collections::BTreeMap::new(), data: crate::message::Data::new() };
        let all = all.or_else(|| (mutation == Mutation::DoNotSeal).then(empty));
        let Some(mut sealed) = all else {
            return self.answer_seal(id, to, request, Err(Refused::Unavailable));
        };
        let held = keys(&sealed.data);
        self.note(|| format!("ingester {id} sealed {cut}: {} samples", held.len()));
        self.oracle.sealed(now, id, cut, held);
        sealed.data.retain(|number, _| series.contains(number));
        self.answer_seal(id, to, request, Ok(Rc::new(sealed)));
    }

    pub(crate) fn answer_seal(
        &mut self,
        id: usize,
        to: Node,
        request: RequestId,
        answer: Result<Rc<SealedCut>, Refused>,
    ) {
        if to == Node::Ingester(id) {
            self.sealed(id, request, answer);
        } else {
            self.send(Node::Ingester(id), to, Message::Sealed(request, answer));
        }
    }

    fn forget_turn(
        &mut self,
        id: usize,
        cut: Cut,
        revision: ManifestRevision,
        adopted: Epoch,
        stage: Stage,
    ) -> Option<Stage> {
        let Cut { epoch, window, .. } = cut;
        let Some(process) = &self.ingesters[id].process else { return None };
        let head = process.store.head();
        match stage {
            Stage::Act => {
                if head.acted() < revision {
                    self.step(id, Turn::Act(revision));
                }
                Some(Stage::Begin)
            }
            Stage::Begin => match head.seal_of(epoch, window) {
                Some(seal) => self.forgetting(id, cut, seal),
                None if adopted <= epoch => Some(Stage::Sealing(None)),
                None => self.forgot(id),
            },
            Stage::Sealing(visited) => match self.seal_turn(id, epoch, adopted, window, visited) {
                Progress::More(visited) => Some(Stage::Sealing(visited)),
                Progress::Done => {
                    let process = self.ingesters[id].process.as_ref()?;
                    match process.store.head().seal_of(epoch, window) {
                        Some(seal) => self.forgetting(id, cut, seal),
                        None => self.forgot(id),
                    }
                }
            },
            Stage::Forgetting(boundary, first) if first < head.id_bound() => {
                self.step(id, Turn::ForgetChunks(window, boundary, first, first + TURN));
                Some(Stage::Forgetting(boundary, first + TURN))
            }
            Stage::Forgetting(boundary, _) => {
                let gone = !head.holds_above(window, boundary);
                self.step(id, Turn::Forgotten(window, boundary, gone));
                self.forgot(id)
            }
        }
    }

    /// From now on the owner takes up no other epoch.
    fn enter(&mut self, id: usize) -> Option<Epoch> {
        let process = self.ingesters[id].process.as_mut()?;
        process.inflight += 1;
        Some(process.adopted.epoch)
    }

    fn forgetting(&mut self, id: usize, cut: Cut, seal: Seal) -> Option<Stage> {
        let now = self.now;
        self.note(|| format!("ingester {id} forgets {cut} below {:?}", seal.boundary));
        self.oracle.forgets(now, id, cut);
        Some(Stage::Forgetting(seal.boundary, 0))
    }

    /// Forgetting is over.
    fn forgot(&mut self, id: usize) -> Option<Stage> {
        let mutation = self.mutation;
        let process = self.ingesters[id].process.as_mut()?;
        if mutation != Mutation::ForgetWithoutPass {
            process.inflight -= 1;
        }
        self.check_owners(partition_of(id));
        self.tidied(id);
        None
    }
}

//! How a simulated ingester treats requests: the epoch check when they arrive, the WAL some milliseconds later.
//!
//! Requests that must wait (for a newer ring, for the adoption of an epoch) wait in a list that is looked through after
//! every change, so that the order of events alone decides.

use std::rc::Rc;

use narthex_ingester::recovery::Step;
use narthex_model::{Cut, Epoch, PartitionId, RingRevision};

use crate::{
    Mutation,
    control::partition_of,
    cuts::Operation,
    disk::Entry,
    ingester::Phase,
    message::{Batch, Message, Pushed, Refused, RequestId, Selected},
    network::Node,
    store::NotStored,
    world::{Event, World},
};

/// How long a request waits for a newer ring.
const CATCH_UP_MS: u64 = 500;

/// What a request wants.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// All that is held.
    Read,
    /// To store samples in an epoch.
    Push(Epoch, Rc<Batch>),
    /// To seal a cut, and the samples of some series.
    Seal(Cut, Rc<Vec<u32>>),
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    from: Node,
    request: RequestId,
    ring_revision: RingRevision,
    deadline: u64,
    wanted: Wanted,
}

impl World {
    pub(crate) fn ingester_request(
        &mut self,
        id: usize,
        from: Node,
        request: RequestId,
        ring_revision: RingRevision,
        wanted: Wanted,
    ) {
        let deadline = self.now + CATCH_UP_MS;
        let Some(process) = &mut self.ingesters[id].process else { return };
        if ring_revision > process.ring.revision() {
            self.send(Node::Ingester(id), Node::Control, Message::AskRing);
        }
        let waiting = Waiting { from, request, ring_revision, deadline, wanted };
        let Some(process) = &mut self.ingesters[id].process else { return };
        process.waiting.push(waiting);
        self.pump(id);
    }

    /// Looks through the requests that wait; stops when none can go on.
    pub(crate) fn pump(&mut self, id: usize) {
        let mut at = 0;
        loop {
            let Some(process) = &mut self.ingesters[id].process else { return };
            if at == process.waiting.len() {
                return;
            }
            match self.try_request(id, at) {
                Some(answered) => {
                    let Some(process) = &mut self.ingesters[id].process else { return };
                    let waiting = process.waiting.remove(at);
                    answered.carry_out(self, id, waiting);
                }
                None => at += 1,
            }
        }
    }

    /// What can be done now with a request that waits; `None` leaves it waiting.
    fn try_request(&mut self, id: usize, at: usize) -> Option<Answer> {
        let (now, mutation) = (self.now, self.mutation);
        let ingester = &mut self.ingesters[id];
        let process = ingester.process.as_mut()?;
        let waiting = &process.waiting[at];
        let serves = match process.phase {
            Phase::Serving => true,
            Phase::Recovering => match waiting.wanted {
                Wanted::Push(..) => true,
                Wanted::Read => mutation == Mutation::CountRecovering,
                Wanted::Seal(..) => mutation == Mutation::SealRecovering,
            },
            Phase::Replaying | Phase::Asking | Phase::Joining => false,
        };
        if !serves {
            return Some(Answer::Refuse(Refused::Unavailable));
        }
        if process.ring.revision() < waiting.ring_revision {
            return (now >= waiting.deadline).then_some(Answer::Refuse(Refused::Unavailable));
        }
        match process.adopted.step(&process.ring, PartitionId(partition_of(id))) {
            Step::Go => {}
            Step::Behind => return (now >= waiting.deadline).then_some(Answer::Refuse(Refused::Unavailable)),
            Step::Gone => return Some(Answer::Refuse(Refused::Precondition)),
            Step::Adopt(_) if !self.adopt(id) => return None,
            Step::Adopt(_) => {}
        }
        let process = self.ingesters[id].process.as_ref()?;
        let waiting = &process.waiting[at];
        match &waiting.wanted {
            Wanted::Read => Some(Answer::Go),
            Wanted::Push(epoch, _) => match process.adopted.accepts(*epoch) {
                Ok(()) => Some(Answer::Go),
                Err(_) if mutation == Mutation::IgnoreEpochs => Some(Answer::Go),
                Err(_) => Some(Answer::Refuse(Refused::Precondition)),
            },
            Wanted::Seal(cut, _) if cut.epoch == process.adopted.epoch => Some(Answer::Go),
            Wanted::Seal(..) if mutation == Mutation::SealAnyEpoch => Some(Answer::Go),
            Wanted::Seal(..) => Some(Answer::Refuse(Refused::Precondition)),
        }
    }

    /// Acts on the ring that is known, unless pushes of the state before are still on their way to the WAL.
    pub(crate) fn adopt(&mut self, id: usize) -> bool {
        let mutation = self.mutation;
        let ingester = &mut self.ingesters[id];
        let (Some(process), Some(record)) = (&mut ingester.process, &mut ingester.disk.record) else {
            return false;
        };
        match process.adopted.step(&process.ring, PartitionId(partition_of(id))) {
            Step::Adopt(_) if process.inflight > 0 && mutation != Mutation::NoBarrier => false,
            Step::Adopt(next) => {
                process.adopted = next;
                record.adopted = next;
                true
            }
            Step::Go => true,
            Step::Behind | Step::Gone => false,
        }
    }

    /// A push has reached the WAL.
    pub(crate) fn stored(
        &mut self,
        id: usize,
        to: Node,
        request: RequestId,
        epoch: Epoch,
        batch: &Rc<Batch>,
    ) {
        let ingester = &mut self.ingesters[id];
        let Some(process) = &mut ingester.process else { return };
        process.inflight -= 1;
        // In the epoch that is adopted now: with the barrier it is the one in which the push was accepted.
        let adopted = process.adopted.epoch;
        let (lacking, changes) = process.store.push(batch, adopted);
        let NotStored { refused: refusals, sealed: missing } = lacking;
        ingester.disk.append(Entry::Stored(changes));
        if !ingester.interval_sync {
            ingester.disk.sync();
        }
        for (place, write) in batch.writes.iter().enumerate() {
            if !refusals.contains(&(place as u32)) && !missing.contains(&(place as u32)) {
                self.oracle.stored(self.now, write, epoch, id);
            }
        }
        self.check_readers_know(partition_of(id));
        if self.mutation != Mutation::ReplyBeforeWal {
            let pushed = Pushed { epoch, refusals, missing };
            self.send(Node::Ingester(id), to, Message::Pushed(request, Ok(pushed)));
        }
        self.pump(id);
    }
}

/// What is done with a request.
enum Answer {
    Refuse(Refused),
    Go,
}

impl Answer {
    fn carry_out(self, world: &mut World, id: usize, waiting: Waiting) {
        let node = Node::Ingester(id);
        let Waiting { from, request, wanted, .. } = waiting;
        let Some(process) = &mut world.ingesters[id].process else { return };
        let ring_revision = process.ring.revision();
        match (self, wanted) {
            (Self::Refuse(refused), Wanted::Push(..)) => {
                world.send(node, from, Message::Pushed(request, Err(refused)));
            }
            (Self::Refuse(refused), Wanted::Read) => {
                world.send(node, from, Message::Selected(request, Err(refused)));
            }
            (Self::Refuse(refused), Wanted::Seal(..)) => world.answer_seal(id, from, request, Err(refused)),
            (Self::Go, Wanted::Read) => {
                let (epoch, data) = (process.adopted.epoch, Rc::new(process.store.data()));
                let acted = process.store.head().acted();
                let selected = Selected { ring_revision, epoch, acted, data };
                world.send(node, from, Message::Selected(request, Ok(selected)));
            }
            (Self::Go, Wanted::Seal(cut, series)) => {
                process.inflight += 1;
                let operation = Operation::Seal { cut, visited: None, to: from, request, series };
                world.operate(id, operation);
            }
            (Self::Go, Wanted::Push(epoch, batch)) => {
                process.inflight += 1;
                if world.mutation == Mutation::ReplyBeforeWal {
                    let pushed = Pushed { epoch, refusals: Vec::new(), missing: Vec::new() };
                    world.send(node, from, Message::Pushed(request, Ok(pushed)));
                }
                let slow = world.below(20) == 0;
                let stalled = world.ingesters[id].stalled_until.saturating_sub(world.now);
                let delay = if slow { world.below(400) } else { world.below(6) } + 1 + stalled;
                world.timer(node, delay, Event::Stored { id, to: from, request, epoch, batch });
            }
        }
    }
}

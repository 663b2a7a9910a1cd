//! How a simulated ingester treats requests: the epoch check when they arrive, the WAL some milliseconds later.
//!
//! Requests that must wait (for a newer ring, for the adoption of an epoch) wait in a list that is looked through after
//! every change, so that the order of events alone decides.

use std::rc::Rc;

use narthex_ingester::recovery::Step;
use narthex_model::{Epoch, PartitionId, RingRevision};

use crate::{
    Mutation,
    control::partition_of,
    disk::Entry,
    ingester::Phase,
    message::{Batch, Message, Pushed, Refused, RequestId, Selected},
    network::Node,
    world::{Event, World},
};

/// How long a request waits for a newer ring.
const CATCH_UP_MS: u64 = 500;

/// A request that is not answered yet; a read if it has no push.
#[derive(Debug)]
pub(crate) struct Waiting {
    from: Node,
    request: RequestId,
    ring_revision: RingRevision,
    deadline: u64,
    push: Option<(Epoch, Rc<Batch>)>,
}

impl World {
    pub(crate) fn ingester_request(
        &mut self,
        id: usize,
        from: Node,
        request: RequestId,
        ring_revision: RingRevision,
        push: Option<(Epoch, Rc<Batch>)>,
    ) {
        let deadline = self.now + CATCH_UP_MS;
        let Some(process) = &mut self.ingesters[id].process else { return };
        if ring_revision > process.ring.revision() {
            self.send(Node::Ingester(id), Node::Control, Message::AskRing);
        }
        let waiting = Waiting { from, request, ring_revision, deadline, push };
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
            Phase::Recovering => waiting.push.is_some() || mutation == Mutation::CountRecovering,
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
            Step::Adopt(next) => {
                if process.inflight > 0 && mutation != Mutation::NoBarrier {
                    return None;
                }
                process.adopted = next;
                ingester.disk.record.as_mut().expect("written at start").adopted = next;
            }
        }
        match &waiting.push {
            None => Some(Answer::Read),
            Some((epoch, _)) => match process.adopted.accepts(*epoch) {
                Ok(()) => Some(Answer::Store),
                Err(_) if mutation == Mutation::IgnoreEpochs => Some(Answer::Store),
                Err(_) => Some(Answer::Refuse(Refused::Precondition)),
            },
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
        ingester.disk.append(Entry::Push(Rc::clone(batch)));
        if !ingester.interval_sync {
            ingester.disk.sync();
        }
        let refusals = process.store.push(batch);
        for (place, write) in batch.writes.iter().enumerate() {
            if !refusals.contains(&(place as u32)) {
                self.oracle.stored(write, epoch, id);
            }
        }
        self.check_readers_know(partition_of(id));
        if self.mutation != Mutation::ReplyBeforeWal {
            let pushed = Pushed { epoch, refusals };
            self.send(Node::Ingester(id), to, Message::Pushed(request, Ok(pushed)));
        }
        self.pump(id);
    }
}

/// What is done with a request.
enum Answer {
    Refuse(Refused),
    Read,
    Store,
}

impl Answer {
    fn carry_out(self, world: &mut World, id: usize, waiting: Waiting) {
        let node = Node::Ingester(id);
        let Waiting { from, request, push, .. } = waiting;
        let Some(process) = &mut world.ingesters[id].process else { return };
        let ring_revision = process.ring.revision();
        match (self, push) {
            (Self::Refuse(refused), Some(_)) => {
                world.send(node, from, Message::Pushed(request, Err(refused)))
            }
            (Self::Refuse(refused), None) => world.send(node, from, Message::Selected(request, Err(refused))),
            (Self::Read | Self::Store, None) => {
                let (epoch, data) = (process.adopted.epoch, Rc::new(process.store.data()));
                let selected = Selected { ring_revision, epoch, data };
                world.send(node, from, Message::Selected(request, Ok(selected)));
            }
            (Self::Read | Self::Store, Some((epoch, batch))) => {
                process.inflight += 1;
                if world.mutation == Mutation::ReplyBeforeWal {
                    let pushed = Pushed { epoch, refusals: Vec::new() };
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

//! The event loop: one queue of events in virtual time, one generator of random numbers.
//!
//! Two events at the same time happen in the order in which they were planned, so a seed decides everything. Timers and
//! replies belong to a process: they vanish when it dies. Requests do not, as a sender's connection may come back first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    rc::Rc,
};

use narthex_model::Epoch;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    Mutation,
    control::Control,
    distributor::Distributor,
    faults::Fault,
    ingester::Ingester,
    message::{Batch, Data, Message, RequestId, Write},
    network::{Network, Node, Weather},
    oracle::Oracle,
    querier::Querier,
};

/// True time at the start, in milliseconds: the beginning of a window, a little before its end comes.
const START_MS: i64 = 1_700_006_400_000;

/// What happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message arrives.
    Deliver {
        /// Who sent it.
        from: Node,
        /// Who gets it.
        to: Node,
        /// The message.
        message: Message,
    },
    /// An ingester has read its log.
    Replayed(usize),
    /// An ingester's regular work.
    IngesterTick(usize),
    /// A push reached an ingester's WAL.
    Stored {
        /// The ingester.
        id: usize,
        /// Who waits for the reply.
        to: Node,
        /// Number of the push.
        request: RequestId,
        /// The epoch in which it was accepted.
        epoch: Epoch,
        /// The samples.
        batch: Rc<Batch>,
    },
    /// A recovering ingester wrote what it was missing.
    CopyWritten(usize, Rc<Data>),
    /// A reader's regular work.
    ReaderTick(Node),
    /// A client gives up.
    PushTimeout(usize, RequestId),
    /// A read's first owners are slow.
    ReadSlow(usize, RequestId),
    /// A client gives up.
    ReadTimeout(usize, RequestId),
    /// A client writes.
    ClientWrite {
        /// The samples.
        writes: Vec<Write>,
        /// How often it tried before.
        tries: u32,
    },
    /// The clients' regular work.
    Workload,
    /// Something breaks or heals, or an operator acts.
    Fault(Fault),
    /// The next fault is chosen.
    Chaos,
}

#[derive(Debug)]
struct Planned {
    owner: Option<(Node, u64)>,
    event: Event,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    /// Virtual milliseconds since the start.
    pub(crate) now: u64,
    /// The rule that is broken on purpose, if any.
    pub(crate) mutation: Mutation,
    /// The links.
    pub(crate) network: Network,
    /// The control plane.
    pub(crate) control: Control,
    /// Three for each partition that ever was, zone by zone.
    pub(crate) ingesters: Vec<Ingester>,
    /// Writers.
    pub(crate) distributors: Vec<Distributor>,
    /// Readers.
    pub(crate) queriers: Vec<Querier>,
    /// The judge.
    pub(crate) oracle: Oracle,
    /// Tell on standard error what happens.
    pub(crate) trace: bool,
    /// No more faults.
    pub(crate) calm: bool,
    rng: StdRng,
    order: u64,
    requests: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    planned: BTreeMap<u64, Planned>,
    generations: BTreeMap<Node, u64>,
}

/// Time between a reader's acknowledgements.
const READER_TICK_MS: u64 = 200;

impl World {
    /// A world without processes.
    pub(crate) fn new(seed: u64, mutation: Mutation) -> Self {
        Self {
            now: 0,
            mutation,
            network: Network::new(Weather::CALM),
            control: Control::new(mutation),
            ingesters: Vec::new(),
            distributors: Vec::new(),
            queriers: Vec::new(),
            oracle: Oracle::default(),
            trace: false,
            calm: false,
            rng: StdRng::seed_from_u64(seed),
            order: 0,
            requests: 0,
            queue: BinaryHeap::new(),
            planned: BTreeMap::new(),
            generations: BTreeMap::new(),
        }
    }

    /// Tells what happens, when the run is traced.
    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>6} {}", self.now, text());
        }
    }

    /// A number in `[0, bound)`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.rng.random_range(0..bound) }
    }

    /// True with a chance of `of_thousand`.
    pub(crate) fn chance(&mut self, of_thousand: u64) -> bool {
        self.below(1_000) < of_thousand
    }

    /// 128 random bits.
    pub(crate) fn random_u128(&mut self) -> u128 {
        self.rng.random()
    }

    /// True time in milliseconds since the epoch.
    pub(crate) fn wall(&self) -> i64 {
        START_MS + self.now as i64
    }

    /// A new number for a request.
    pub(crate) fn request(&mut self) -> RequestId {
        self.requests += 1;
        self.requests
    }

    /// Plans an event that no process owns.
    pub(crate) fn at(&mut self, delay: u64, event: Event) {
        self.plan_event(delay, None, event);
    }

    /// Plans an event of a process; it vanishes with the process.
    pub(crate) fn timer(&mut self, node: Node, delay: u64, event: Event) {
        let generation = self.generation(node);
        self.plan_event(delay, Some((node, generation)), event);
    }

    /// Sends a message through the network.
    pub(crate) fn send(&mut self, from: Node, to: Node, message: Message) {
        let request = matches!(
            message,
            Message::Push { .. } | Message::Select { .. } | Message::Register(_) | Message::RegisterReader
        );
        for delay in self.network.deliveries(from, to, &mut self.rng) {
            let event = Event::Deliver { from, to, message: message.clone() };
            if request || to == Node::Control {
                self.at(delay, event);
            } else {
                self.timer(to, delay, event);
            }
        }
    }

    fn plan_event(&mut self, delay: u64, owner: Option<(Node, u64)>, event: Event) {
        self.order += 1;
        self.queue.push(Reverse((self.now + delay, self.order)));
        self.planned.insert(self.order, Planned { owner, event });
    }

    fn generation(&self, node: Node) -> u64 {
        self.generations.get(&node).copied().unwrap_or_default()
    }

    /// The process of a node died: its timers and the replies to it are void.
    pub(crate) fn next_generation(&mut self, node: Node) {
        *self.generations.entry(node).or_default() += 1;
    }

    /// Runs until a time, or until the oracle has seen enough.
    pub(crate) fn run_until(&mut self, end: u64) {
        while let Some(Reverse((time, order))) = self.queue.peek().copied() {
            if time > end || self.oracle.verdict().is_some() {
                break;
            }
            self.queue.pop();
            self.now = time;
            let Some(Planned { owner, event }) = self.planned.remove(&order) else { continue };
            if owner.is_none_or(|(node, generation)| self.generation(node) == generation) {
                if !matches!(event, Event::IngesterTick(_) | Event::ReaderTick(_) | Event::Workload) {
                    self.note(|| format!("{event:?}"));
                }
                self.happen(event);
            }
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, message } => self.deliver(from, to, message),
            Event::Replayed(id) => self.replayed(id),
            Event::IngesterTick(id) => self.ingester_tick(id),
            Event::Stored { id, to, request, epoch, batch } => self.stored(id, to, request, epoch, &batch),
            Event::CopyWritten(id, copy) => self.copy_written(id, copy),
            Event::ReaderTick(node) => self.reader_tick(node),
            Event::PushTimeout(id, number) => self.push_timeout(id, number),
            Event::ReadSlow(id, number) => self.read_slow(id, number),
            Event::ReadTimeout(id, number) => self.read_timeout(id, number),
            Event::ClientWrite { writes, tries } => self.client_write(writes, tries),
            Event::Workload => self.workload(),
            Event::Fault(fault) => self.fault(fault),
            Event::Chaos => self.chaos(),
        }
    }

    fn deliver(&mut self, from: Node, to: Node, message: Message) {
        match (to, message) {
            (Node::Control, message) => self.control_message(from, message),
            (Node::Ingester(id), Message::Registered(incarnation, first, ring)) => {
                self.registered(id, incarnation, first, ring);
            }
            (Node::Ingester(id), Message::Place(registered)) => self.placed(id, registered),
            (Node::Ingester(id), Message::Ring(ring)) => self.ingester_ring(id, ring),
            (Node::Ingester(id), Message::Push { request, epoch, ring_revision, batch }) => {
                self.ingester_request(id, from, request, ring_revision, Some((epoch, batch)));
            }
            (Node::Ingester(id), Message::Select { request, ring_revision }) => {
                self.ingester_request(id, from, request, ring_revision, None);
            }
            (Node::Ingester(id), Message::Selected(request, answer)) => self.copied(id, request, answer),
            (Node::Distributor(id), Message::Ring(ring)) => self.distributor_ring(id, ring),
            (Node::Distributor(id), Message::Pushed(request, answer)) => self.pushed(id, request, answer),
            (Node::Querier(id), Message::Ring(ring)) => self.querier_ring(id, ring),
            (Node::Querier(id), Message::Selected(request, answer)) => self.selected(id, request, answer),
            (to, message) => unreachable!("{message:?} makes no sense at {to:?}"),
        }
    }

    fn control_message(&mut self, from: Node, message: Message) {
        match (from, message) {
            (Node::Ingester(id), Message::AskPlace) => {
                let registered = self.control.registered(id);
                self.send(Node::Control, from, Message::Place(registered));
            }
            (Node::Ingester(id), Message::Register(incarnation)) => {
                let first = self.control.register(id, incarnation);
                let ring = self.control.ring();
                self.send(Node::Control, from, Message::Registered(incarnation, first, ring));
            }
            (_, Message::RegisterReader) => {
                self.control.register_reader(from);
                let ring = self.control.ring();
                self.send(Node::Control, from, Message::Ring(ring));
            }
            (_, Message::Acknowledge(revision)) => {
                self.control.acknowledge(from, revision);
                let ring = self.control.ring();
                self.send(Node::Control, from, Message::Ring(ring));
            }
            (_, Message::AskRing) => {
                let ring = self.control.ring();
                self.send(Node::Control, from, Message::Ring(ring));
            }
            (from, message) => unreachable!("{message:?} from {from:?} makes no sense at the control plane"),
        }
    }

    /// Starts a distributor or querier; it serves once it is registered and has the ring of that moment.
    pub(crate) fn start_reader(&mut self, node: Node) {
        match node {
            Node::Distributor(id) => self.distributors[id].up = true,
            Node::Querier(id) => self.queriers[id].up = true,
            Node::Control | Node::Ingester(_) => return,
        }
        self.reader_tick(node);
    }

    fn reader_tick(&mut self, node: Node) {
        let message = match self.reader_ring(node) {
            Some(ring) => Message::Acknowledge(ring),
            None => Message::RegisterReader,
        };
        self.send(node, Node::Control, message);
        self.timer(node, READER_TICK_MS, Event::ReaderTick(node));
    }

    fn reader_ring(&self, node: Node) -> Option<narthex_model::RingRevision> {
        let ring = match node {
            Node::Distributor(id) => &self.distributors[id].ring,
            Node::Querier(id) => &self.queriers[id].ring,
            Node::Control | Node::Ingester(_) => return None,
        };
        ring.as_ref().map(|ring| ring.revision())
    }

    /// P-1: everybody who answers reads knows a partition that stores writes.
    pub(crate) fn check_readers_know(&mut self, partition: u32) {
        let ignorant = |ring: &Option<Rc<narthex_ring::Ring>>| {
            ring.as_ref().is_some_and(|ring| ring.partition(narthex_model::PartitionId(partition)).is_none())
        };
        let queriers = self.queriers.iter().enumerate().filter(|(_, querier)| ignorant(&querier.ring));
        let unknown: Vec<_> = queriers.map(|(id, _)| format!("querier {id}")).collect();
        self.oracle.unknown_to(self.now, partition, &unknown);
    }
}

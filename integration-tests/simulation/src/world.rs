//! The event loop: one queue of events in virtual time, one generator of random numbers.
//!
//! Two events at the same time happen in the order in which they were planned, so a seed decides everything. Timers and
//! replies belong to a process: they vanish when it dies. Requests do not, as a sender's connection may come back first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    rc::Rc,
    time::Duration,
};

use narthex_ingester::flush::Schedule;
use narthex_manifest::Event as Came;
use narthex_model::{Epoch, ManifestRevision};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    Mutation,
    bucket::Bucket,
    control::Control,
    distributor::Distributor,
    faults::Fault,
    ingester::Ingester,
    keeper::Keeper,
    manifests::{Asks, Catalogue},
    message::{Batch, Data, Message, RequestId, Told, Write},
    network::{Network, Node, Weather},
    oracle::Oracle,
    querier::Querier,
    requests::Wanted,
    store::WINDOW,
};

/// True time at the start, in milliseconds: the beginning of a window.
const START_MS: i64 = 1_700_006_400_000;
/// How fast the data clock goes: hours of samples pass in seconds of requests and bucket.
const RATE: i64 = 600;

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
    CopyWritten(usize, Rc<Data>, ManifestRevision),
    /// An ingester goes on with work on its head.
    OperationTurn(usize),
    /// An owner looks at what is due.
    FlushTick(usize),
    /// Another owner does not answer a flusher.
    SealTimeout(usize, RequestId),
    /// A flusher tries an edit again.
    CommitAgain(usize, RequestId),
    /// The bucket does not answer.
    AskTimeout(Node, RequestId),
    /// A process looks again for a revision that is not there yet.
    LookAgain(Node),
    /// A process goes on with its commit.
    CommitWaited(Node),
    /// A keeper's regular work.
    KeeperTick(usize),
    /// A read goes on after a pause.
    ReadResumed(usize, RequestId),
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

/// A process stands still.
#[derive(Debug, Clone, Copy)]
struct Pause {
    from: u64,
    until: u64,
    /// Its monotonic clock stands still too.
    suspended: bool,
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
    /// Collectors and compactors.
    pub(crate) keepers: Vec<Keeper>,
    /// The bucket.
    pub(crate) bucket: Bucket,
    /// What processes know of the manifest.
    pub(crate) catalogues: BTreeMap<Node, Catalogue>,
    /// What they asked the bucket for.
    pub(crate) asks: Asks,
    /// When windows are cut.
    pub(crate) schedule: Schedule,
    /// How many partitions there are at most.
    pub(crate) most_partitions: usize,
    /// Hints do not reach one of the queriers.
    pub(crate) deaf: bool,
    /// How long a cut is kept after its commit was seen.
    pub(crate) keep_ms: u64,
    /// Processes that stand still.
    paused: BTreeMap<Node, Pause>,
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
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let schedule =
            Schedule { length: WINDOW, max_age: minutes(10), slack: minutes(1), jitter: minutes(5) };
        Self {
            now: 0,
            mutation,
            network: Network::new(Weather::CALM),
            control: Control::new(mutation),
            ingesters: Vec::new(),
            distributors: Vec::new(),
            queriers: Vec::new(),
            keepers: Vec::new(),
            bucket: Bucket::new(),
            catalogues: BTreeMap::new(),
            asks: Asks::new(),
            schedule,
            most_partitions: 3,
            deaf: false,
            keep_ms: 800,
            paused: BTreeMap::new(),
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

    /// True time in milliseconds since the epoch, as samples have it.
    pub(crate) fn wall(&self) -> i64 {
        START_MS + self.now as i64 * RATE
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
            Message::Push { .. } | Message::Select { .. } | Message::Seal { .. } | Message::RegisterReader
        );
        for delay in self.network.deliveries(from, to, &mut self.rng) {
            let event = Event::Deliver { from, to, message: message.clone() };
            if matches!(message, Message::Register(_)) {
                // A registration does not outlive its connection: where one did, two disks could be doubted at once.
                self.timer(from, delay, event);
            } else if request || to == Node::Control || to == Node::Bucket {
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

    /// Whether a process stands still.
    pub(crate) fn stands_still(&self, node: Node) -> bool {
        self.paused.get(&node).is_some_and(|pause| pause.until > self.now)
    }

    /// Everybody goes on.
    pub(crate) fn resume_all(&mut self) {
        self.paused.clear();
    }

    /// The process of a node died: its timers and the replies to it are void.
    pub(crate) fn next_generation(&mut self, node: Node) {
        *self.generations.entry(node).or_default() += 1;
        self.paused.remove(&node);
        self.forget_catalogue(node);
    }

    /// When an event happens instead, if the process that it is for stands still. What was sent to it comes when it goes on;
    /// its own timers too, or, where its clock stood still as well, as much later as that took.
    fn postponed(&self, planned: &Planned) -> Option<u64> {
        if self.paused.is_empty() {
            return None;
        }
        let (node, timer) = match (&planned.owner, &planned.event) {
            (_, Event::Deliver { to, .. }) => (to, false),
            (Some((node, _)), _) => (node, true),
            (None, _) => return None,
        };
        let pause = self.paused.get(node).filter(|pause| pause.until > self.now)?;
        Some(if timer && pause.suspended { self.now + pause.until - pause.from } else { pause.until })
    }

    /// The newest message to the bucket takes so much longer.
    pub(crate) fn delay_last(&mut self, by: u64) {
        let to_bucket = |planned: &Planned| matches!(planned.event, Event::Deliver { to: Node::Bucket, .. });
        let Some((order, _)) = self.planned.iter().rev().find(|(_, planned)| to_bucket(planned)) else {
            return;
        };
        let order = *order;
        let Some(planned) = self.planned.remove(&order) else { return };
        self.plan_event(by, planned.owner, planned.event);
    }

    /// A process stands still from now on.
    pub(crate) fn pause(&mut self, node: Node, length: u64, suspended: bool) {
        let (from, until) = (self.now, self.now + length);
        self.note(|| format!("{node:?} stands still until {until}"));
        self.paused.insert(node, Pause { from, until, suspended });
    }

    /// Runs until a time, or until the oracle has seen enough.
    pub(crate) fn run_until(&mut self, end: u64) {
        while let Some(Reverse((time, order))) = self.queue.peek().copied() {
            if time > end || self.oracle.verdict().is_some() {
                break;
            }
            self.queue.pop();
            self.now = time;
            let Some(planned) = self.planned.get(&order) else { continue };
            let postponed = self.postponed(planned);
            let Some(planned) = self.planned.remove(&order) else { continue };
            if let Some(time) = postponed {
                // Anew, so that what is postponed to the same time keeps its order.
                self.order += 1;
                self.queue.push(Reverse((time, self.order)));
                self.planned.insert(self.order, planned);
                continue;
            }
            let Planned { owner, event } = planned;
            if owner.is_none_or(|(node, generation)| self.generation(node) == generation) {
                let quiet = matches!(
                    event,
                    Event::IngesterTick(_)
                        | Event::ReaderTick(_)
                        | Event::Workload
                        | Event::FlushTick(_)
                        | Event::KeeperTick(_)
                        | Event::OperationTurn(_)
                );
                if !quiet {
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
            Event::CopyWritten(id, copy, acted) => self.copy_written(id, copy, acted),
            Event::OperationTurn(id) => self.operation_turn(id),
            Event::FlushTick(id) => self.flush_tick(id),
            Event::SealTimeout(id, request) => self.seal_timeout(id, request),
            Event::CommitAgain(id, job) => self.commit_again(id, job),
            Event::AskTimeout(node, request) => self.told(node, request, Told::Failed, None),
            Event::LookAgain(node) => self.begin_look(node),
            Event::CommitWaited(node) => self.commit_came(node, Came::Waited),
            Event::KeeperTick(id) => self.keeper_tick(id),
            Event::ReadResumed(id, number) => self.go_on_to_blocks(id, number),
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
            (Node::Bucket, Message::Ask(request, ask)) => self.bucket_request(from, request, &ask),
            (to, Message::Told(request, told, date)) => self.told(to, request, told, date),
            (to, Message::Hint(revision)) => {
                let catalogue = self.catalogue(to);
                catalogue.hint = catalogue.hint.max(revision);
            }
            (Node::Ingester(id), Message::Seal { request, ring_revision, cut, series }) => {
                self.ingester_request(id, from, request, ring_revision, Wanted::Seal(cut, series));
            }
            (Node::Ingester(id), Message::Sealed(request, answer)) => self.sealed(id, request, answer),
            (Node::Ingester(id), Message::Registered(incarnation, first, ring)) => {
                self.registered(id, incarnation, first, ring);
            }
            (Node::Ingester(id), Message::Place(registered)) => self.placed(id, registered),
            (Node::Ingester(id), Message::Ring(ring)) => self.ingester_ring(id, ring),
            (Node::Ingester(id), Message::Push { request, epoch, ring_revision, batch }) => {
                self.ingester_request(id, from, request, ring_revision, Wanted::Push(epoch, batch));
            }
            (Node::Ingester(id), Message::Select { request, ring_revision }) => {
                self.ingester_request(id, from, request, ring_revision, Wanted::Read);
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
            (Node::Ingester(id), Message::Drained(drained)) => self.report(id, drained),
            (_, Message::Hint(revision)) => {
                let ingesters = (0..self.ingesters.len()).map(Node::Ingester);
                let queriers = (0..self.queriers.len()).map(Node::Querier);
                // A hint is nothing more: the last querier hears of none in some runs.
                let deaf = self.deaf.then(|| Node::Querier(self.queriers.len() - 1));
                let nodes: Vec<_> = ingesters.chain(queriers).filter(|node| Some(*node) != deaf).collect();
                for node in nodes {
                    self.send(Node::Control, node, Message::Hint(revision));
                }
            }
            (_, Message::RegisterReader) => {
                self.control.register_reader(from);
                let ring = self.control.ring();
                self.send(Node::Control, from, Message::Ring(ring));
            }
            (_, Message::Acknowledge(revision)) => {
                self.control.acknowledge(from, revision);
                self.stop_gone();
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
            _ => return,
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
            _ => return None,
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

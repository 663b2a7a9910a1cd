//! A simulated ingester: the real decisions of recovery and epochs, the real head, a simulated disk and process around it.
//!
//! How it treats requests is in `requests`.

use std::{collections::VecDeque, rc::Rc};

use narthex_ingester::recovery::{
    Adopted, Assessment, Doubt, Found, RecordStanding, Standing, assess, begin, standing,
};
use narthex_model::{BootId, Incarnation, ManifestRevision, PartitionId, RingRevision};
use narthex_ring::{PartitionState, Replication, Ring};

use crate::{
    Mutation,
    control::{ingester_of, owners_of, partition_of},
    cuts::Operation,
    disk::{Disk, Entry},
    flusher::{FLUSH_TICK_MS, Flusher},
    message::{Data, Message, Refused, RequestId, Selected},
    network::Node,
    requests::Waiting,
    store::{Store, Turn, keys, missing},
    world::{Event, World},
};

/// What a process can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Reading its log.
    Replaying,
    /// Asking which incarnation has its place.
    Asking,
    /// Waiting to be registered.
    Joining,
    /// Taking writes, answering no reads.
    Recovering,
    /// Complete.
    Serving,
}

/// One ingester: a disk, a machine and perhaps a running process.
#[derive(Debug)]
pub(crate) struct Ingester {
    /// Its data directory.
    pub(crate) disk: Disk,
    /// A volume that was taken out.
    pub(crate) spare: Disk,
    /// Id of the running kernel.
    pub(crate) boot: BootId,
    /// Acknowledges before it syncs.
    pub(crate) interval_sync: bool,
    /// Its disk is slow until then.
    pub(crate) stalled_until: u64,
    /// Difference of its data clock from the true time, in milliseconds.
    pub(crate) skew_ms: i64,
    /// The process, if it runs.
    pub(crate) process: Option<Process>,
}

/// A running ingester.
#[derive(Debug)]
pub(crate) struct Process {
    /// What it can do.
    pub(crate) phase: Phase,
    /// The ring that it knows.
    pub(crate) ring: Rc<Ring>,
    pub(crate) store: Store,
    pub(crate) adopted: Adopted,
    assessment: Assessment,
    pub(crate) inflight: u32,
    pub(crate) waiting: Vec<Waiting>,
    /// Ring revision that its own incarnation is part of.
    fence: RingRevision,
    copies: Vec<(usize, Option<Selected>, RequestId)>,
    writing_copy: bool,
    /// Work on the head, one at a time.
    pub(crate) operations: VecDeque<Operation>,
    pub(crate) turn_planned: bool,
    pub(crate) flusher: Flusher,
}

/// Time between signs of life.
pub(crate) const TICK_MS: u64 = 250;

impl Ingester {
    /// An empty disk in a running machine.
    pub(crate) fn new(boot: u128, interval_sync: bool) -> Self {
        Self {
            disk: Disk::default(),
            spare: Disk::default(),
            boot: BootId(boot),
            interval_sync,
            stalled_until: 0,
            skew_ms: 0,
            process: None,
        }
    }

    fn found(&self, registered: Option<Incarnation>) -> Found<'_> {
        let record = self.disk.record.as_ref();
        Found {
            record,
            empty: !self.disk.used,
            quarantined: record.is_some_and(|record| record.quarantined < self.disk.quarantined),
            boot: self.boot,
            registered,
        }
    }

    /// Whether the owner counts as complete, running or not; `registered` is what the control plane has.
    fn complete(&self, registered: Option<Incarnation>) -> bool {
        match &self.process {
            Some(process) if !matches!(process.phase, Phase::Replaying | Phase::Asking) => {
                process.phase == Phase::Serving
            }
            _ => assess(&self.found(registered)) == Assessment::Intact,
        }
    }

    /// Begins a process.
    fn boot_up(&mut self) {
        self.process = Some(Process {
            phase: Phase::Replaying,
            ring: Rc::new(Ring::empty(Replication::Three)),
            store: Store::new(),
            adopted: Adopted::default(),
            assessment: Assessment::Doubtful(Doubt::NewDisk),
            inflight: 0,
            waiting: Vec::new(),
            fence: RingRevision(0),
            copies: Vec::new(),
            writing_copy: false,
            operations: VecDeque::new(),
            turn_planned: false,
            flusher: Flusher::default(),
        });
    }
}

/// Whether the owner is registered.
fn serves_or_recovers(ingester: &Ingester) -> bool {
    let phase = ingester.process.as_ref().map(|process| process.phase);
    matches!(phase, Some(Phase::Serving | Phase::Recovering))
}

impl World {
    /// Starts an ingester's process if its machine has none running.
    pub(crate) fn start_ingester(&mut self, id: usize) {
        if self.ingesters[id].process.is_some() || self.control.is_gone(partition_of(id)) {
            return;
        }
        self.ingesters[id].boot_up();
        let replay = 5 + self.ingesters[id].disk.len() as u64 / 10;
        self.timer(Node::Ingester(id), replay, Event::Replayed(id));
        self.timer(Node::Ingester(id), replay + FLUSH_TICK_MS, Event::FlushTick(id));
    }

    /// Kills the process. The page cache stays unless the machine goes too.
    pub(crate) fn kill_ingester(&mut self, id: usize) {
        self.ingesters[id].process = None;
        self.next_generation(Node::Ingester(id));
    }

    pub(crate) fn replayed(&mut self, id: usize) {
        let ingester = &mut self.ingesters[id];
        let Some(process) = &mut ingester.process else { return };
        process.store = ingester.disk.replay();
        process.phase = Phase::Asking;
        self.ingester_tick(id);
    }

    /// The control plane told who has the place: the record of this run is written, then the ingester registers.
    pub(crate) fn placed(&mut self, id: usize, registered: Option<Incarnation>) {
        let (fresh, mutation) = (Incarnation(self.random_u128()), self.mutation);
        let ingester = &mut self.ingesters[id];
        let own = ingester.disk.record.as_ref().map(|record| record.incarnation);
        let registered = if mutation == Mutation::TrustOldDisk { own } else { registered };
        let (record, assessment) =
            begin(&ingester.found(registered), fresh, ingester.interval_sync, ingester.disk.quarantined);
        let Some(process) = ingester.process.as_mut().filter(|process| process.phase == Phase::Asking) else {
            return;
        };
        process.adopted = record.adopted;
        process.assessment = assessment;
        process.phase = Phase::Joining;
        let incarnation = record.incarnation;
        if own != Some(incarnation) {
            self.oracle.unsealed(id);
        }
        ingester.disk.record = Some(record);
        ingester.disk.used = true;
        self.send(Node::Ingester(id), Node::Control, Message::Register(incarnation));
    }

    /// Registration, sync, sign of life and the next attempt of recovery.
    pub(crate) fn ingester_tick(&mut self, id: usize) {
        let ingester = &mut self.ingesters[id];
        let Some(process) = &ingester.process else { return };
        ingester.disk.sync();
        let node = Node::Ingester(id);
        let message = match (process.phase, &ingester.disk.record) {
            (Phase::Asking, _) => Message::AskPlace,
            (Phase::Joining, Some(record)) => Message::Register(record.incarnation),
            _ => Message::AskRing,
        };
        self.send(node, Node::Control, message);
        if serves_or_recovers(&self.ingesters[id]) {
            self.adopt(id);
        }
        let drained = self.drained(id);
        self.send(node, Node::Control, Message::Drained(drained));
        self.ask_copies(id);
        self.timer(node, TICK_MS, Event::IngesterTick(id));
        self.pump(id);
    }

    /// The ring by which the owner serves, takes no writes and holds nothing, if that is so.
    fn drained(&self, id: usize) -> Option<RingRevision> {
        let process = self.ingesters[id].process.as_ref()?;
        let state = process.ring.partition(PartitionId(partition_of(id)))?.state;
        let inactive = state == PartitionState::Inactive && !process.adopted.active;
        let serves = process.phase == Phase::Serving && process.inflight == 0;
        let holds = process.store.head().stats().chunks > 0;
        (inactive && serves && !holds).then(|| process.ring.revision())
    }

    pub(crate) fn registered(&mut self, id: usize, incarnation: Incarnation, first: bool, ring: Rc<Ring>) {
        let mutation = self.mutation;
        let ingester = &mut self.ingesters[id];
        let Some(process) = &mut ingester.process else { return };
        // An answer to the process before, perhaps, whose disk this one does not have.
        let Some(record) = &mut ingester.disk.record else { return };
        if process.phase != Phase::Joining || record.incarnation != incarnation {
            return;
        }
        process.fence = ring.revision();
        if ring.revision() > process.ring.revision() {
            process.ring = ring;
        }
        let trusted = first || mutation == Mutation::TrustEveryDisk;
        match standing(process.assessment, Replication::Three, trusted, false) {
            Standing::Complete => {
                record.standing = RecordStanding::Complete;
                process.phase = Phase::Serving;
                self.check_owners(partition_of(id));
            }
            Standing::Recovering(_) => process.phase = Phase::Recovering,
        }
        self.pump(id);
    }

    pub(crate) fn ingester_ring(&mut self, id: usize, ring: Rc<Ring>) {
        let Some(process) = &mut self.ingesters[id].process else { return };
        if ring.revision() > process.ring.revision() {
            process.ring = ring;
        }
        self.pump(id);
    }

    /// Asks the other owners for what they have, those that did not answer yet.
    fn ask_copies(&mut self, id: usize) {
        let Some(process) = &self.ingesters[id].process else { return };
        let partition = PartitionId(partition_of(id));
        // Without a partition in the ring there is nothing to copy yet, and nobody to say so.
        if process.phase != Phase::Recovering || process.writing_copy {
            return;
        }
        let Some(found) = process.ring.partition(partition) else { return };
        let owners: Vec<_> = found.owners.iter().map(ingester_of).filter(|owner| *owner != id).collect();
        let ring_revision = process.ring.revision();
        for owner in owners {
            let request = self.request();
            let Some(process) = &mut self.ingesters[id].process else { return };
            match process.copies.iter_mut().find(|(from, _, _)| *from == owner) {
                Some((_, Some(_), _)) => continue,
                Some((_, None, asked)) => *asked = request,
                None => process.copies.push((owner, None, request)),
            }
            self.send(Node::Ingester(id), Node::Ingester(owner), Message::Select { request, ring_revision });
        }
    }

    pub(crate) fn copied(&mut self, id: usize, request: RequestId, answer: Result<Selected, Refused>) {
        let mutation = self.mutation;
        let ingester = &mut self.ingesters[id];
        let Some(process) = &mut ingester.process else { return };
        let Ok(selected) = answer else { return };
        if process.phase != Phase::Recovering
            || process.writing_copy
            || selected.ring_revision < process.fence
        {
            return;
        }
        if let Some((_, data, _)) = process.copies.iter_mut().find(|(_, _, asked)| *asked == request) {
            *data = Some(selected);
        }
        let got: Vec<_> = process.copies.iter().filter_map(|(_, data, _)| data.clone()).collect();
        let needed = if mutation == Mutation::CopyFromOne { 1 } else { 2 };
        if got.len() < needed {
            return;
        }
        process.writing_copy = true;
        let nothing = Rc::new(Data::new());
        let right = got.get(1).map_or(&nothing, |right| &right.data);
        let copy = Rc::new(missing(&process.store.data(), &got[0].data, right));
        let acted = got.iter().map(|from| from.acted).max().unwrap_or_default();
        if mutation != Mutation::KeepSeals {
            // What this disk sealed lacks what it lost.
            self.step(id, Turn::VoidSeals);
            self.oracle.unsealed(id);
        }
        let delay = self.below(50) + 1;
        self.timer(Node::Ingester(id), delay, Event::CopyWritten(id, copy, acted));
    }

    pub(crate) fn copy_written(&mut self, id: usize, copy: Rc<Data>, acted: ManifestRevision) {
        let (now, mutation) = (self.wall(), self.mutation);
        let ingester = &mut self.ingesters[id];
        let Some(process) = &mut ingester.process else { return };
        let epoch = process.adopted.epoch;
        let changes = process.store.recovered(&copy, now, epoch);
        process.phase = Phase::Serving;
        ingester.disk.append(Entry::Stored(changes));
        if mutation != Mutation::CopyWithoutActing && process.store.head().acted() < acted {
            self.step(id, Turn::Act(acted));
        }
        let ingester = &mut self.ingesters[id];
        ingester.disk.sync();
        ingester.disk.record.as_mut().expect("written at start").standing = RecordStanding::Complete;
        self.check_owners(partition_of(id));
        self.pump(id);
    }

    /// Whether an owner counts as complete, running or not.
    pub(crate) fn is_complete(&self, id: usize) -> bool {
        self.ingesters[id].complete(self.control.registered(id))
    }

    /// F-5 and its consequence: of the complete owners, at most one lacks any acknowledged sample.
    pub(crate) fn check_owners(&mut self, partition: u32) {
        let complete: Vec<_> = owners_of(partition)
            .filter(|id| self.is_complete(*id))
            .map(|id| {
                let ingester = &self.ingesters[id];
                match &ingester.process {
                    Some(process) if process.phase == Phase::Serving => (id, keys(&process.store.data())),
                    _ => (id, ingester.disk.holds()),
                }
            })
            .collect();
        self.oracle.owners(self.now, partition, &complete);
    }
}

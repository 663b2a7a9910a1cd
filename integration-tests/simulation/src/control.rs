//! The control plane as one linearizable machine: partitions, incarnations and the acknowledgements of readers.
//!
//! Its rules are those of `services/control-plane`: a partition begins PENDING when every zone has its ingester, becomes
//! ACTIVE once every registered reader acknowledged that (rule 7), and starts a new epoch when an owner registers a new
//! incarnation (rule 2). An INACTIVE one leaves on an operator's word, once two owners that serve hold nothing of it and every
//! reader knows that it is INACTIVE (rules 7 and 11).

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use narthex_model::{Epoch, Incarnation, InstanceId, PartitionId, RingRevision, Zone};
use narthex_ring::{Owner, Partition, PartitionState, Replication, Ring};

use crate::{Mutation, network::Node};

/// Zones, one owner of each partition in each.
pub(crate) const ZONES: usize = 3;

#[derive(Debug)]
struct Registered {
    incarnation: Incarnation,
    before_first_activation: bool,
}

#[derive(Debug)]
struct Life {
    state: PartitionState,
    since: RingRevision,
    epoch: Epoch,
    removal: bool,
}

/// The state.
#[derive(Debug)]
pub(crate) struct Control {
    mutation: Mutation,
    revision: u64,
    ingesters: BTreeMap<usize, Registered>,
    readers: BTreeMap<Node, RingRevision>,
    partitions: BTreeMap<u32, Life>,
    /// What owners last said: that they serve and hold nothing, knowing this ring.
    drained: BTreeMap<usize, RingRevision>,
    gone: BTreeSet<u32>,
    ring: Rc<Ring>,
}

/// Partition of an ingester: ingesters are numbered zone by zone within a partition.
pub(crate) fn partition_of(ingester: usize) -> u32 {
    (ingester / ZONES) as u32
}

/// The ingesters that own a partition.
pub(crate) fn owners_of(partition: u32) -> std::ops::Range<usize> {
    partition as usize * ZONES..(partition as usize + 1) * ZONES
}

/// The ingester behind an owner of the ring, by its address.
pub(crate) fn ingester_of(owner: &Owner) -> usize {
    owner.address.parse().expect("addresses are ingester numbers")
}

impl Control {
    /// Knows nothing yet.
    pub(crate) fn new(mutation: Mutation) -> Self {
        Self {
            mutation,
            revision: 0,
            ingesters: BTreeMap::new(),
            readers: BTreeMap::new(),
            partitions: BTreeMap::new(),
            drained: BTreeMap::new(),
            gone: BTreeSet::new(),
            ring: Rc::new(Ring::empty(Replication::Three)),
        }
    }

    /// The ring as it is.
    pub(crate) fn ring(&self) -> Rc<Ring> {
        Rc::clone(&self.ring)
    }

    /// State of a partition, if it is in the ring.
    pub(crate) fn state(&self, partition: u32) -> Option<PartitionState> {
        self.partitions.get(&partition).map(|life| life.state)
    }

    /// The incarnation that is registered in an ingester's place.
    pub(crate) fn registered(&self, ingester: usize) -> Option<Incarnation> {
        self.ingesters.get(&ingester).map(|registered| registered.incarnation)
    }

    /// Registers an ingester; true if the incarnation came before the partition was ever ACTIVE.
    pub(crate) fn register(&mut self, ingester: usize, incarnation: Incarnation) -> bool {
        if let Some(known) = self.ingesters.get(&ingester)
            && known.incarnation == incarnation
        {
            return known.before_first_activation;
        }
        let partition = partition_of(ingester);
        let before_first_activation =
            self.partitions.get(&partition).is_none_or(|life| life.epoch == Epoch(0));
        self.ingesters.insert(ingester, Registered { incarnation, before_first_activation });
        self.revision += 1;
        match self.partitions.get_mut(&partition) {
            Some(life) if life.state == PartitionState::Active && self.mutation != Mutation::KeepEpoch => {
                life.epoch = Epoch(self.revision);
            }
            Some(_) => {}
            None if self.gone.contains(&partition) => {}
            None if owners_of(partition).all(|owner| self.ingesters.contains_key(&owner)) => {
                let (state, since) = (PartitionState::Pending, RingRevision(self.revision));
                self.partitions.insert(partition, Life { state, since, epoch: Epoch(0), removal: false });
            }
            None => {}
        }
        self.rebuild();
        before_first_activation
    }

    /// From now on ring changes wait for this reader.
    pub(crate) fn register_reader(&mut self, reader: Node) {
        self.readers.entry(reader).or_default();
    }

    /// The reader acts on this revision. A restarted reader may say less than before.
    pub(crate) fn acknowledge(&mut self, reader: Node, revision: RingRevision) {
        if let Some(known) = self.readers.get_mut(&reader) {
            *known = revision;
            self.activate();
            self.remove();
        }
    }

    /// PENDING to ACTIVE where every reader knows.
    fn activate(&mut self) {
        let known = self.readers.values().min().copied().unwrap_or_default();
        let mutation = self.mutation;
        let due = |life: &Life| {
            let acknowledged = known >= life.since || mutation == Mutation::ActivateUnacknowledged;
            life.state == PartitionState::Pending && acknowledged
        };
        if let Some(life) = self.partitions.values_mut().find(|life| due(life)) {
            self.revision += 1;
            *life = Life {
                state: PartitionState::Active,
                since: RingRevision(self.revision),
                epoch: Epoch(self.revision),
                removal: false,
            };
            self.rebuild();
        }
    }

    /// An owner says whether it serves and holds nothing of its partition, which it knows to be INACTIVE.
    pub(crate) fn report(&mut self, ingester: usize, drained: Option<RingRevision>) {
        match drained {
            Some(revision) => drop(self.drained.insert(ingester, revision)),
            None => drop(self.drained.remove(&ingester)),
        }
        self.remove();
    }

    /// An operator wants a drained partition to leave.
    pub(crate) fn request_removal(&mut self, partition: u32) {
        if let Some(life) = self.partitions.get_mut(&partition) {
            life.removal = life.state == PartitionState::Inactive;
        }
    }

    /// Whether a partition has left.
    pub(crate) fn is_gone(&self, partition: u32) -> bool {
        self.gone.contains(&partition)
    }

    /// INACTIVE to gone where owners hold nothing and every reader knows.
    fn remove(&mut self) {
        let known = self.readers.values().min().copied().unwrap_or_default();
        let needed = match self.mutation {
            Mutation::LeaveWithCuts => 0,
            Mutation::LeaveOnOneReport => 1,
            _ => 2,
        };
        let due = self.partitions.iter().find(|(id, life)| {
            let empty = |owner: &usize| self.drained.get(owner).is_some_and(|at| *at >= life.since);
            let is_empty = life.epoch == Epoch(0) || owners_of(**id).filter(empty).count() >= needed;
            life.state == PartitionState::Inactive && life.removal && is_empty && known >= life.since
        });
        if let Some(id) = due.map(|(id, _)| *id) {
            self.partitions.remove(&id);
            self.gone.insert(id);
            self.revision += 1;
            self.rebuild();
        }
    }

    /// Takes a partition out of writes; cancels one that is still PENDING.
    pub(crate) fn drain(&mut self, partition: u32) {
        self.change(partition, PartitionState::Inactive, |state| state != PartitionState::Inactive);
    }

    /// Brings a drained partition back, by way of PENDING.
    pub(crate) fn bring_back(&mut self, partition: u32) {
        self.change(partition, PartitionState::Pending, |state| state == PartitionState::Inactive);
    }

    fn change(&mut self, partition: u32, to: PartitionState, from: impl Fn(PartitionState) -> bool) {
        if let Some(life) = self.partitions.get_mut(&partition)
            && from(life.state)
        {
            self.revision += 1;
            life.state = to;
            life.removal = false;
            life.since = RingRevision(self.revision);
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let partitions = self.partitions.iter().map(|(id, life)| {
            let owners = owners_of(*id).map(|ingester| Owner {
                instance: InstanceId::from(format!("ingester-{ingester}")),
                zone: Zone::from(format!("zone-{}", ingester % ZONES)),
                address: ingester.to_string(),
            });
            Partition { id: PartitionId(*id), state: life.state, epoch: life.epoch, owners: owners.collect() }
        });
        self.ring = Rc::new(Ring::new(RingRevision(self.revision), Replication::Three, partitions.collect()));
    }
}

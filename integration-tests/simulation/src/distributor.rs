//! A simulated distributor: the real ring places samples, the real quorum counts owners' answers.
//!
//! A write that meets another epoch is routed once more on a newer ring, with nothing counted from before; a write without
//! its quorum in time is answered 503, and the client sends the same samples again.

use std::{collections::BTreeMap, rc::Rc};

use narthex_model::{Epoch, PartitionId, RingRevision};
use narthex_ring::{Replication, Ring, Verdict, WriteQuorum};

use crate::{
    Mutation,
    control::ingester_of,
    labels,
    message::{Batch, Message, Pushed, Refused, RequestId, Write},
    network::Node,
    store::frame,
    world::{Event, World},
};

/// A distributor's process; `None` ring: it does not serve yet.
#[derive(Debug, Default)]
pub(crate) struct Distributor {
    /// It runs.
    pub(crate) up: bool,
    /// What it knows.
    pub(crate) ring: Option<Rc<Ring>>,
    /// Difference of its clock from the true time, in milliseconds.
    pub(crate) skew_ms: i64,
    pushes: BTreeMap<RequestId, Push>,
}

/// One request of a client.
#[derive(Debug)]
struct Push {
    writes: Vec<Write>,
    client_tries: u32,
    routed: u32,
    revision: RingRevision,
    shards: Vec<Shard>,
    waits_for_ring: bool,
}

/// The part of it that belongs to one partition.
#[derive(Debug)]
struct Shard {
    partition: PartitionId,
    epoch: Epoch,
    batch: Rc<Batch>,
    owners: Vec<Asked>,
}

/// An owner, the request to it, and its answer.
type Asked = (usize, RequestId, Option<Result<Pushed, Refused>>);

/// How long a client waits for its answer.
const TIMEOUT_MS: u64 = 800;
/// How often a client sends the same samples.
const CLIENT_TRIES: u32 = 6;

enum Outcome {
    Open,
    Stale,
    Done,
    Failed,
}

impl World {
    /// A client writes through a distributor that serves, if there is one.
    pub(crate) fn client_write(&mut self, writes: Vec<Write>, client_tries: u32) {
        let serving: Vec<_> =
            (0..self.distributors.len()).filter(|id| self.distributors[*id].ring.is_some()).collect();
        if client_tries >= CLIENT_TRIES {
            return;
        }
        if serving.is_empty() {
            self.at(300, Event::ClientWrite { writes, tries: client_tries + 1 });
            return;
        }
        let id = serving[self.below(serving.len() as u64) as usize];
        writes.iter().for_each(|write| self.oracle.writing(write));
        let number = self.request();
        let push = Push {
            writes,
            client_tries,
            routed: 0,
            revision: RingRevision(0),
            shards: Vec::new(),
            waits_for_ring: false,
        };
        self.distributors[id].pushes.insert(number, push);
        self.route(id, number);
        self.timer(Node::Distributor(id), TIMEOUT_MS, Event::PushTimeout(id, number));
    }

    /// Shards by the ring as it is and sends each shard to all owners.
    fn route(&mut self, id: usize, number: RequestId) {
        let now = self.wall();
        let distributor = &mut self.distributors[id];
        let Some(ring) = distributor.ring.clone() else { return };
        let received_ms = now + distributor.skew_ms;
        let Some(push) = distributor.pushes.get_mut(&number) else { return };
        push.routed += 1;
        push.revision = ring.revision();
        push.waits_for_ring = false;
        let mut parts: BTreeMap<PartitionId, Vec<Write>> = BTreeMap::new();
        for write in &push.writes {
            match ring.partition_for(labels(write.series).series_hash()) {
                Some(partition) => parts.entry(partition).or_default().push(*write),
                // No partition takes writes yet; the timeout answers.
                None => return,
            }
        }
        let mut shards = Vec::new();
        for (partition, mut writes) in parts {
            writes.sort_by_key(|write| write.series);
            let found = ring.partition(partition).expect("the ring routes to its own partitions");
            let owners = found.owners.iter().map(ingester_of).collect::<Vec<_>>();
            let frame = frame(&writes);
            shards.push((partition, found.epoch, Rc::new(Batch { writes, frame, received_ms }), owners));
        }
        let shards: Vec<_> = shards
            .into_iter()
            .map(|(partition, epoch, batch, owners)| {
                let owners =
                    owners.into_iter().map(|owner| (owner, self.request(), None)).collect::<Vec<_>>();
                for (owner, request, _) in &owners {
                    let batch = Rc::clone(&batch);
                    let push =
                        Message::Push { request: *request, epoch, ring_revision: ring.revision(), batch };
                    self.send(Node::Distributor(id), Node::Ingester(*owner), push);
                }
                Shard { partition, epoch, batch, owners }
            })
            .collect();
        if let Some(push) = self.distributors[id].pushes.get_mut(&number) {
            push.shards = shards;
        }
    }

    pub(crate) fn pushed(&mut self, id: usize, request: RequestId, answer: Result<Pushed, Refused>) {
        let distributor = &mut self.distributors[id];
        let found = distributor.pushes.iter_mut().find_map(|(number, push)| {
            let mut owners = push.shards.iter_mut().flat_map(|shard| shard.owners.iter_mut());
            owners.find(|(_, asked, _)| *asked == request).map(|(_, _, slot)| (*number, slot))
        });
        let Some((number, slot)) = found else { return };
        slot.get_or_insert(answer);
        self.judge(id, number);
    }

    fn judge(&mut self, id: usize, number: RequestId) {
        let (now, mutation) = (self.now, self.mutation);
        let Some(push) = self.distributors[id].pushes.get(&number) else { return };
        if push.waits_for_ring {
            return;
        }
        let verdicts = push.shards.iter().map(|shard| shard.verdict(mutation));
        let mut done = true;
        for verdict in verdicts {
            match verdict {
                Outcome::Stale if push.routed < 3 => {
                    if let Some(push) = self.distributors[id].pushes.get_mut(&number) {
                        push.waits_for_ring = true;
                    }
                    self.send(Node::Distributor(id), Node::Control, Message::AskRing);
                    return;
                }
                Outcome::Done => {}
                Outcome::Open | Outcome::Stale | Outcome::Failed => done = false,
            }
        }
        if !done {
            return;
        }
        let Some(push) = self.distributors[id].pushes.remove(&number) else { return };
        for shard in &push.shards {
            let quorum = shard.quorum(mutation);
            for (place, write) in shard.batch.writes.iter().enumerate() {
                if quorum.verdict(place as u32) == Verdict::Acknowledged {
                    self.oracle.acknowledge(now, write, shard.partition.0, shard.epoch);
                }
            }
        }
    }

    pub(crate) fn distributor_ring(&mut self, id: usize, ring: Rc<Ring>) {
        let distributor = &mut self.distributors[id];
        if !distributor.up {
            return;
        }
        if distributor.ring.as_ref().is_none_or(|known| ring.revision() > known.revision()) {
            distributor.ring = Some(Rc::clone(&ring));
        }
        let waiting: Vec<_> = distributor
            .pushes
            .iter()
            .filter(|(_, push)| push.waits_for_ring && push.revision < ring.revision())
            .map(|(number, _)| *number)
            .collect();
        for number in waiting {
            self.route(id, number);
        }
    }

    /// The client gives up waiting; the distributor forgets the request, its pushes are still on their way.
    pub(crate) fn push_timeout(&mut self, id: usize, number: RequestId) {
        if let Some(push) = self.distributors[id].pushes.remove(&number) {
            self.at(50, Event::ClientWrite { writes: push.writes, tries: push.client_tries + 1 });
        }
    }

    /// A distributor that died takes its requests with it; their clients try elsewhere.
    pub(crate) fn kill_distributor(&mut self, id: usize) {
        let distributor = &mut self.distributors[id];
        distributor.up = false;
        distributor.ring = None;
        let pushes = std::mem::take(&mut distributor.pushes);
        self.next_generation(Node::Distributor(id));
        for push in pushes.into_values() {
            self.at(100, Event::ClientWrite { writes: push.writes, tries: push.client_tries + 1 });
        }
    }
}

impl Shard {
    /// The real count of verdicts over the answers so far. (A broken rule counts otherwise.)
    fn quorum(&self, mutation: Mutation) -> WriteQuorum<()> {
        let replication =
            if mutation == Mutation::WriteQuorumOfOne { Replication::One } else { Replication::Three };
        let samples = self.batch.writes.len() as u32;
        let mut quorum = WriteQuorum::new(replication, self.epoch, samples, self.owners.len());
        for answer in self.owners.iter().filter_map(|(_, _, answer)| answer.as_ref()) {
            match answer {
                Ok(pushed) => {
                    let epoch = if mutation == Mutation::IgnoreEpochs { self.epoch } else { pushed.epoch };
                    let refusals: Vec<_> = pushed.refusals.iter().map(|place| (*place, ())).collect();
                    quorum.answer(epoch, &refusals, &pushed.missing);
                }
                Err(_) => quorum.fail(),
            }
        }
        quorum
    }

    fn verdict(&self, mutation: Mutation) -> Outcome {
        let quorum = self.quorum(mutation);
        let stale =
            self.owners.iter().any(|(_, _, answer)| matches!(answer, Some(Err(Refused::Precondition))));
        match (quorum.is_decided(), stale, quorum.is_settled()) {
            (true, _, _) => Outcome::Done,
            (false, true, _) => Outcome::Stale,
            (false, false, false) => Outcome::Open,
            (false, false, true) => Outcome::Failed,
        }
    }
}

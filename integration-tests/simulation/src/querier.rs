//! A simulated querier: the real quorum decides whom to ask and when enough is known, the real plan which blocks to read, the
//! real merge settles the answers.
//!
//! An answer from a newer ring makes it plan again (rule 7). Some reads pause for long between the answers of heads and the
//! blocks (rule 6). What is known of the manifest is in `blocks`.

mod blocks;

use std::{collections::BTreeMap, rc::Rc};

use narthex_model::{ManifestRevision, RingRevision, TimeRange, Value};
use narthex_promql::SeriesData;
use narthex_querier::read::{BlockFilter, BlockPlan, Departures, Failure, ReadQuorum, Step, merge_copies};
use narthex_ring::{Replication, Ring};

use crate::{
    Mutation,
    control::ingester_of,
    labels,
    message::{Data, Message, Refused, RequestId, Selected},
    network::Node,
    world::{Event, World},
};
pub(crate) use blocks::Look;
use blocks::Looked;

/// A querier's process; `None` ring: it does not serve yet.
#[derive(Debug, Default)]
pub(crate) struct Querier {
    /// It runs.
    pub(crate) up: bool,
    /// What it knows.
    pub(crate) ring: Option<Rc<Ring>>,
    reads: BTreeMap<RequestId, Read>,
    departures: Departures,
    looked: Option<Looked>,
}

#[derive(Debug)]
struct Read {
    began: u64,
    /// How long it pauses before it goes on to blocks.
    pause: u64,
    blocks: BlockPlan,
    /// What came of heads and blocks.
    results: Vec<Vec<SeriesData>>,
    /// The newest manifest that was planned on, and what owners acted on.
    planned_on: ManifestRevision,
    acted: ManifestRevision,
    /// Since which ring no partition had left when owners were asked.
    departed: RingRevision,
    planned: u32,
    revision: RingRevision,
    waits_for_ring: bool,
    parts: Vec<Part>,
}

/// The read of one partition.
#[derive(Debug)]
struct Part {
    quorum: ReadQuorum,
    owners: Vec<Asked>,
    complete: Option<Vec<usize>>,
}

/// An owner, the request to it once it was asked, and what it answered.
#[derive(Debug)]
struct Asked {
    ingester: usize,
    request: Option<RequestId>,
    data: Option<Selected>,
}

/// How long a client waits for its answer.
const TIMEOUT_MS: u64 = 1_500;
/// The longest pause of a read, longer than cuts are kept and removed blocks are.
const LONGEST_PAUSE_MS: u64 = 7_000;
/// When more owners are asked because the first are slow.
const SLOW_MS: u64 = 150;

impl World {
    /// A client reads everything through one querier.
    pub(crate) fn client_read(&mut self, id: usize) {
        if self.queriers[id].ring.is_none() || self.stands_still(Node::Querier(id)) {
            return;
        }
        let number = self.request();
        let pause = if !self.calm && self.chance(100) { self.below(LONGEST_PAUSE_MS) } else { 0 };
        let read = Read {
            began: self.now,
            pause,
            blocks: BlockPlan::new(BlockFilter::new(TimeRange::ALL, &[])),
            results: Vec::new(),
            planned_on: ManifestRevision(0),
            acted: ManifestRevision(0),
            departed: RingRevision(0),
            planned: 0,
            revision: RingRevision(0),
            waits_for_ring: false,
            parts: Vec::new(),
        };
        self.queriers[id].reads.insert(number, read);
        self.plan(id, number);
        self.begin_blocks(id, number);
        self.timer(Node::Querier(id), SLOW_MS, Event::ReadSlow(id, number));
        self.timer(Node::Querier(id), TIMEOUT_MS + 2 * pause, Event::ReadTimeout(id, number));
    }

    fn plan(&mut self, id: usize, number: RequestId) {
        let Some(ring) = self.queriers[id].ring.clone() else { return };
        let replication =
            if self.mutation == Mutation::ReadQuorumOfOne { Replication::One } else { Replication::Three };
        let parts = ring.partitions().iter().map(|partition| {
            let owners = partition.owners.iter().map(ingester_of);
            // Queriers prefer different owners, as real ones prefer their zone.
            let mut owners: Vec<_> =
                owners.map(|ingester| Asked { ingester, request: None, data: None }).collect();
            let turn = (id + number as usize) % owners.len().max(1);
            owners.rotate_left(turn);
            Part { quorum: ReadQuorum::new(replication, owners.len()), owners, complete: None }
        });
        let parts: Vec<_> = parts.collect();
        let count = parts.len();
        let (departed, _) = self.departed(id);
        let Some(read) = self.queriers[id].reads.get_mut(&number) else { return };
        read.planned += 1;
        read.revision = ring.revision();
        read.departed = departed;
        read.waits_for_ring = false;
        read.parts = parts;
        for part in 0..count {
            self.advance(id, number, part, ReadQuorum::proceed);
        }
    }

    /// Does what the quorum of a part says next, until it waits.
    fn advance(
        &mut self,
        id: usize,
        number: RequestId,
        part: usize,
        event: impl FnOnce(&mut ReadQuorum) -> Step,
    ) {
        let Some(read) = self.queriers[id].reads.get_mut(&number) else { return };
        let ring_revision = read.revision;
        let mut step = event(&mut read.parts[part].quorum);
        while let Step::Ask(owner) = step {
            let request = self.request();
            let Some(read) = self.queriers[id].reads.get_mut(&number) else { return };
            let asked = &mut read.parts[part].owners[owner];
            asked.request = Some(request);
            let to = Node::Ingester(asked.ingester);
            step = read.parts[part].quorum.proceed();
            self.send(Node::Querier(id), to, Message::Select { request, ring_revision });
        }
        let Some(read) = self.queriers[id].reads.get_mut(&number) else { return };
        match step {
            Step::Complete(owners) => read.parts[part].complete = Some(owners),
            // A newer ring may still help; else the timeout answers 503.
            Step::Ask(_) | Step::Wait | Step::Unreachable => {}
        }
    }

    pub(crate) fn read_slow(&mut self, id: usize, number: RequestId) {
        let parts = self.queriers[id].reads.get(&number).map_or(0, |read| read.parts.len());
        for part in 0..parts {
            self.advance(id, number, part, ReadQuorum::slow);
        }
    }

    pub(crate) fn selected(&mut self, id: usize, request: RequestId, answer: Result<Selected, Refused>) {
        let found = self.queriers[id].reads.iter_mut().find_map(|(number, read)| {
            let places = read.parts.iter().enumerate().find_map(|(part, asked)| {
                let owner = asked.owners.iter().position(|owner| owner.request == Some(request))?;
                Some((part, owner))
            })?;
            Some((*number, read, places))
        });
        let Some((number, read, (part, owner))) = found else { return };
        let newer = match &answer {
            Ok(selected) => selected.ring_revision > read.revision,
            Err(refused) => *refused == Refused::Precondition,
        };
        if newer && !read.waits_for_ring && read.planned < 3 {
            read.waits_for_ring = true;
            self.send(Node::Querier(id), Node::Control, Message::AskRing);
            return;
        }
        if read.waits_for_ring {
            return;
        }
        let asked = &mut read.parts[part].owners[owner];
        match answer {
            // A doubled message.
            Ok(_) if asked.data.is_some() => return,
            Ok(selected) => {
                let epoch = selected.epoch;
                asked.data = Some(selected);
                self.advance(id, number, part, |quorum| quorum.answered(owner, epoch));
            }
            Err(_) => {
                self.advance(id, number, part, |quorum| {
                    quorum.failed(owner, Failure::Unavailable("simulated".to_owned()))
                });
            }
        }
        self.heads_answered(id, number);
    }

    /// Once every partition has its quorum, blocks are what is left.
    fn heads_answered(&mut self, id: usize, number: RequestId) {
        let complete =
            |read: &Read| !read.parts.is_empty() && read.parts.iter().all(|part| part.complete.is_some());
        let Some(read) = self.queriers[id].reads.get_mut(&number).filter(|read| complete(read)) else {
            return;
        };
        for part in std::mem::take(&mut read.parts) {
            let owners = part.complete.iter().flatten();
            let counted: Vec<_> = owners.filter_map(|owner| part.owners[*owner].data.as_ref()).collect();
            let acted = counted.iter().map(|selected| selected.acted).max();
            read.acted = read.acted.max(acted.unwrap_or_default());
            let copies = counted.iter().map(|selected| series(&selected.data));
            read.results.push(merge_copies(copies.collect()).series);
        }
        let pause = read.pause;
        if pause == 0 {
            self.go_on_to_blocks(id, number);
        } else {
            self.timer(Node::Querier(id), pause, Event::ReadResumed(id, number));
        }
    }

    pub(crate) fn querier_ring(&mut self, id: usize, ring: Rc<Ring>) {
        let querier = &mut self.queriers[id];
        if !querier.up {
            return;
        }
        if querier.ring.as_ref().is_none_or(|known| ring.revision() > known.revision()) {
            querier.departures.observe(&ring);
            querier.ring = Some(ring);
        }
        let waiting: Vec<_> =
            querier.reads.iter().filter(|(_, r)| r.waits_for_ring).map(|(n, _)| *n).collect();
        for number in waiting {
            self.plan(id, number);
        }
    }

    pub(crate) fn read_timeout(&mut self, id: usize, number: RequestId) {
        self.queriers[id].reads.remove(&number);
    }

    /// The process dies with its reads.
    pub(crate) fn kill_querier(&mut self, id: usize) {
        let querier = &mut self.queriers[id];
        *querier = Querier::default();
        self.next_generation(Node::Querier(id));
    }
}

/// An owner's answer in the form that the real merge takes.
fn series(data: &Data) -> Vec<SeriesData> {
    let mut series: Vec<_> = data
        .iter()
        .map(|(number, samples)| {
            let floats = samples.iter().filter_map(|(at, value)| match value {
                Value::Float(value) => Some((*at, *value)),
                Value::Histogram(_) => None,
            });
            let (timestamps, values) = floats.unzip();
            SeriesData { labels: labels(*number), timestamps, values, ..SeriesData::default() }
        })
        .collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    series
}

/// The merged answer by series number. A series that comes twice keeps both, for the oracle to see.
fn data(merged: &[SeriesData]) -> Data {
    let mut data = Data::new();
    for series in merged {
        let number =
            series.labels.get("series").and_then(|number| number.parse().ok()).expect("a simulated series");
        let floats = series.timestamps.iter().zip(&series.values);
        data.entry(number).or_default().extend(floats.map(|(at, value)| (*at, Value::Float(*value))));
    }
    data
}

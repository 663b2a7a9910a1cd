//! Keepers of the bucket: they collect garbage by the real plan and compact blocks, one thing at a time.
//!
//! As in the shell of `libs/manifest` a pause may come between any two steps of a sweep: the listing, the newest manifest, the edit that
//! gives up orphans, each deletion.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use narthex_ingester::recovery::settle;
use narthex_manifest::{
    BucketTime, CutSet, Edit, Entry, Freshness, Listing, Manifest, Object, Outcome, Plan, plan,
};
use narthex_model::{BlockId, Value};

use crate::{
    Mutation,
    bucket::margins,
    flusher::entry,
    manifests::{Then, Why},
    message::{Ask, Data, Garbage, Told},
    network::Node,
    world::{Event, World},
};

/// One keeper.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// How far its clock is ahead of the bucket's.
    pub(crate) skew_ms: i64,
    work: Work,
}

#[derive(Debug, Default)]
enum Work {
    #[default]
    Idle,
    /// Waits for a listing.
    List,
    /// Waits for the newest manifest.
    Newest(Rc<Listing>, BucketTime),
    /// Waits for the commit that gives orphans up.
    GiveUp(Rc<Listing>, BucketTime),
    /// Deletes.
    Delete(Vec<Garbage>),
    /// Looks for blocks to compact.
    Choose,
    /// Reads them.
    Read { left: Vec<Arc<Entry>>, read: Vec<Arc<Entry>>, data: BTreeMap<(u32, i64), Value> },
    /// Waits for the block to be put.
    Put { inputs: Vec<Arc<Entry>>, output: Entry },
    /// Waits for the commit.
    Compact,
}

const TICK_MS: u64 = 250;

impl World {
    pub(crate) fn keeper_tick(&mut self, id: usize) {
        let node = Node::Keeper(id);
        let pause = TICK_MS + self.below(TICK_MS);
        self.timer(node, pause, Event::KeeperTick(id));
        if !matches!(self.keepers[id].work, Work::Idle) {
            return;
        }
        if self.chance(700) {
            self.keepers[id].work = Work::List;
            self.ask(node, Ask::List, Then::Keep);
        } else {
            self.keepers[id].work = Work::Choose;
            self.look(node, Freshness::Listed, Why::Keep);
        }
    }

    pub(crate) fn keeper_idle(&mut self, id: usize) {
        self.keepers[id].work = Work::Idle;
    }

    /// The process dies and is started again.
    pub(crate) fn restart_keeper(&mut self, id: usize) {
        self.keeper_idle(id);
        self.next_generation(Node::Keeper(id));
        self.keeper_tick(id);
    }

    pub(crate) fn kept(&mut self, id: usize, told: Told, date: Option<BucketTime>) {
        let node = Node::Keeper(id);
        match (std::mem::take(&mut self.keepers[id].work), told) {
            (Work::List, Told::Listing(listing)) => {
                let mut present = date.unwrap_or(BucketTime::MIN);
                if self.mutation == Mutation::LocalClock {
                    present.0 += self.keepers[id].skew_ms;
                }
                self.keepers[id].work = Work::Newest(listing, present);
                self.look(node, Freshness::Listed, Why::Keep);
            }
            (Work::Delete(garbage), _) => self.delete_next(id, garbage),
            (Work::Read { mut left, mut read, data }, Told::Block(block)) => {
                let mut data = data;
                for (series, samples) in block.iter() {
                    for (at, value) in samples {
                        let held = data.get(&(*series, *at)).cloned();
                        let winner = settle([held.as_ref(), Some(value), None]).cloned();
                        data.extend(winner.map(|winner| ((*series, *at), winner)));
                    }
                }
                read.extend(left.pop());
                self.read_next(id, left, read, data);
            }
            (Work::Put { inputs, output }, Told::Written) => {
                self.keepers[id].work = Work::Compact;
                let inputs = inputs.iter().map(|entry| entry.id).collect();
                self.commit(node, Edit::Compact { inputs, outputs: vec![output] });
            }
            _ => {}
        }
    }

    pub(crate) fn keeper_listed(&mut self, id: usize, found: Result<Arc<Manifest>, ()>) {
        let work = std::mem::take(&mut self.keepers[id].work);
        let Ok(newest) = found else { return };
        match work {
            Work::Newest(listing, now) => {
                let todo = plan(&listing, &newest, now, margins());
                if self.mutation == Mutation::NeverGiveUp {
                    let until = todo.give_up.unwrap_or(BucketTime::MIN);
                    let orphans =
                        listing.blocks.iter().filter(|(id, put)| **put <= until && !newest.names(**id));
                    let orphans = orphans.map(|(id, _)| *id);
                    let blocks = todo.blocks.iter().copied().chain(orphans).collect();
                    return self.sweep(id, &Plan { blocks, ..todo });
                }
                match todo.edit(&newest) {
                    Some(edit) => {
                        self.keepers[id].work = Work::GiveUp(listing, now);
                        self.commit(Node::Keeper(id), edit);
                    }
                    None => self.sweep(id, &todo),
                }
            }
            Work::Choose => self.choose(id, &newest),
            _ => {}
        }
    }

    pub(crate) fn keeper_committed(&mut self, id: usize, outcome: Outcome) {
        let work = std::mem::take(&mut self.keepers[id].work);
        if let (Work::GiveUp(listing, now), Outcome::Committed(newest)) = (work, outcome) {
            self.sweep(id, &plan(&listing, &newest, now, margins()));
        }
    }

    fn sweep(&mut self, id: usize, todo: &Plan) {
        let objects = todo.blocks.iter().map(|id| Object::Block(*id));
        let objects = objects.chain(todo.segments.iter().map(|id| Object::Segment(*id)));
        let roots = todo.roots.iter().map(|revision| Garbage::Root(*revision));
        let garbage = objects.map(Garbage::Object).chain(roots).collect();
        self.delete_next(id, garbage);
    }

    fn delete_next(&mut self, id: usize, mut garbage: Vec<Garbage>) {
        let Some(next) = garbage.pop() else { return self.keeper_idle(id) };
        self.keepers[id].work = Work::Delete(garbage);
        self.ask(Node::Keeper(id), Ask::Delete(next), Then::Keep);
    }

    fn choose(&mut self, id: usize, newest: &Manifest) {
        let mut entries: Vec<_> = newest.entries().cloned().collect();
        entries.sort_by_key(|entry| (entry.level, entry.time.min, entry.id));
        let count = 2 + self.below(2) as usize;
        if entries.len() < 5 {
            return;
        }
        let first = self.below((entries.len() - count) as u64) as usize;
        let left = entries[first..first + count].to_vec();
        self.read_next(id, left, Vec::new(), BTreeMap::new());
    }

    fn read_next(
        &mut self,
        id: usize,
        left: Vec<Arc<Entry>>,
        read: Vec<Arc<Entry>>,
        data: BTreeMap<(u32, i64), Value>,
    ) {
        let node = Node::Keeper(id);
        if let Some(next) = left.last() {
            let block = next.id;
            self.keepers[id].work = Work::Read { left, read, data };
            return self.ask(node, Ask::Block(block), Then::Keep);
        }
        let mut merged = Data::new();
        for ((series, at), value) in data {
            merged.entry(series).or_default().push((at, value));
        }
        let block = BlockId::new(self.now, self.random_u128());
        let output = entry(block, CutSet::default(), &merged);
        self.keepers[id].work = Work::Put { inputs: read, output };
        self.ask(node, Ask::PutBlock(block, Rc::new(merged)), Then::Keep);
    }
}

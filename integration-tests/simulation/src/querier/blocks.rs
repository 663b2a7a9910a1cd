//! The blocks of a read, and which manifest it may plan on: what the real catalogue of a querier does, around the real plan.

use std::sync::Arc;

use narthex_manifest::{Freshness, Manifest};
use narthex_model::{BlockId, ManifestRevision, RingRevision};
use narthex_querier::read::{BlockFailure, BlockStep, Proven, merge_partitions};

use super::{data, series};
use crate::{
    Mutation,
    manifests::{Then, Why},
    message::{Ask, RequestId, Told},
    network::Node,
    world::World,
};

/// When the manifest was looked for last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looked {
    ring: RingRevision,
    at: u64,
    hint: ManifestRevision,
}

/// A look for a manifest, on behalf of a read.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    read: RequestId,
    wants: Wants,
    /// What was known when it began.
    began: Looked,
}

#[derive(Debug, Clone, Copy)]
enum Wants {
    /// Anything to begin with.
    Something,
    /// The newest, which must have this revision.
    Newer(ManifestRevision),
    /// At least what owners acted on; it was proven before what had left the ring.
    AtLeast(RingRevision),
    /// The newest by a LIST.
    Newest,
}

/// After this long without a look a read begins with one, and after the second with a LIST.
const SILENCE_MS: (u64, u64) = (10_000, 20_000);
/// Revisions that are followed one by one.
const NEAR: u64 = 4;

impl World {
    /// The manifest that is known, if no partition left since it was looked for.
    fn known(&mut self, id: usize, departed: RingRevision) -> Option<(Proven, Looked)> {
        let looked = self.queriers[id].looked?;
        let manifest = self.catalogue(Node::Querier(id)).known()?;
        (looked.ring >= departed).then_some((Proven { manifest, ring: looked.ring }, looked))
    }

    /// Since which ring no partition has left, and the newest ring.
    pub(super) fn departed(&self, id: usize) -> (RingRevision, RingRevision) {
        let querier = &self.queriers[id];
        let Some(ring) = &querier.ring else { return Default::default() };
        let departed = querier.departures.observe(ring);
        if self.mutation == Mutation::IgnoreDepartures {
            return (RingRevision(0), ring.revision());
        }
        (departed, ring.revision())
    }

    fn look_for(&mut self, id: usize, read: RequestId, wants: Wants, wanted: Freshness) {
        let (node, at) = (Node::Querier(id), self.now);
        let (_, ring) = self.departed(id);
        let began = Looked { ring, at, hint: self.catalogue(node).hint };
        self.look(node, wanted, Why::Read(Look { read, wants, began }));
    }

    /// Finds a manifest to begin with, while owners are asked.
    pub(super) fn begin_blocks(&mut self, id: usize, read: RequestId) {
        let (departed, _) = self.departed(id);
        let hint = self.catalogue(Node::Querier(id)).hint;
        let wanted = match self.known(id, departed) {
            None => Freshness::Listed,
            Some((proven, looked)) => {
                let (quiet, revision) = (self.now - looked.at, proven.manifest.revision());
                if quiet >= SILENCE_MS.1 || hint > looked.hint && hint.0.saturating_sub(revision.0) > NEAR {
                    Freshness::Listed
                } else if quiet >= SILENCE_MS.0 || hint > looked.hint.max(revision) {
                    Freshness::Newest
                } else {
                    return self.found(id, read, proven);
                }
            }
        };
        self.look_for(id, read, Wants::Something, wanted);
    }

    fn found(&mut self, id: usize, read: RequestId, found: Proven) {
        let Some(read_state) = self.queriers[id].reads.get_mut(&read) else { return };
        read_state.planned_on = read_state.planned_on.max(found.manifest.revision());
        read_state.blocks.found(found);
        self.advance_blocks(id, read);
    }

    /// A manifest as new as owners acted on, and newer than the departure of any partition.
    fn follow(&mut self, id: usize, read: RequestId, revision: ManifestRevision) {
        let (departed, _) = self.departed(id);
        match self.known(id, departed) {
            None => self.look_for(id, read, Wants::Newer(revision), Freshness::Newest),
            Some((proven, _)) if proven.manifest.revision() >= revision => self.found(id, read, proven),
            Some((proven, _)) => {
                self.look_for(id, read, Wants::AtLeast(proven.ring), Freshness::AtLeast(revision));
            }
        }
    }

    pub(crate) fn read_looked(&mut self, id: usize, look: Look, found: Result<Arc<Manifest>, ()>) {
        let Look { read, wants, began } = look;
        let manifest = match (found, wants) {
            (Ok(manifest), _) => manifest,
            // The owners' answers will tell whether what is known is good enough.
            (Err(()), Wants::Something) => {
                let (departed, _) = self.departed(id);
                match self.known(id, departed) {
                    Some((proven, _)) => return self.found(id, read, proven),
                    None => return self.read_timeout(id, read),
                }
            }
            (Err(()), _) => return self.read_timeout(id, read),
        };
        if !matches!(wants, Wants::AtLeast(_)) {
            let known = self.queriers[id].looked.get_or_insert(began);
            known.ring = known.ring.max(began.ring);
            known.at = known.at.max(began.at);
            known.hint = known.hint.max(began.hint);
        }
        let proven = Proven { manifest, ring: began.ring };
        match wants {
            Wants::Something => self.found(id, read, proven),
            Wants::Newer(revision) if proven.manifest.revision() >= revision => self.found(id, read, proven),
            Wants::Newer(revision) => {
                self.look_for(id, read, Wants::AtLeast(proven.ring), Freshness::AtLeast(revision));
            }
            Wants::AtLeast(ring) => self.found(id, read, Proven { ring, ..proven }),
            Wants::Newest => {
                let Some(state) = self.queriers[id].reads.get_mut(&read) else { return };
                state.planned_on = state.planned_on.max(proven.manifest.revision());
                state.blocks.listed(proven);
                self.advance_blocks(id, read);
            }
        }
    }

    /// The owners' answers are complete.
    pub(crate) fn go_on_to_blocks(&mut self, id: usize, read: RequestId) {
        let mutation = self.mutation;
        let Some(state) = self.queriers[id].reads.get_mut(&read) else { return };
        let acted = if mutation == Mutation::IgnoreActedRevision { ManifestRevision(0) } else { state.acted };
        state.blocks.heads(acted, state.departed);
        self.advance_blocks(id, read);
    }

    /// Does what the plan says until it waits.
    fn advance_blocks(&mut self, id: usize, read: RequestId) {
        loop {
            let Some(state) = self.queriers[id].reads.get_mut(&read) else { return };
            match state.blocks.step() {
                BlockStep::Ask(blocks) => {
                    for entry in blocks {
                        self.ask(Node::Querier(id), Ask::Block(entry.id), Then::ReadBlock(read, entry.id));
                    }
                }
                BlockStep::List => self.look_for(id, read, Wants::Newest, Freshness::Listed),
                BlockStep::Follow(revision) => self.follow(id, read, revision),
                BlockStep::Wait => return,
                BlockStep::Complete => return self.answer_read(id, read),
                // 503
                BlockStep::Failed(_) => return self.read_timeout(id, read),
            }
        }
    }

    pub(crate) fn block_read(&mut self, id: usize, read: RequestId, block: BlockId, told: Told) {
        let Some(state) = self.queriers[id].reads.get_mut(&read) else { return };
        match told {
            Told::Block(found) => {
                state.results.push(series(&found));
                state.blocks.read([block]);
            }
            Told::Absent => {
                state.blocks.failed(&[block], &[block], &BlockFailure::Missing("simulated".to_owned()));
            }
            // Another try, as gateways make.
            _ => return self.ask(Node::Querier(id), Ask::Block(block), Then::ReadBlock(read, block)),
        }
        self.advance_blocks(id, read);
    }

    fn answer_read(&mut self, id: usize, read: RequestId) {
        let Some(state) = self.queriers[id].reads.remove(&read) else { return };
        let merged = merge_partitions(state.results);
        let now = self.now;
        if state.planned_on < state.acted {
            let text = format!("planned on revision {}, owners acted on {}", state.planned_on, state.acted);
            self.oracle.violate("R-3", now, text);
        }
        self.oracle.read(now, state.began, &data(&merged));
    }
}

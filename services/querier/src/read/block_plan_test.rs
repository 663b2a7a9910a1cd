//! The plan over blocks under every order of events.

use std::{collections::BTreeSet, sync::Arc};

use narthex_manifest::Manifest;
use narthex_model::{BlockId, Matcher, RingRevision, TimeRange, WorkspaceId};
use proptest::prelude::*;

use super::{
    BlockFailure, BlockFilter, BlockPlan, BlockStep, Proven,
    block_plan::named_in,
    fake_blocks::{FakeCatalogue, FakeGateways, block, held, revision},
};

fn proven(manifest: &Arc<Manifest>, ring: u64) -> Proven {
    Proven { manifest: Arc::clone(manifest), ring: RingRevision(ring) }
}

/// Manifests by revision: the first has no block, the next ones one more each, the last one block instead of all.
fn line(blocks: u128) -> Vec<Arc<Manifest>> {
    let catalogue = FakeCatalogue::new(WorkspaceId::from_u128(1), &FakeGateways::default());
    let mut line = vec![catalogue.newest()];
    for number in 1..=blocks {
        catalogue.commit(number, &[held("up", &[(number as i64, 1.0)])]);
        line.push(catalogue.newest());
    }
    catalogue.compact(&(1..=blocks).collect::<Vec<_>>(), blocks + 1);
    line.push(catalogue.newest());
    line
}

fn everything() -> BlockPlan {
    BlockPlan::new(BlockFilter::new(TimeRange::ALL, &[]))
}

fn asks(step: BlockStep) -> BTreeSet<BlockId> {
    match step {
        BlockStep::Ask(blocks) => blocks.iter().map(|entry| entry.id).collect(),
        other => panic!("expected to ask for blocks: {other:?}"),
    }
}

fn ids(numbers: impl IntoIterator<Item = u128>) -> BTreeSet<BlockId> {
    numbers.into_iter().map(block).collect()
}

#[test]
fn a_read_waits_for_heads_and_for_a_manifest_as_new() {
    let (line, mut plan) = (line(3), everything());
    assert!(matches!(plan.step(), BlockStep::Wait), "the first manifest is on its way");
    plan.found(proven(&line[2], 1));
    assert_eq!(asks(plan.step()), ids([1, 2]));
    plan.read([block(1), block(2)]);
    assert!(matches!(plan.step(), BlockStep::Wait), "owners have not answered");
    plan.heads(revision(3), RingRevision(1));
    assert!(matches!(plan.step(), BlockStep::Follow(wanted) if wanted == revision(3)));
    assert!(matches!(plan.step(), BlockStep::Wait), "asked once");
    plan.found(proven(&line[3], 1));
    assert_eq!(asks(plan.step()), ids([3]));
    plan.read([block(3)]);
    assert!(matches!(plan.step(), BlockStep::Complete));
}

#[test]
fn a_departure_demands_a_look_after_it() {
    let (line, mut plan) = (line(1), everything());
    plan.found(proven(&line[0], 4));
    plan.heads(revision(0), RingRevision(5));
    assert!(matches!(plan.step(), BlockStep::Follow(_)));
    plan.found(proven(&line[0], 5));
    assert!(matches!(plan.step(), BlockStep::Complete));
}

#[test]
fn failures_of_blocks_that_are_no_longer_named_are_forgotten() {
    let (line, mut plan) = (line(2), everything());
    plan.found(proven(&line[2], 1));
    assert_eq!(asks(plan.step()), ids([1, 2]));
    plan.failed(&[block(1), block(2)], &[block(2)], &BlockFailure::Missing("gone".into()));
    assert!(matches!(plan.step(), BlockStep::List));
    plan.listed(proven(&line[3], 1));
    assert_eq!(asks(plan.step()), ids([3]));
    plan.heads(revision(1), RingRevision(0));
    plan.read([block(3)]);
    assert!(matches!(plan.step(), BlockStep::Complete));
}

#[test]
fn failures_of_blocks_that_are_still_named_are_final() {
    let line = line(2);
    let fail = |failure: &BlockFailure| {
        let mut plan = everything();
        plan.found(proven(&line[2], 1));
        assert_eq!(asks(plan.step()), ids([1, 2]));
        plan.failed(&[block(1), block(2)], &[block(2)], failure);
        if !matches!(failure, BlockFailure::Unreachable(_)) {
            assert!(matches!(plan.step(), BlockStep::List));
            plan.listed(proven(&line[2], 1));
        }
        match plan.step() {
            BlockStep::Failed(text) => text,
            other => panic!("{other:?}"),
        }
    };
    for failure in [BlockFailure::Missing("no such key".into()), BlockFailure::Damaged("checksum".into())] {
        assert!(fail(&failure).starts_with(&format!("block {} is ", block(2))));
    }
    assert_eq!(fail(&BlockFailure::Unreachable("all gateways are down".into())), "all gateways are down");
}

#[test]
fn blocks_that_cannot_hold_the_series_are_not_asked_for() {
    let line = line(3);
    let filter = BlockFilter::new(TimeRange::from(2..=3), &[vec![Matcher::equal("__name__", "zz")]]);
    let mut plan = BlockPlan::new(filter);
    plan.found(proven(&line[3], 1));
    plan.heads(revision(3), RingRevision(0));
    assert!(matches!(plan.step(), BlockStep::Complete));
    assert_eq!(plan.pruned(), 2);
}

#[test]
fn texts_tell_which_block_failed() {
    let blocks = [block(1), block(2)];
    assert_eq!(
        named_in(&format!("workspaces/x/blocks/{}/data.parquet: gone", block(2)), &blocks),
        [block(2)]
    );
    assert_eq!(named_in("gone", &blocks), blocks);
}

/// What happens next; what cannot happen is passed over.
#[derive(Debug, Clone)]
enum Happens {
    Heads(usize),
    Found(usize),
    Answers(usize, bool),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        1 => (0usize..6).prop_map(Happens::Heads),
        2 => (0usize..6).prop_map(Happens::Found),
        4 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(at, works)| Happens::Answers(at, works)),
    ]
}

proptest! {
    /// Complete means: there is a manifest as new as the heads, all of whose blocks were read; no block is asked for again
    /// while it is under way or after it was read; every read ends.
    #[test]
    fn a_complete_read_has_read_a_manifest_that_is_new_enough(events in prop::collection::vec(happens(), 0..40)) {
        let (line, mut plan) = (line(4), everything());
        let (mut under_way, mut read) = (BTreeSet::new(), BTreeSet::new());
        let (mut newest, mut demand, mut wants) = (None::<usize>, None::<usize>, true);
        // After the events everything that is waited for happens.
        let ending = (0..100).map(|_| Happens::Answers(0, true));
        let ending = [Happens::Heads(4)].into_iter().chain(ending.flat_map(|event| [Happens::Found(5), event]));
        let mut listing = false;
        for event in events.into_iter().chain(ending) {
            match event {
                Happens::Heads(at) if demand.is_none() => {
                    demand = Some(at);
                    plan.heads(line[at].revision(), RingRevision(0));
                }
                Happens::Found(at) if wants => {
                    let at = at.max(newest.unwrap_or(0)).max(demand.filter(|_| newest.is_some()).unwrap_or(0));
                    (newest, wants) = (Some(at), false);
                    plan.found(proven(&line[at], 0));
                }
                Happens::Found(_) if listing => {
                    (newest, listing) = (Some(5), false);
                    plan.listed(proven(&line[5], 0));
                }
                Happens::Answers(at, works) if !under_way.is_empty() => {
                    let id = *under_way.iter().nth(at % under_way.len()).expect("not empty");
                    under_way.remove(&id);
                    // Blocks that the newest manifest names are there.
                    if works || newest == Some(5) {
                        plan.read([id]);
                        read.insert(id);
                    } else {
                        plan.failed(&[id], &[id], &BlockFailure::Missing("gone".into()));
                    }
                }
                _ => continue,
            }
            loop {
                match plan.step() {
                    BlockStep::Ask(blocks) => for entry in blocks {
                        prop_assert!(!read.contains(&entry.id), "{} was read", entry.id);
                        prop_assert!(under_way.insert(entry.id), "{} is under way", entry.id);
                    },
                    BlockStep::List => listing = true,
                    BlockStep::Follow(_) => wants = true,
                    BlockStep::Wait => break,
                    BlockStep::Complete => {
                        let (newest, demand) = (newest.expect("found"), demand.expect("heads"));
                        prop_assert!(newest >= demand, "R-3");
                        prop_assert!(line[newest].entries().all(|entry| read.contains(&entry.id)), "R-1");
                        return Ok(());
                    }
                    BlockStep::Failed(text) => return Err(TestCaseError::fail(text)),
                }
            }
        }
        prop_assert!(false, "the read never ended");
    }
}

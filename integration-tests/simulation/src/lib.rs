//! A seeded simulation of the write and read path: pushes, reads, owner loss, recovery, ring changes, and cuts from seal to
//! block to garbage.
//!
//! One thread, virtual time, one generator of random numbers: a seed decides everything, so a failing seed replays. Ring,
//! head, recovery and epoch decisions, manifests and their commit protocol, the collector's plan and a read's plan over blocks are
//! the real code; network, disks, bucket, processes and the control plane are simulated, and of the shells around the real
//! code every request is an event of its own. The [`oracle`] knows every write and judges every answer. [`Mutation`] breaks one
//! rule on purpose, to show that it can see.
//!
//! Samples age 600 times as fast as requests, so that windows of 20 minutes come and go in two seconds; the bucket's days are
//! seconds. What is behind each clock still holds: ages of samples are of the data clock, turns and keep times of the
//! monotonic clock, garbage of the bucket's own dates.

#![forbid(unsafe_code)]

mod bucket;
mod control;
mod cuts;
mod disk;
mod distributor;
mod faults;
mod flusher;
mod ingester;
mod keeper;
mod manifests;
mod message;
mod mutation;
mod network;
pub mod oracle;
mod querier;
mod requests;
mod store;
mod world;

use std::time::Duration;

use narthex_model::Labels;

use ingester::Phase;
pub use mutation::Mutation;
use network::Node;
use oracle::Violation;
use world::{Event, World};

/// What a run did, to tell an idle one from a busy one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Samples that clients were told are safe.
    pub acknowledged: usize,
    /// Reads that were answered.
    pub reads: u64,
    /// Blocks that were committed.
    pub commits: u64,
    /// How often owners forgot a committed cut.
    pub forgotten: u64,
}

/// Length of the part with faults, in virtual milliseconds.
const STORM_MS: u64 = 20_000;
/// Length of the part without, in which everything must come back.
const CALM_MS: u64 = 14_000;

/// Labels of a series by its number.
fn labels(series: u32) -> Labels {
    Labels::from_pairs([("__name__", "simulated"), ("series", &series.to_string())])
}

/// Runs one seed. The same seed and mutation always give the same result.
pub fn run(seed: u64, mutation: Mutation) -> Result<Report, Violation> {
    simulate(World::new(seed, mutation))
}

/// Runs one seed and tells every event on standard error.
pub fn run_traced(seed: u64, mutation: Mutation) -> Result<Report, Violation> {
    let mut world = World::new(seed, mutation);
    world.trace = true;
    simulate(world)
}

fn simulate(mut world: World) -> Result<Report, Violation> {
    world.most_partitions = 1 + world.below(3) as usize;
    for _ in 0..world.most_partitions.min(2) {
        world.add_partition();
    }
    for id in 0..2 {
        world.distributors.push(distributor::Distributor::default());
        world.distributors[id].skew_ms =
            if id == 0 { world.below(120_000) as i64 - 60_000 } else { world.skew() };
        world.start_reader(Node::Distributor(id));
        world.queriers.push(querier::Querier::default());
        world.start_reader(Node::Querier(id));
        world.keepers.push(keeper::Keeper::default());
        world.keepers[id].skew_ms = world.skew();
        world.keeper_tick(id);
    }
    world.bucket.ahead_ms = world.below(20_000_000) as i64 - 10_000_000;
    world.deaf = world.chance(500);
    world.keep_ms = 200 + world.below(1_500);
    world.schedule.max_age = Duration::from_secs(60 * world.below(30));
    world.at(0, Event::Workload);
    world.at(500, Event::Chaos);
    world.run_until(STORM_MS);
    world.becalm();
    world.run_until(STORM_MS + CALM_MS);
    finish(&mut world);
    match world.oracle.verdict() {
        Some(violation) => Err(violation.clone()),
        None => Ok(Report {
            acknowledged: world.oracle.acknowledged(),
            reads: world.oracle.reads,
            commits: world.oracle.commits,
            forgotten: world.oracle.forgotten,
        }),
    }
}

/// After the calm every owner serves, and both queriers answer with everything.
fn finish(world: &mut World) {
    let now = world.now;
    if world.oracle.verdict().is_some() {
        return;
    }
    let serves = |id: &usize| {
        let serving = world.ingesters[*id].process.as_ref().is_some_and(|p| p.phase == Phase::Serving);
        serving || world.control.is_gone(control::partition_of(*id))
    };
    if let Some(stuck) = (0..world.ingesters.len()).find(|id| !serves(id)) {
        let phase = world.ingesters[stuck].process.as_ref().map(|process| process.phase);
        world.oracle.violate("liveness", now, format!("ingester {stuck} is still {phase:?}"));
    }
    if let Some(key) = world.oracle.unflushed(world.wall() - 2 * 3_600_000) {
        world.oracle.violate("liveness", now, format!("{key:?}, acknowledged, is in no block yet"));
    }
    let before = world.oracle.reads;
    world.client_read(0);
    world.client_read(1);
    world.run_until(now + 1_000);
    let answered = world.oracle.reads - before;
    // A read that paused since the storm may come on top.
    if answered < 2 {
        world.oracle.violate("liveness", now, format!("{answered} of 2 reads were answered after the calm"));
    }
}

//! Many writers, a collector and readers over a bad bucket, in every order that a seed can think of: F-1, B-1, B-3 and B-4 hold
//! at every step, and once the faults end every cut is committed and the garbage is gone.

mod actors;

use std::time::Duration;

use narthex_service::Random;
use proptest::prelude::*;

use self::actors::{Collector, Flusher, Follower, Job, Other};
use crate::model::{World, cut};

const HOUR: Duration = Duration::from_secs(3_600);

/// Chances out of a thousand for what goes wrong, and how fast time goes.
#[derive(Debug, Clone, Copy)]
struct Faults {
    request: u64,
    crash: u64,
    leap: u64,
    /// Seconds that a step takes at most.
    pace: u64,
}

const BAD: Faults = Faults { request: 300, crash: 15, leap: 10, pace: 60 };
const GOOD: Faults = Faults { request: 0, crash: 0, leap: 0, pace: 3 };

struct Play {
    world: World,
    random: Random,
    faults: Faults,
    flushers: Vec<Flusher>,
    others: Vec<Other>,
    collectors: Vec<Collector>,
    followers: Vec<Follower>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let random = Random::from_seed(seed);
        let mut world = World::new();
        let cuts = (0..3).flat_map(|partition| (0..8).map(move |window| cut(partition, window)));
        // Two flushers compete for every cut.
        let flushers = cuts.flat_map(|cut| [cut, cut]).map(|cut| Flusher::new(&mut world, &random, cut));
        Self {
            flushers: flushers.collect(),
            others: Vec::new(),
            collectors: vec![Collector::Idle, Collector::Idle],
            followers: (0..3).map(|_| Follower::new()).collect(),
            faults: BAD,
            world,
            random,
        }
    }

    fn chance(&self, of_thousand: u64) -> bool {
        self.random.below(1_000) < of_thousand
    }

    /// Something happens.
    fn step(&mut self) {
        self.world.sleep(Duration::from_secs(self.random.below(self.faults.pace)));
        if self.chance(self.faults.leap) {
            // Everybody is paused, or the machines sleep.
            self.world.sleep(HOUR * (1 + self.random.below(40)) as u32);
        }
        if !self.world.late.is_empty() && self.chance(100) {
            let at = self.random.below(self.world.late.len() as u64) as usize;
            let late = self.world.late.swap_remove(at);
            self.world.put_root(&late.0);
        }
        let (world, random, faults) = (&mut self.world, &self.random, self.faults);
        match random.below(10) {
            0..=4 => {
                // A few at a time, as windows end one after the other.
                let open = self.flushers.iter_mut().filter(|flusher| !flusher.is_done()).take(6);
                let mut open: Vec<_> = open.collect();
                let at = random.below(open.len() as u64) as usize;
                if let Some(flusher) = open.get_mut(at) {
                    flusher.step(world, random, faults);
                }
            }
            5 | 6 => {
                let at = random.below(self.collectors.len() as u64) as usize;
                self.collectors[at].step(world, random, faults);
            }
            7 | 8 => {
                // The last one looks once in days.
                let at = if random.below(30) == 0 { 2 } else { random.below(2) as usize };
                self.followers[at].step(world, random, faults);
            }
            _ => self.step_other(),
        }
        self.world.check();
    }

    fn step_other(&mut self) {
        let (world, random, faults) = (&mut self.world, &self.random, self.faults);
        if self.others.len() < 3 && faults.request > 0 && random.below(3) == 0 {
            let job = match random.below(20) {
                0 => Job::Floor,
                1 => Job::Remove,
                _ => Job::Compact,
            };
            self.others.extend(Other::new(world, random, job));
        }
        if !self.others.is_empty() {
            let at = random.below(self.others.len() as u64) as usize;
            if self.others[at].step(world, random, faults) {
                self.others.swap_remove(at);
            }
        }
    }

    fn is_flushed(&self) -> bool {
        self.flushers.iter().all(Flusher::is_done) && self.others.is_empty()
    }

    /// No more faults: everybody comes to an end.
    fn settle(&mut self) {
        self.faults = GOOD;
        self.world.late.clear();
        let mut steps = 0;
        while !self.is_flushed() {
            self.step();
            steps += 1;
            assert!(steps < 20_000, "no progress without faults");
        }
        // Three sweeps after the longest age: give up, delete, and forget what was deleted.
        for _ in 0..3 {
            self.world.sleep(HOUR * 25);
            let mut collector = Collector::Idle;
            for _ in 0..500 {
                collector.step(&mut self.world, &self.random, GOOD);
                self.world.check();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn rules_hold_whatever_happens(seed: u64, steps in 100usize..2_000, delete: bool) {
        let mut play = Play::new(seed);
        for _ in 0..steps {
            play.step();
        }
        if delete {
            play.others.extend(Other::new(&mut play.world, &play.random, Job::Delete));
        }
        play.settle();
        let newest = play.world.newest();
        prop_assert_eq!(newest.is_deleted(), delete);
        for flusher in &play.flushers {
            prop_assert!(newest.is_committed(&flusher.cut));
        }
        let listing = play.world.listing();
        prop_assert_eq!(listing.blocks.len(), newest.len(), "a block that nobody names was not collected");
        prop_assert_eq!(listing.segments.len(), newest.segments().len());
        prop_assert!(listing.roots.len() <= 2 && listing.roots.contains_key(&newest.revision()));
    }
}

/// That the play plays: each of the things that it is about happens now and then.
#[test]
fn seeds_reach_forks_segments_and_garbage() {
    let (mut forks, mut segments, mut deleted) = (0, 0, 0);
    for seed in 0..60 {
        let mut play = Play::new(seed);
        for _ in 0..2_000 {
            play.step();
        }
        forks += play.world.forks;
        segments += play.world.line.iter().filter(|manifest| !manifest.segments().is_empty()).count();
        deleted += usize::from(play.world.newest().collected_before() > crate::BucketTime::MIN);
    }
    assert!(forks > 20 && segments > 100 && deleted > 20, "{forks} forks, {segments}, {deleted}");
}

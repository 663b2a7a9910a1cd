//! The simulated network: every message is delayed, some are lost or doubled, and links are cut one way or both.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, rngs::StdRng};

/// Any process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Node {
    /// The control plane, as one linearizable machine.
    Control,
    /// An ingester by its place in the world's list.
    Ingester(usize),
    /// A distributor.
    Distributor(usize),
    /// A querier.
    Querier(usize),
    /// A keeper of the bucket: collects garbage and compacts.
    Keeper(usize),
    /// The bucket, as one linearizable machine.
    Bucket,
}

/// How bad the network is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Shortest and longest usual delay in milliseconds.
    pub(crate) delay: (u64, u64),
    /// Chance that a message is lost, out of 1,000.
    pub(crate) loss: u32,
    /// Chance that a message arrives twice, out of 1,000.
    pub(crate) double: u32,
    /// Chance that a message takes very long, out of 1,000.
    pub(crate) straggle: u32,
}

impl Weather {
    /// Nothing is lost.
    pub(crate) const CALM: Self = Self { delay: (1, 3), loss: 0, double: 0, straggle: 0 };
}

/// Longest delay of a straggler: above every timeout, so that replies arrive when nobody waits for them any more.
const STRAGGLE_MS: u64 = 3_000;

/// The state of all links.
#[derive(Debug)]
pub(crate) struct Network {
    /// Usual behaviour.
    pub(crate) weather: Weather,
    cut: BTreeSet<(Node, Node)>,
    slow: BTreeMap<(Node, Node), u64>,
}

impl Network {
    /// A whole network.
    pub(crate) fn new(weather: Weather) -> Self {
        Self { weather, cut: BTreeSet::new(), slow: BTreeMap::new() }
    }

    /// Cuts the link in one direction.
    pub(crate) fn cut(&mut self, from: Node, to: Node) {
        self.cut.insert((from, to));
    }

    /// Delays everything on the link in one direction.
    pub(crate) fn slow(&mut self, from: Node, to: Node, by: u64) {
        self.slow.insert((from, to), by);
    }

    /// Heals everything.
    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        self.slow.clear();
    }

    /// Delays after which copies of a message arrive; none when it is lost.
    pub(crate) fn deliveries(&self, from: Node, to: Node, rng: &mut StdRng) -> Vec<u64> {
        if self.cut.contains(&(from, to)) || rng.random_range(0..1_000) < self.weather.loss {
            return Vec::new();
        }
        let slow = self.slow.get(&(from, to)).copied().unwrap_or_default();
        let copies = 1 + usize::from(rng.random_range(0..1_000) < self.weather.double);
        (0..copies)
            .map(|_| {
                let usual = if rng.random_range(0..1_000) < self.weather.straggle {
                    rng.random_range(0..STRAGGLE_MS)
                } else {
                    rng.random_range(self.weather.delay.0..=self.weather.delay.1)
                };
                usual + slow
            })
            .collect()
    }
}

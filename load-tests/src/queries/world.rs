//! The monitored world: a Kubernetes cluster of some nodes, as the targets that kube-prometheus scrapes in it.
//!
//! A node brings about a thousand series: the node exporter's, the kubelet's of its twelve pods, those of kube-state-metrics
//! about them, and those of two pods that serve HTTP. Everything follows from the number of nodes.

mod hosts;
mod pods;
mod services;

use narthex_model::Labels;

use super::shape::{Moment, Shape, unit};

/// Pods on a node.
const PODS: usize = 12;
/// Pods of a node that serve HTTP.
const SERVING: usize = 2;

/// A series.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) shape: Shape,
    seed: u64,
}

/// What one scrape brings: series whose samples have the same timestamps.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) series: Vec<Series>,
    seed: u64,
    common: Vec<(&'static str, String)>,
    restarts: bool,
}

/// All targets of a cluster.
pub(super) fn world(nodes: usize) -> Vec<Target> {
    let mut targets = Vec::new();
    for node in 0..nodes {
        targets.push(hosts::node_exporter(node));
        targets.push(hosts::kubelet(nodes, node));
        targets.push(pods::kube_state_metrics(nodes, node));
        targets.extend((0..SERVING).map(|pod| services::http_server(nodes, node, pod)));
    }
    targets.extend(services::api_servers(nodes));
    targets
}

impl Target {
    /// A target whose series all have these labels. Targets with the same instance are scraped at the same time.
    fn new(job: &str, instance: &str, common: &[(&'static str, &str)]) -> Self {
        let seed = instance.bytes().chain(job.bytes()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let own = [("cluster", "production-eu-1"), ("instance", instance), ("job", job)];
        let common = own.iter().chain(common).map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { series: Vec::new(), seed, common, restarts: false }
    }

    fn add(&mut self, name: &str, labels: &[(&str, &str)], shape: Shape) {
        let seed = self.next_seed();
        self.add_seeded(name, labels, shape, seed);
    }

    /// Adds a series that rises as those of the same seed do.
    fn add_seeded(&mut self, name: &str, labels: &[(&str, &str)], shape: Shape, seed: u64) {
        let common = self.common.iter().map(|(name, value)| (*name, value.as_str()));
        let pairs = common.chain([("__name__", name)]).chain(labels.iter().copied());
        self.series.push(Series { labels: Labels::from_pairs(pairs), shape, seed });
    }

    fn next_seed(&self) -> u64 {
        // Even, because shapes take the odd neighbour for themselves.
        self.seed.wrapping_add(self.series.len() as u64 * 0x9e37_79b9) & !1
    }

    /// Adds a classic histogram of `rate` observations a second.
    fn add_histogram(&mut self, name: &str, labels: &[(&str, &str)], bounds: &[f64], rate: f64, median: f64) {
        let seed = self.next_seed();
        let count = |share, unit| Shape::Counter { rate, share, unit };
        for bound in bounds {
            let le = bound.to_string();
            let labels: Vec<_> = labels.iter().copied().chain([("le", le.as_str())]).collect();
            let share = super::shape::share_up_to(*bound, median);
            self.add_seeded(&format!("{name}_bucket"), &labels, count(share, 1.0), seed);
        }
        let labels_of_all: Vec<_> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        self.add_seeded(&format!("{name}_bucket"), &labels_of_all, count(1.0, 1.0), seed);
        self.add_seeded(&format!("{name}_count"), labels, count(1.0, 1.0), seed);
        self.add_seeded(&format!("{name}_sum"), labels, count(median * 1.2, 0.0), seed);
    }

    /// The moment of the scrape in the interval that begins at `start`, milliseconds: every target has a phase of its own.
    pub(super) fn timestamp(&self, start: i64, interval: i64) -> i64 {
        start + (unit(self.seed, 11) * interval as f64) as i64
    }

    /// What a sample at `timestamp` of data that begin at `first` and end at `end` is made of.
    pub(super) fn moment(&self, timestamp: i64, interval: i64, first: i64, end: i64) -> Moment {
        // The processes that restart do so somewhere in the middle half of the data.
        let restart = first + ((0.25 + 0.5 * unit(self.seed, 12)) * (end - first) as f64) as i64;
        Moment {
            seconds: timestamp as f64 / 1000.0,
            interval: interval as f64 / 1000.0,
            started: (self.restarts && timestamp >= restart).then_some(restart as f64 / 1000.0),
        }
    }
}

impl Series {
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }
}

fn node_name(node: usize) -> String {
    format!("node-{node:04}")
}

/// The address of a node, or of a pod on it (1 and up).
fn address(node: usize, pod: usize) -> String {
    format!("10.{}.{}.{}", 64 + (node >> 8), node & 255, pod)
}

/// A pod: its namespace, its name, and the name of its deployment. Deployments have about twenty pods.
struct Pod {
    namespace: String,
    name: String,
    deployment: String,
}

impl Pod {
    fn new(nodes: usize, node: usize, pod: usize) -> Self {
        const TEAMS: [&str; 8] =
            ["checkout", "catalog", "payments", "search", "identity", "shipping", "media", "ads"];
        const PARTS: [&str; 5] = ["api", "worker", "web", "cache", "gateway"];
        let deployments = (nodes * PODS / 20).max(6);
        let number = if pod < SERVING {
            (node * SERVING + pod) % deployments.div_ceil(4)
        } else {
            deployments.div_ceil(4) + (node * PODS + pod) % (deployments - deployments.div_ceil(4))
        };
        let team = TEAMS[number % TEAMS.len()];
        let deployment = format!("{team}-{}-{}", PARTS[number / TEAMS.len() % PARTS.len()], number / 40);
        let name = format!("{deployment}-{:08x}-{:05x}", number * 2_654_435 + 77, node * PODS + pod);
        Self { namespace: format!("{team}-{}", number / 8 % 4), name, deployment }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_node_brings_a_thousand_series_and_none_twice() {
        for nodes in [1, 10, 40] {
            let world = world(nodes);
            let labels: HashSet<&Labels> =
                world.iter().flat_map(|target| &target.series).map(|series| &series.labels).collect();
            let count = world.iter().map(|target| target.series.len()).sum::<usize>();
            assert_eq!(labels.len(), count);
            assert!((900..1_400).contains(&(count / nodes)), "{count} series of {nodes} nodes");
        }
    }
}

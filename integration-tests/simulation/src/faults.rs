//! What breaks, when, and what operators do meanwhile; and the clients' workload.
//!
//! Faults stay within what the design promises to survive: at any time at most one owner of a partition may lose
//! acknowledged samples (its disk, its files, its unsynced pages). Everything else may happen together.

use narthex_model::BootId;
use narthex_ring::PartitionState;

use crate::{
    control::{ZONES, owners_of, partition_of},
    ingester::Ingester,
    message::Write,
    network::{Node, Weather},
    world::{Event, World},
};

/// An event of the world outside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// An ingester's process is started.
    Start(usize),
    /// A distributor's or querier's process is started.
    StartReader(Node),
    /// An owner loses its data, if both others are complete.
    Lose(usize),
    /// All links work again.
    Heal,
}

/// Series that clients write.
const SERIES: u64 = 10;

impl World {
    /// Brings a new partition's ingesters up, with empty disks.
    pub(crate) fn add_partition(&mut self) {
        let interval = self.chance(500);
        for _ in 0..ZONES {
            let boot = self.random_u128();
            self.ingesters.push(Ingester::new(boot, interval));
            let delay = self.below(300);
            self.at(delay, Event::Fault(Fault::Start(self.ingesters.len() - 1)));
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Start(id) => self.start_ingester(id),
            Fault::StartReader(node) => {
                let down = match node {
                    Node::Distributor(id) => !self.distributors[id].up,
                    Node::Querier(id) => !self.queriers[id].up,
                    Node::Control | Node::Ingester(_) => false,
                };
                if down {
                    self.start_reader(node);
                }
            }
            Fault::Lose(id) => self.lose(id),
            Fault::Heal => self.network.heal(),
        }
    }

    /// Does one random thing and plans the next.
    pub(crate) fn chaos(&mut self) {
        if self.calm {
            return;
        }
        let next = 100 + self.below(1_500);
        self.at(next, Event::Chaos);
        let id = self.below(self.ingesters.len() as u64) as usize;
        match self.below(18) {
            0..=2 => self.crash(id, |_| {}),
            3 => self.crash_zone(),
            4 => (0..self.ingesters.len()).for_each(|id| self.crash(id, |_| {})),
            5..=7 => self.lose(id),
            8..=9 => self.cut(),
            10 => self.weather(),
            11 => self.restart_reader(),
            12 => {
                if self.ingesters.len() < 3 * ZONES {
                    self.add_partition();
                }
            }
            13 => self.drain(),
            14 => {
                let partition = self.random_partition();
                self.control.bring_back(partition);
            }
            15 => self.check_all_owners(),
            _ => self.ambush(id),
        }
    }

    /// The hole that epochs close, made likely: writes reach two owners, one of them late; the prompt one loses its disk in
    /// between and comes back at once.
    fn ambush(&mut self, prompt: usize) {
        let others: Vec<_> = owners_of(partition_of(prompt)).filter(|other| *other != prompt).collect();
        let turn = self.below(2) as usize;
        let (late, missed) = (others[turn], others[1 - turn]);
        let on_the_way = self.chance(500);
        for distributor in (0..self.distributors.len()).map(Node::Distributor) {
            self.network.cut(distributor, Node::Ingester(missed));
            if on_the_way {
                self.network.slow(distributor, Node::Ingester(late), 600);
            }
        }
        if !on_the_way {
            self.ingesters[late].stalled_until = self.now + 700;
        }
        let loss = 20 + self.below(200);
        self.at(loss, Event::Fault(Fault::Lose(prompt)));
        self.at(900, Event::Fault(Fault::Heal));
    }

    fn crash(&mut self, id: usize, damage: impl FnOnce(&mut Ingester)) {
        self.kill_ingester(id);
        damage(&mut self.ingesters[id]);
        let back = if self.chance(300) { 5 } else { 50 + self.below(2_000) };
        self.at(back, Event::Fault(Fault::Start(id)));
    }

    fn crash_zone(&mut self) {
        let zone = self.below(ZONES as u64) as usize;
        for id in (zone..self.ingesters.len()).step_by(ZONES) {
            self.crash(id, |_| {});
        }
    }

    /// Takes data away from one owner, if the two others are complete.
    fn lose(&mut self, id: usize) {
        let others = owners_of(partition_of(id)).filter(|other| *other != id);
        if !others.into_iter().all(|other| self.is_complete(other)) {
            return;
        }
        let (boot, from, count) = (self.random_u128(), self.below(50), 1 + self.below(30));
        match self.below(7) {
            5..=6 => self.crash(id, |ingester| std::mem::swap(&mut ingester.disk, &mut ingester.spare)),
            0..=1 => self.crash(id, |ingester| ingester.disk.wipe()),
            2 => self.crash(id, |ingester| ingester.disk.lose_files()),
            3 => self.crash(id, |ingester| ingester.disk.corrupt(from as usize, count as usize)),
            _ => self.crash(id, |ingester| {
                ingester.disk.lose_unsynced();
                ingester.boot = BootId(boot);
            }),
        }
    }

    fn nodes(&self) -> Vec<Node> {
        let ingesters = (0..self.ingesters.len()).map(Node::Ingester);
        let distributors = (0..self.distributors.len()).map(Node::Distributor);
        let queriers = (0..self.queriers.len()).map(Node::Querier);
        ingesters.chain(distributors).chain(queriers).chain([Node::Control]).collect()
    }

    /// Cuts one node off, in one direction or both, from some or all others.
    fn cut(&mut self) {
        let nodes = self.nodes();
        let victim = nodes[self.below(nodes.len() as u64) as usize];
        let (inwards, outwards, share) = (self.chance(700), self.chance(700), 200 + self.below(801));
        for node in nodes {
            if self.chance(share) {
                if inwards {
                    self.network.cut(node, victim);
                }
                if outwards {
                    self.network.cut(victim, node);
                }
            }
        }
        let heal = 200 + self.below(3_000);
        self.at(heal, Event::Fault(Fault::Heal));
    }

    fn weather(&mut self) {
        let slowest = 2 + self.below(100);
        self.network.weather = Weather {
            delay: (1, slowest),
            loss: self.below(60) as u32,
            double: self.below(60) as u32,
            straggle: self.below(30) as u32,
        };
    }

    fn restart_reader(&mut self) {
        let node = if self.chance(500) {
            let id = self.below(self.distributors.len() as u64) as usize;
            self.kill_distributor(id);
            Node::Distributor(id)
        } else {
            let id = self.below(self.queriers.len() as u64) as usize;
            self.kill_querier(id);
            Node::Querier(id)
        };
        let back = 50 + self.below(2_000);
        self.at(back, Event::Fault(Fault::StartReader(node)));
    }

    fn random_partition(&mut self) -> u32 {
        self.below((self.ingesters.len() / ZONES) as u64) as u32
    }

    /// Drains a partition, or cancels a pending one, as long as another takes writes.
    fn drain(&mut self) {
        let partition = self.random_partition();
        let partitions = (self.ingesters.len() / ZONES) as u32;
        let active = |p: &u32| self.control.state(*p) == Some(PartitionState::Active);
        if (0..partitions).filter(|other| *other != partition).any(|other| active(&other)) {
            self.control.drain(partition);
        }
    }

    fn check_all_owners(&mut self) {
        for partition in 0..(self.ingesters.len() / ZONES) as u32 {
            self.check_owners(partition);
        }
    }

    /// Clients write and read; now and then they repeat themselves or contradict each other.
    pub(crate) fn workload(&mut self) {
        if self.calm {
            return;
        }
        let next = 20 + self.below(160);
        self.at(next, Event::Workload);
        let count = 1 + self.below(5);
        let writes: Vec<_> = (0..count)
            .map(|_| {
                let late = if self.chance(100) { self.below(20_000) as i64 } else { 0 };
                let step = if self.chance(50) { 1_000 } else { 1 };
                let at = (self.wall() - late) / step * step;
                Write { series: self.below(SERIES) as u32, at, value: self.below(1 << 40) as f64 }
            })
            .collect();
        if self.chance(100) {
            let again = self.below(2_000);
            self.at(again, Event::ClientWrite { writes: writes.clone(), tries: 0 });
        }
        self.client_write(writes, 0);
        if self.chance(300) {
            let querier = self.below(self.queriers.len() as u64) as usize;
            self.client_read(querier);
        }
    }

    /// No more faults: everything heals and comes back.
    pub(crate) fn becalm(&mut self) {
        self.calm = true;
        self.network.heal();
        self.network.weather = Weather::CALM;
        (0..self.ingesters.len()).for_each(|id| self.start_ingester(id));
        for id in 0..self.distributors.len() {
            self.fault(Fault::StartReader(Node::Distributor(id)));
        }
        for id in 0..self.queriers.len() {
            self.fault(Fault::StartReader(Node::Querier(id)));
        }
    }
}

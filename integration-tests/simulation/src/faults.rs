//! What breaks, when, and what operators do meanwhile; and the clients' workload.
//!
//! Faults stay within what the design promises to survive: at any time at most one owner of a partition may lose
//! acknowledged samples (its disk, its files, its unsynced pages). Everything else may happen together.

use narthex_model::{BootId, Cut};
use narthex_ring::PartitionState;

use crate::{
    control::{ZONES, owners_of, partition_of},
    ingester::Ingester,
    message::Write,
    network::{Node, Weather},
    store::WINDOW,
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
    /// An owner's disk is replaced by an empty one, if both others are complete.
    Wipe(usize),
    /// The middle of an owner's log fails its checks, if both others are complete.
    Corrupt(usize),
    /// An owner's machine loses power, if both others are complete.
    PowerCut(usize),
    /// An owner's process stands still.
    Pause(usize),
    /// A client reads.
    Read(usize),
    /// An operator drains a partition.
    Drain(u32),
    /// An operator brings a drained partition back.
    BringBack(u32),
    /// An operator wants a drained partition to leave.
    Remove(u32),
}

/// Series that clients write.
const SERIES: u64 = 10;
/// How late their samples are at most.
const LATEST_MS: u64 = 3_000_000;

impl World {
    /// Brings a new partition's ingesters up, with empty disks.
    pub(crate) fn add_partition(&mut self) {
        let interval = self.chance(500);
        for _ in 0..ZONES {
            let boot = self.random_u128();
            self.ingesters.push(Ingester::new(boot, interval));
            let id = self.ingesters.len() - 1;
            self.ingesters[id].skew_ms = self.skew();
            let delay = self.below(300);
            self.at(delay, Event::Fault(Fault::Start(self.ingesters.len() - 1)));
        }
    }

    /// How wrong a clock is: a little, or up to an hour.
    pub(crate) fn skew(&mut self) -> i64 {
        let most = if self.chance(250) { 3_600_000 } else { 60_000 };
        self.below(2 * most + 1) as i64 - most as i64
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Start(id) => self.start_ingester(id),
            Fault::StartReader(node) => {
                let down = match node {
                    Node::Distributor(id) => !self.distributors[id].up,
                    Node::Querier(id) => !self.queriers[id].up,
                    _ => false,
                };
                if down {
                    self.start_reader(node);
                }
            }
            Fault::Lose(id) => self.lose(id),
            Fault::Heal => self.network.heal(),
            Fault::Wipe(id) => {
                self.lose_by(id, 0);
                self.at(20, Event::Fault(Fault::Start(id)));
            }
            Fault::Corrupt(id) => {
                self.lose_by(id, 3);
                self.at(20, Event::Fault(Fault::Start(id)));
            }
            Fault::PowerCut(id) => self.lose_by(id, 4),
            Fault::Pause(id) => self.pause(Node::Ingester(id), 3_000, true),
            Fault::Read(id) => self.client_read(id),
            Fault::Drain(partition) => self.drain_partition(partition),
            Fault::BringBack(partition) => self.control.bring_back(partition),
            Fault::Remove(partition) => self.control.request_removal(partition),
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
        match self.below(27) {
            0..=2 => self.crash(id, |_| {}),
            3 => self.crash_zone(),
            4 => (0..self.ingesters.len()).for_each(|id| self.crash(id, |_| {})),
            5..=7 => self.lose(id),
            8..=9 => self.cut(),
            10 => self.weather(),
            11 => self.restart_reader(),
            12 => {
                if self.ingesters.len() < self.most_partitions * ZONES {
                    self.add_partition();
                }
            }
            13 => self.drain(),
            14 => {
                let partition = self.random_partition();
                self.control.bring_back(partition);
            }
            15 => self.check_all_owners(),
            16..=17 => self.stand_still(),
            18 => self.bucket.trouble = if self.chance(600) { 20 } else { self.below(400) },
            19 => self.cut_bucket(),
            20..=21 => self.scale_in(),
            22 => {
                let keeper = self.below(self.keepers.len() as u64) as usize;
                self.restart_keeper(keeper);
            }
            23 => self.replace_all(id),
            24 => self.ambush_seals(id),
            _ => self.ambush(id),
        }
    }

    /// All disks of a partition are replaced one after the other, each once the others are complete.
    fn replace_all(&mut self, id: usize) {
        let owners = owners_of(partition_of(id)).cycle().skip(id % ZONES).take(4);
        for (turn, owner) in owners.enumerate() {
            let at = turn as u64 * 800;
            self.at(at, Event::Fault(Fault::Wipe(owner)));
        }
    }

    /// A partition stops taking writes while nothing can be written to the bucket, so that its cuts are sealed and wait; then one of
    /// the disks that sealed loses a part, and another owner had missed writes.
    fn ambush_seals(&mut self, loser: usize) {
        let partition = partition_of(loser);
        let missed = owners_of(partition).find(|owner| *owner != loser).unwrap_or(loser);
        for distributor in (0..self.distributors.len()).map(Node::Distributor) {
            self.network.cut(distributor, Node::Ingester(missed));
        }
        let third = owners_of(partition).find(|owner| ![loser, missed].contains(owner)).unwrap_or(loser);
        self.at(500, Event::Fault(Fault::Heal));
        self.at(501, Event::Fault(Fault::Drain(partition)));
        self.bucket.read_only_until = self.now + 2_900;
        self.at(1_500, Event::Fault(Fault::Corrupt(loser)));
        self.at(2_700, Event::Fault(Fault::Pause(third)));
    }

    /// While a querier stands still that no hint reaches, all owners of a partition get new disks one after the other: only the
    /// manifest that they forgot by, handed on from copy to copy, tells it later that it must look.
    pub(crate) fn ambush_copies(&mut self, id: usize) {
        if self.calm || !self.deaf {
            return;
        }
        let querier = self.queriers.len() - 1;
        self.pause(Node::Querier(querier), 3_200, true);
        for turn in 1..=3 {
            let owner = owners_of(partition_of(id)).start + (id + turn) % ZONES;
            self.at(turn as u64 * 700 + 500, Event::Fault(Fault::Wipe(owner)));
        }
        for turn in 0..8 {
            self.at(3_201 + turn * 40, Event::Fault(Fault::Read(querier)));
        }
    }

    /// A new epoch begins while an owner that did not seal a cut forgets it, and its samples come late, to two owners only.
    pub(crate) fn ambush_forgetting(&mut self, id: usize, cut: Cut) {
        if self.calm {
            return;
        }
        let partition = partition_of(id);
        let others: Vec<_> = owners_of(partition).filter(|other| *other != id).collect();
        let missed = others[self.below(2) as usize];
        for distributor in (0..self.distributors.len()).map(Node::Distributor) {
            self.network.cut(distributor, Node::Ingester(missed));
        }
        self.control.drain(partition);
        self.at(1, Event::Fault(Fault::BringBack(partition)));
        self.ingesters[id].stalled_until = self.now + 900;
        let start = WINDOW.start(cut.window).0;
        for turn in 0..20 {
            let at = start + self.below(WINDOW.as_millis() as u64) as i64;
            let write = Write { series: self.below(SERIES) as u32, at, value: self.below(1 << 40) as f64 };
            self.at(500 + turn * 25, Event::ClientWrite { writes: vec![write], tries: 0 });
        }
        self.at(1_200, Event::Fault(Fault::Heal));
    }

    /// A process stands still for longer than garbage is kept, preferably one that commits.
    fn stand_still(&mut self) {
        let (length, suspended) = (500 + self.below(8_000), self.chance(500));
        let committing: Vec<_> = (0..self.ingesters.len()).filter(|id| self.is_committing(*id)).collect();
        let node = match self.below(10) {
            0..=5 if !committing.is_empty() => {
                Node::Ingester(committing[self.below(committing.len() as u64) as usize])
            }
            0..=7 => Node::Ingester(self.below(self.ingesters.len() as u64) as usize),
            8 => Node::Keeper(self.below(self.keepers.len() as u64) as usize),
            _ => Node::Querier(self.below(self.queriers.len() as u64) as usize),
        };
        self.pause(node, length, suspended);
    }

    /// A machine is suspended, and often those of all other owners of its partition for longer, so that nobody takes over.
    pub(crate) fn stand_still_with_others(&mut self, node: Node, length: u64) {
        self.pause(node, length, true);
        if let Node::Ingester(id) = node
            && self.chance(700)
        {
            for other in owners_of(partition_of(id)).filter(|other| *other != id) {
                self.pause(Node::Ingester(other), length + 1_500, true);
            }
        }
    }

    /// The bucket is away for some.
    fn cut_bucket(&mut self) {
        let share = 200 + self.below(801);
        for node in self.nodes() {
            if self.chance(share) {
                self.network.cut(node, Node::Bucket);
                self.network.cut(Node::Bucket, node);
            }
        }
        let heal = 200 + self.below(4_000);
        self.at(heal, Event::Fault(Fault::Heal));
    }

    /// An operator takes a partition out, and may change its mind at any time.
    fn scale_in(&mut self) {
        let partition = self.random_partition();
        self.drain_partition(partition);
        if self.chance(400) {
            let back = self.below(4_000);
            self.at(back, Event::Fault(Fault::BringBack(partition)));
        } else {
            let removal = self.below(1_000);
            self.at(removal, Event::Fault(Fault::Remove(partition)));
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
        let how = self.below(7);
        self.lose_by(id, how);
    }

    fn lose_by(&mut self, id: usize, how: u64) {
        let others = owners_of(partition_of(id)).filter(|other| *other != id);
        // A registration that came late may be of another disk than the owner has; it will be doubted.
        let sound = |other: &usize| {
            let record = self.ingesters[*other].disk.record.as_ref();
            let own = record.map(|record| record.incarnation);
            self.is_complete(*other) && own == self.control.registered(*other)
        };
        if !others.into_iter().all(|other| sound(&other)) {
            return;
        }
        let (boot, count, length) = (self.random_u128(), 1 + self.below(30), self.ingesters[id].disk.len());
        let from =
            if self.chance(500) { self.below(50) } else { (length as u64).saturating_sub(self.below(80)) };
        match how {
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
        let keepers = (0..self.keepers.len()).map(Node::Keeper);
        ingesters.chain(distributors).chain(queriers).chain(keepers).chain([Node::Control]).collect()
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
        self.drain_partition(partition);
    }

    fn drain_partition(&mut self, partition: u32) {
        let partitions = (self.ingesters.len() / ZONES) as u32;
        let active = |p: &u32| self.control.state(*p) == Some(PartitionState::Active);
        if (0..partitions).filter(|other| *other != partition).any(|other| active(&other)) {
            self.control.drain(partition);
        }
    }

    /// An owner's report; a partition that leaves with it takes its machines along, the volumes stay.
    pub(crate) fn report(&mut self, id: usize, drained: Option<narthex_model::RingRevision>) {
        self.control.report(id, drained);
        self.stop_gone();
    }

    /// Stops the ingesters of partitions that left.
    pub(crate) fn stop_gone(&mut self) {
        for id in 0..self.ingesters.len() {
            if self.ingesters[id].process.is_some() && self.control.is_gone(partition_of(id)) {
                self.kill_ingester(id);
                // Whoever reads now must notice that it left.
                for turn in 0..if self.calm { 0 } else { 4 } {
                    let (querier, soon) = (turn % self.queriers.len(), self.below(400));
                    self.at(soon, Event::Fault(Fault::Read(querier)));
                }
            }
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
                let late = if self.chance(250) { self.below(LATEST_MS) as i64 } else { 0 };
                let step = if self.chance(50) { 600_000 } else { 1 };
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
        self.bucket.trouble = 0;
        self.resume_all();
        (0..self.ingesters.len()).for_each(|id| self.start_ingester(id));
        for id in 0..self.distributors.len() {
            self.fault(Fault::StartReader(Node::Distributor(id)));
        }
        for id in 0..self.queriers.len() {
            self.fault(Fault::StartReader(Node::Querier(id)));
        }
    }
}

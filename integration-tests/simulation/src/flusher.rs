//! An owner's flusher: which cut it works on, and the way of one cut from the first look at the manifest to the commit.
//!
//! The same steps as in `services/ingester/src/flush`, each an event of its own: LIST, seal here, seal at another owner and
//! compare digests, seal at the third where anything differs, fetch what differs, PUT the union, commit; note the commit, keep the cut for a
//! while, LIST again, forget. When the process dies all of it is gone, and nothing that it did needs to be taken back.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use narthex_ingester::flush::{turn, union};
use narthex_manifest::{CutSet, Edit, Entry, Freshness, Manifest, Outcome};
use narthex_model::{
    BlockId, Cut, Epoch, PartitionId, RingRevision, SeriesHash, TimeRange, TimestampMs, Window,
};

use crate::{
    Mutation,
    bucket::workspace,
    control::{ZONES, owners_of, partition_of},
    cuts::{Operation, Stage},
    ingester::Phase,
    labels,
    manifests::{Then, Why},
    message::{Ask, Data, Message, Refused, RequestId, SealedCut},
    mutation::ALIAS,
    network::Node,
    requests::Wanted,
    store::{pairs, samples},
    world::{Event, World},
};

/// What one owner's flusher does and knows.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    /// Cuts that are due, by window.
    agenda: BTreeMap<Window, Pending>,
    /// When a commit was first seen of which samples are held.
    committed: BTreeMap<Cut, u64>,
    flush: Option<Box<Flush>>,
    tidy: Option<Tidy>,
    /// Windows that were tried since the last look at all of them.
    tried: BTreeSet<Window>,
    /// Hints are followed once a tick.
    followed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    since: u64,
    not_before: u64,
    failures: u32,
}

/// What it is busy with beside flushing.
#[derive(Debug, Clone, Copy)]
enum Tidy {
    Hints,
    Forget(Cut),
}

/// A cut on its way into a block.
#[derive(Debug)]
struct Flush {
    job: RequestId,
    cut: Cut,
    settle_alone: bool,
    ring_revision: RingRevision,
    /// Owners that were not asked yet.
    others: Vec<usize>,
    /// The question to an owner that is under way, and to whom.
    asked: Option<(RequestId, usize)>,
    stage: At,
    own: Option<Rc<SealedCut>>,
    holder: Option<usize>,
    differ: Rc<Vec<u32>>,
    third: Third,
    theirs: Data,
    entry: Option<Entry>,
    tries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    List,
    OwnSeal,
    OtherSeal,
    ThirdSeal,
    Fetch,
    FetchThird,
    Put,
    Commit,
}

/// The owner that was not needed for the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Third {
    None,
    Sealed(usize),
    Silent,
}

/// Between two looks at what is due.
pub(crate) const FLUSH_TICK_MS: u64 = 60;
/// How long an owner has before the next one takes over.
const TAKE_OVER_MS: u64 = 400;
/// After this long competing values are settled without the third owner.
const PATIENCE_MS: u64 = 3_000;
/// How long another owner may take to answer.
const ANSWER_MS: u64 = 600;
/// The first and the longest pause after a failure.
const PAUSES_MS: (u64, u64) = (100, 1_500);
/// Tries of an edit whose outcome is not known.
const COMMIT_TRIES: u32 = 5;
/// Between them.
const COMMIT_PAUSE_MS: u64 = 100;

impl World {
    fn flusher(&mut self, id: usize) -> Option<&mut Flusher> {
        self.ingesters[id].process.as_mut().map(|process| &mut process.flusher)
    }

    /// The flush under way, if it is at this point.
    fn flush_at(&mut self, id: usize, stage: At) -> Option<&mut Flush> {
        self.flush_of(id).filter(|flush| flush.stage == stage)
    }

    fn flush_of(&mut self, id: usize) -> Option<&mut Flush> {
        self.flusher(id)?.flush.as_deref_mut()
    }

    /// Whether a flush is between writing its block and the end of the commit.
    pub(crate) fn is_committing(&self, id: usize) -> bool {
        let process = self.ingesters[id].process.as_ref();
        let flush = process.and_then(|process| process.flusher.flush.as_ref());
        flush.is_some_and(|flush| matches!(flush.stage, At::Put | At::Commit))
    }

    pub(crate) fn flush_tick(&mut self, id: usize) {
        self.timer(Node::Ingester(id), FLUSH_TICK_MS, Event::FlushTick(id));
        let Some(process) = &mut self.ingesters[id].process else { return };
        process.flusher.followed = false;
        self.tidy_next(id);
        self.flush_next(id);
    }

    /// Learns what others committed, and forgets what is in the bucket.
    fn tidy_next(&mut self, id: usize) {
        let (now, keep, node) = (self.now, self.keep_ms, Node::Ingester(id));
        let Some(process) = &mut self.ingesters[id].process else { return };
        if process.phase != Phase::Serving || process.flusher.tidy.is_some() {
            return;
        }
        let first = !std::mem::replace(&mut process.flusher.followed, true);
        let catalogue = self.catalogue(node);
        let known = catalogue.known().map_or(0, |known| known.revision().0);
        let hint = catalogue.hint;
        if first && hint.0 > known {
            self.begin_tidying(id, Tidy::Hints);
            return self.look(node, Freshness::AtLeast(hint), Why::Hints);
        }
        self.note_commits(id);
        let Some(flusher) = self.flusher(id) else { return };
        let ripe = flusher.committed.iter().find(|(_, seen)| now - **seen >= keep).map(|(cut, _)| *cut);
        let Some(cut) = ripe else { return };
        self.begin_tidying(id, Tidy::Forget(cut));
        if self.mutation == Mutation::TrustPutReply || self.mutation == Mutation::TrustExists {
            let known = self.catalogue(node).known();
            return self.forget_listed(id, known.ok_or(()));
        }
        self.look(node, Freshness::Listed, Why::Forget);
    }

    /// Takes up the next cut that is up, if the owner serves and is idle.
    fn flush_next(&mut self, id: usize) {
        let Some(process) = &self.ingesters[id].process else { return };
        if process.phase != Phase::Serving || process.flusher.flush.is_some() {
            return;
        }
        let up = self.survey(id);
        let Some(flusher) = self.flusher(id) else { return };
        match up {
            Some(cut) => {
                flusher.tried.insert(cut.window);
                self.begin_flush(id, cut);
            }
            None => flusher.tried.clear(),
        }
    }

    fn begin_tidying(&mut self, id: usize, tidy: Tidy) {
        if let Some(flusher) = self.flusher(id) {
            flusher.tidy = Some(tidy);
        }
    }

    /// What was to be tidied is.
    pub(crate) fn tidied(&mut self, id: usize) {
        if let Some(flusher) = self.flusher(id) {
            flusher.tidy = None;
        }
    }

    fn flush_over(&mut self, id: usize) {
        if let Some(flusher) = self.flusher(id) {
            flusher.flush = None;
        }
    }

    pub(crate) fn hints_followed(&mut self, id: usize) {
        self.tidied(id);
        self.tidy_next(id);
    }

    /// Whether a cut counts as committed.
    fn is_committed(&self, manifest: &Manifest, cut: &Cut) -> bool {
        match self.mutation {
            Mutation::ForgetCutHistory => manifest.entries().any(|entry| {
                let alias = Cut { epoch: Epoch(cut.epoch.0 + ALIAS), ..*cut };
                entry.level == 0 && (entry.cuts.contains(cut) || entry.cuts.contains(&alias))
            }),
            Mutation::DropEpoch => manifest.is_committed(&Cut { epoch: Epoch(0), ..*cut }),
            _ => manifest.is_committed(cut),
        }
    }

    /// Notes which cuts of held windows are known to be committed, and since when.
    fn note_commits(&mut self, id: usize) {
        let now = self.now;
        let Some(known) = self.catalogue(Node::Ingester(id)).known() else { return };
        let partition = PartitionId(partition_of(id));
        let Some(process) = &self.ingesters[id].process else { return };
        let mut held = BTreeMap::new();
        for open in process.store.head().windows() {
            for epoch in open.sealed.iter().copied().chain([process.adopted.epoch]) {
                let cut = Cut { partition, epoch, window: open.window };
                if self.is_committed(&known, &cut) {
                    held.insert(cut, process.flusher.committed.get(&cut).copied().unwrap_or(now));
                }
            }
        }
        if let Some(flusher) = self.flusher(id) {
            flusher.committed = held;
        }
    }

    /// Looks at every held window, and gives a cut that is up now.
    fn survey(&mut self, id: usize) -> Option<Cut> {
        let now = self.now;
        let data_now = self.wall() + self.ingesters[id].skew_ms;
        let known = self.catalogue(Node::Ingester(id)).known();
        let partition = PartitionId(partition_of(id));
        let process = self.ingesters[id].process.as_ref()?;
        let adopted = process.adopted;
        let (mut due, mut up) = (BTreeSet::new(), None);
        let mut agenda = process.flusher.agenda.clone();
        for open in process.store.head().windows() {
            let cut = Cut { partition, epoch: adopted.epoch, window: open.window };
            let committed = known.as_ref().is_some_and(|manifest| self.is_committed(manifest, &cut));
            let time = self.schedule.due(workspace(), partition, open.window);
            if committed || adopted.active && time.0 > data_now {
                continue;
            }
            due.insert(open.window);
            let turn = turn(workspace(), partition, open.window, ZONES, id % ZONES);
            let not_before = now + TAKE_OVER_MS * turn as u64;
            let fresh = Pending { since: now, not_before, failures: 0 };
            let is_up = now >= agenda.entry(open.window).or_insert(fresh).not_before;
            if is_up && !process.flusher.tried.contains(&open.window) {
                up = up.or(Some(cut));
            }
        }
        agenda.retain(|window, _| due.contains(window));
        self.flusher(id)?.agenda = agenda;
        up
    }

    /// The newest manifest for forgetting (rule 5).
    pub(crate) fn forget_listed(&mut self, id: usize, found: Result<Arc<Manifest>, ()>) {
        let Some(Tidy::Forget(cut)) = self.flusher(id).and_then(|flusher| flusher.tidy) else { return };
        let newest = found.ok();
        let Some(newest) = newest.filter(|newest| self.is_committed(newest, &cut)) else {
            return self.tidied(id);
        };
        let Some(process) = &self.ingesters[id].process else { return };
        let (adopted, revision) = (process.adopted.epoch, newest.revision());
        self.operate(id, Operation::Forget { cut, revision, adopted, stage: Stage::Act });
        match self.below(100) {
            0..=1 => self.ambush_forgetting(id, cut),
            2..=3 => self.ambush_copies(id),
            _ => {}
        }
    }

    fn begin_flush(&mut self, id: usize, cut: Cut) {
        let (now, job) = (self.now, self.request());
        let Some(process) = &mut self.ingesters[id].process else { return };
        let since = process.flusher.agenda.get(&cut.window).map_or(now, |pending| pending.since);
        let own = id % ZONES;
        let flush = Flush {
            job,
            cut,
            settle_alone: now - since >= PATIENCE_MS,
            ring_revision: process.ring.revision(),
            others: (1..ZONES).map(|next| owners_of(cut.partition.0).start + (own + next) % ZONES).collect(),
            asked: None,
            stage: At::List,
            own: None,
            holder: None,
            differ: Rc::default(),
            third: Third::None,
            theirs: Data::new(),
            entry: None,
            tries: 0,
        };
        process.flusher.flush = Some(Box::new(flush));
        self.look(Node::Ingester(id), Freshness::Listed, Why::Flush(job));
    }

    /// The flush cannot go on; it is tried again after a pause.
    pub(crate) fn flush_failed(&mut self, id: usize) {
        let (now, noise) = (self.now, self.below(1_000));
        let Some(flusher) = self.flusher(id) else { return };
        let Some(flush) = flusher.flush.take() else { return };
        if let Some(pending) = flusher.agenda.get_mut(&flush.cut.window) {
            let pause = (PAUSES_MS.0 << pending.failures.min(10)).min(PAUSES_MS.1);
            pending.failures += 1;
            pending.not_before = now + pause / 2 + pause * noise / 2_000;
        }
    }

    pub(crate) fn flush_listed(&mut self, id: usize, job: RequestId, found: Result<Arc<Manifest>, ()>) {
        let Some(flush) = self.flush_at(id, At::List).filter(|flush| flush.job == job) else { return };
        let (cut, ring_revision) = (flush.cut, flush.ring_revision);
        let Ok(newest) = found else { return self.flush_failed(id) };
        if self.is_committed(&newest, &cut) {
            return self.flush_over(id);
        }
        let request = self.request();
        let Some(flush) = self.flush_at(id, At::List) else { return };
        (flush.stage, flush.asked) = (At::OwnSeal, Some((request, id)));
        let wanted = Wanted::Seal(cut, Rc::default());
        self.ingester_request(id, Node::Ingester(id), request, ring_revision, wanted);
    }

    /// Asks an owner to seal and to tell.
    fn ask_owner(&mut self, id: usize, owner: usize, stage: At, series: Rc<Vec<u32>>) {
        let request = self.request();
        let Some(flush) = self.flush_of(id) else {
            return;
        };
        (flush.stage, flush.asked) = (stage, Some((request, owner)));
        let (cut, ring_revision) = (flush.cut, flush.ring_revision);
        let message = Message::Seal { request, ring_revision, cut, series };
        self.send(Node::Ingester(id), Node::Ingester(owner), message);
        self.timer(Node::Ingester(id), ANSWER_MS, Event::SealTimeout(id, request));
    }

    /// An owner's answer about the cut, the own one included.
    pub(crate) fn sealed(&mut self, id: usize, request: RequestId, answer: Result<Rc<SealedCut>, Refused>) {
        let mutation = self.mutation;
        let Some(flush) = self.flush_of(id) else {
            return;
        };
        let Some((_, owner)) = flush.asked.take_if(|(asked, _)| *asked == request) else { return };
        match (flush.stage, answer) {
            (At::OwnSeal, Ok(own)) => {
                flush.own = Some(own);
                if mutation == Mutation::FlushAlone {
                    return self.write_block(id, &Data::new());
                }
                self.ask_next(id);
            }
            (At::OtherSeal, Ok(theirs)) => {
                flush.holder = Some(owner);
                let own = flush.own.as_ref().map(|own| &own.digests);
                let differs =
                    |series: &u32| own.and_then(|own| own.get(series)) != theirs.digests.get(series);
                flush.differ = Rc::new(theirs.digests.keys().copied().filter(differs).collect());
                match flush.others.pop() {
                    _ if flush.differ.is_empty() => self.write_block(id, &Data::new()),
                    Some(third) => self.ask_owner(id, third, At::ThirdSeal, Rc::default()),
                    None => {
                        flush.third = Third::Silent;
                        self.fetch(id);
                    }
                }
            }
            (At::OtherSeal, Err(_)) => self.ask_next(id),
            (At::ThirdSeal, answer) => {
                flush.third = if answer.is_ok() { Third::Sealed(owner) } else { Third::Silent };
                self.fetch(id);
            }
            (At::Fetch, Ok(theirs)) => {
                flush.theirs = theirs.data.clone();
                self.settle(id);
            }
            (At::FetchThird, Ok(third)) => self.write_block(id, &third.data),
            _ => self.flush_failed(id),
        }
    }

    /// Asks the next owner, the one in the next zone first.
    fn ask_next(&mut self, id: usize) {
        let Some(flush) = self.flush_of(id) else {
            return;
        };
        if flush.others.is_empty() {
            return self.flush_failed(id);
        }
        let owner = flush.others.remove(0);
        self.ask_owner(id, owner, At::OtherSeal, Rc::default());
    }

    fn fetch(&mut self, id: usize) {
        let Some(flush) = self.flush_of(id) else {
            return;
        };
        let (holder, differ) = (flush.holder, Rc::clone(&flush.differ));
        if let Some(holder) = holder {
            self.ask_owner(id, holder, At::Fetch, differ);
        }
    }

    /// What this owner sealed, if it is still as it was.
    fn own_cut(&mut self, id: usize, cut: Cut, digests: &Rc<SealedCut>) -> Option<Data> {
        let process = self.ingesters[id].process.as_ref()?;
        let own = process.store.cut(cut.epoch, cut.window, |_| true);
        if self.mutation == Mutation::DoNotSeal {
            return Some(own.map_or_else(Data::new, |own| own.data));
        }
        own.filter(|own| own.digests == digests.digests).map(|own| own.data)
    }

    /// The third owner is asked where two contradict each other.
    fn settle(&mut self, id: usize) {
        let Some(flush) = self.flush_of(id) else {
            return;
        };
        let (cut, third, theirs) = (flush.cut, flush.third, flush.theirs.clone());
        let Some(digests) = flush.own.clone() else { return };
        let Some(own) = self.own_cut(id, cut, &digests) else { return self.flush_failed(id) };
        let contested: Vec<u32> = theirs
            .keys()
            .copied()
            .filter(|series| union([&samples(&own, *series), &samples(&theirs, *series), &[]]).1)
            .collect();
        match third {
            Third::Sealed(owner) if !contested.is_empty() => {
                self.ask_owner(id, owner, At::FetchThird, Rc::new(contested));
            }
            _ => self.write_block(id, &Data::new()),
        }
    }

    /// Puts the union.
    fn write_block(&mut self, id: usize, third: &Data) {
        let Some(flush) = self.flush_of(id) else {
            return;
        };
        let (cut, theirs) = (flush.cut, flush.theirs.clone());
        let Some(digests) = flush.own.clone() else { return };
        let Some(own) = self.own_cut(id, cut, &digests) else { return self.flush_failed(id) };
        let (mut data, mut unsettled) = (Data::new(), false);
        for series in own.keys().chain(theirs.keys()).copied().collect::<BTreeSet<_>>() {
            let held = [samples(&own, series), samples(&theirs, series), samples(third, series)];
            let (all, contested) = union([&held[0], &held[1], &held[2]]);
            unsettled |= contested && !third.contains_key(&series);
            data.insert(series, pairs(all));
        }
        if data.is_empty() {
            // An empty cut is none; what is held of its window belongs to another epoch.
            return self.flush_failed(id);
        }
        let block = BlockId::new(self.now, self.random_u128());
        let mut named = cut;
        match self.mutation {
            Mutation::DropEpoch => named.epoch = Epoch(0),
            Mutation::ForgetCutHistory if self.oracle.newest().is_committed(&cut) => named.epoch.0 += ALIAS,
            _ => {}
        }
        self.oracle.writes(block, cut);
        let entry = entry(block, CutSet::from(named), &data);
        let Some(flush) = self.flush_of(id) else {
            return;
        };
        flush.stage = At::Put;
        if !(unsettled && flush.third == Third::Silent && !flush.settle_alone) {
            flush.entry = Some(entry);
        }
        let job = flush.job;
        self.ask(Node::Ingester(id), Ask::PutBlock(block, Rc::new(data)), Then::FlushPut(job));
        if !self.calm && self.chance(15) {
            // It hears of it only when the block is an orphan of that age.
            let length = 4_000 + self.below(2_500);
            self.stand_still_with_others(Node::Ingester(id), length);
        }
    }

    pub(crate) fn block_put(&mut self, id: usize, job: RequestId, written: bool) {
        let Some(flush) = self.flush_at(id, At::Put).filter(|flush| flush.job == job) else { return };
        match flush.entry.clone().filter(|_| written) {
            Some(entry) => {
                flush.stage = At::Commit;
                self.commit(Node::Ingester(id), Edit::Commit(entry));
            }
            // What was put is an orphan.
            None => self.flush_failed(id),
        }
    }

    pub(crate) fn flush_committed(&mut self, id: usize, outcome: Outcome) {
        let Some(flush) = self.flush_at(id, At::Commit) else { return };
        flush.tries += 1;
        match outcome {
            Outcome::Committed(newest) => {
                self.flush_over(id);
                self.send(Node::Ingester(id), Node::Control, Message::Hint(newest.revision()));
                self.flush_next(id);
            }
            Outcome::Refused { refused, .. } if refused.releases_cut() => self.flush_over(id),
            // The same edit again: it may have been committed, and another block would be one too many.
            Outcome::Undecided if flush.tries < COMMIT_TRIES => {
                let job = flush.job;
                self.timer(Node::Ingester(id), COMMIT_PAUSE_MS, Event::CommitAgain(id, job));
            }
            Outcome::Refused { .. } | Outcome::Rewrite(_) | Outcome::Undecided => self.flush_failed(id),
        }
    }

    pub(crate) fn commit_again(&mut self, id: usize, job: RequestId) {
        let flush = self.flush_at(id, At::Commit).filter(|flush| flush.job == job);
        if let Some(entry) = flush.and_then(|flush| flush.entry.clone()) {
            self.commit(Node::Ingester(id), Edit::Commit(entry));
        }
    }

    pub(crate) fn seal_timeout(&mut self, id: usize, request: RequestId) {
        self.sealed(id, request, Err(Refused::Unavailable));
    }
}

/// What the manifest says of a block.
pub(crate) fn entry(id: BlockId, cuts: CutSet, data: &Data) -> Entry {
    let times = || data.values().flatten().map(|(at, _)| *at);
    let (min, max) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let hashes = || data.keys().map(|series| labels(*series).series_hash());
    Entry {
        id,
        level: 0,
        time: TimeRange { min: TimestampMs(min), max: TimestampMs(max) },
        min_hash: hashes().min().unwrap_or(SeriesHash(0)),
        max_hash: hashes().max().unwrap_or(SeriesHash(0)),
        cuts,
        series: data.len() as u64,
        samples: data.values().map(Vec::len).sum::<usize>() as u64,
        bytes: 1_000,
        footer_bytes: 100,
        columns: Box::default(),
    }
}

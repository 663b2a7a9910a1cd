//! How a process follows and commits manifests: requests to the bucket around the real [`Reader`] and [`Committer`].
//!
//! The same as the shell in `libs/manifest`: one look at a time, one commit at a time, time limits on every request, and a clock
//! of the bucket that is made of the dates it shows.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use narthex_manifest::{
    Action, BucketTime, Committer, Edit, Event as Came, Freshness, Limits, Manifest, Nonce, Outcome,
    ReadAction, ReadEvent, Reader, Writer,
};
use narthex_model::{BlockId, ManifestRevision};

use crate::{
    Mutation,
    bucket::{margins, no_manifest, workspace},
    message::{Ask, Message, RequestId, Told},
    network::Node,
    querier::Look,
    store::WINDOW,
    world::{Event, World},
};

/// Who waits for an answer of the bucket.
#[derive(Debug, Clone)]
pub(crate) enum Then {
    /// The process's look at the manifest.
    Look,
    /// The process's commit.
    Commit,
    /// The flush of an owner that put a block.
    FlushPut(RequestId),
    /// A read that wants a block.
    ReadBlock(RequestId, BlockId),
    /// A keeper.
    Keep,
    /// Nobody.
    Nothing,
}

/// Why a manifest is looked for.
#[derive(Debug, Clone)]
pub(crate) enum Why {
    /// An owner was told of a newer one.
    Hints,
    /// An owner's flush begins.
    Flush(RequestId),
    /// An owner forgets.
    Forget,
    /// A read.
    Read(Look),
    /// A keeper.
    Keep,
}

/// What one process knows of the manifest.
#[derive(Debug)]
pub(crate) struct Catalogue {
    reader: Reader,
    /// A date that the bucket showed, and when that was.
    anchor: Option<(BucketTime, u64)>,
    /// The newest revision that somebody told of.
    pub(crate) hint: ManifestRevision,
    queue: VecDeque<(Freshness, Why)>,
    look: Option<Looking>,
    commit: Option<Committing>,
}

#[derive(Debug)]
struct Looking {
    wanted: Freshness,
    why: Why,
    tries: u32,
}

#[derive(Debug)]
struct Committing {
    committer: Committer,
    listed_at: Duration,
    /// The root whose outcome is awaited.
    root: Option<Arc<Manifest>>,
}

/// How long a request to the bucket may take.
const REQUEST_MS: u64 = 500;
/// Between looks for a revision that is not there yet, and how many there are.
const BEHIND_MS: u64 = 100;
const TRIES_BEHIND: u32 = 3;

impl Catalogue {
    fn new() -> Self {
        Self {
            reader: Reader::new(no_manifest(), margins()),
            anchor: None,
            hint: ManifestRevision(0),
            queue: VecDeque::new(),
            look: None,
            commit: None,
        }
    }

    /// The manifest as last read or committed.
    pub(crate) fn known(&self) -> Option<Arc<Manifest>> {
        self.reader.known().cloned()
    }

    fn observe(&mut self, date: BucketTime, now: u64) {
        let present = self.anchor.map(|(time, at)| time.after(Duration::from_millis(now - at)));
        if present.is_none_or(|present| present < date) {
            self.anchor = Some((date, now));
        }
    }

    /// The bucket's present, or earlier.
    fn bucket_time(&self, now: u64) -> BucketTime {
        self.anchor.map_or(BucketTime::MIN, |(time, at)| time.after(Duration::from_millis(now - at)))
    }
}

impl World {
    /// What a process knows.
    pub(crate) fn catalogue(&mut self, node: Node) -> &mut Catalogue {
        self.catalogues.entry(node).or_insert_with(Catalogue::new)
    }

    /// Monotonic time.
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    /// Sends a request to the bucket.
    pub(crate) fn ask(&mut self, node: Node, ask: Ask, then: Then) {
        let request = self.request();
        self.asks.insert(request, (node, then));
        self.send(node, Node::Bucket, Message::Ask(request, Rc::new(ask)));
        self.timer(node, REQUEST_MS, Event::AskTimeout(node, request));
    }

    /// The bucket's answer, or none in time.
    pub(crate) fn told(&mut self, node: Node, request: RequestId, told: Told, date: Option<i64>) {
        let now = self.now;
        let date = date.map(BucketTime);
        if let Some(date) = date {
            self.catalogue(node).observe(date, now);
        }
        let Some((_, then)) = self.asks.remove(&request) else { return };
        match (then, node) {
            (Then::Look, _) => self.told_look(node, told),
            (Then::Commit, _) => self.told_commit(node, told, date),
            (Then::FlushPut(job), Node::Ingester(id)) => {
                self.block_put(id, job, matches!(told, Told::Written))
            }
            (Then::ReadBlock(number, block), Node::Querier(id)) => self.block_read(id, number, block, told),
            (Then::Keep, Node::Keeper(id)) => self.kept(id, told, date),
            _ => {}
        }
    }

    /// Looks for a manifest as new as is wanted; `looked` is told.
    pub(crate) fn look(&mut self, node: Node, wanted: Freshness, why: Why) {
        let catalogue = self.catalogue(node);
        catalogue.queue.push_back((wanted, why));
        if catalogue.look.is_none() {
            self.next_look(node);
        }
    }

    fn next_look(&mut self, node: Node) {
        let Some((wanted, why)) = self.catalogue(node).queue.pop_front() else { return };
        self.catalogue(node).look = Some(Looking { wanted, why, tries: 0 });
        self.begin_look(node);
    }

    pub(crate) fn begin_look(&mut self, node: Node) {
        let now = self.elapsed();
        let catalogue = self.catalogue(node);
        let Some(look) = &catalogue.look else { return };
        let action = catalogue.reader.begin(look.wanted, now);
        self.act_on_look(node, action);
    }

    fn act_on_look(&mut self, node: Node, action: ReadAction) {
        match action {
            ReadAction::ListNewest => self.ask(node, Ask::Newest, Then::Look),
            ReadAction::Load(revision) => self.ask(node, Ask::Root(revision), Then::Look),
            ReadAction::Done(manifest) => self.end_look(node, Ok(manifest)),
            ReadAction::Behind { .. } => {
                let Some(look) = &mut self.catalogue(node).look else { return };
                look.tries += 1;
                if look.tries > TRIES_BEHIND {
                    self.end_look(node, Err(()));
                } else {
                    self.timer(node, BEHIND_MS, Event::LookAgain(node));
                }
            }
        }
    }

    fn told_look(&mut self, node: Node, told: Told) {
        let now = self.elapsed();
        let event = match told {
            Told::Newest(newest) => ReadEvent::Newest(newest),
            Told::Root(manifest) => ReadEvent::Loaded(manifest),
            Told::Absent => ReadEvent::Absent,
            _ => return self.end_look(node, Err(())),
        };
        let action = self.catalogue(node).reader.on(event, now);
        self.act_on_look(node, action);
    }

    fn end_look(&mut self, node: Node, found: Result<Arc<Manifest>, ()>) {
        let Some(Looking { why, .. }) = self.catalogue(node).look.take() else { return };
        match (why, node) {
            (Why::Hints, Node::Ingester(id)) => self.hints_followed(id),
            (Why::Flush(job), Node::Ingester(id)) => self.flush_listed(id, job, found),
            (Why::Forget, Node::Ingester(id)) => self.forget_listed(id, found),
            (Why::Read(look), Node::Querier(id)) => self.read_looked(id, look, found),
            (Why::Keep, Node::Keeper(id)) => self.keeper_listed(id, found),
            _ => {}
        }
        if self.catalogue(node).look.is_none() {
            self.next_look(node);
        }
    }

    /// Commits an edit; `committed` is told.
    pub(crate) fn commit(&mut self, node: Node, edit: Edit) {
        let limits = Limits { root_entries: 4, segment_entries: 8, ..Limits::DEFAULT };
        let nonce = Nonce(self.random_u128());
        let writer = Writer { nonce, window_length: WINDOW, limits, margins: margins() };
        let now = self.elapsed();
        let catalogue = self.catalogue(node);
        let mut committer = Committer::new(edit, workspace(), catalogue.known(), writer);
        let action = committer.start(now);
        catalogue.commit = Some(Committing { committer, listed_at: now, root: None });
        self.act_on_commit(node, action);
    }

    fn act_on_commit(&mut self, node: Node, action: Action) {
        let (now, elapsed, mutation) = (self.now, self.elapsed(), self.mutation);
        let Some(commit) = &mut self.catalogue(node).commit else { return };
        commit.root = None;
        match action {
            Action::ListNewest => {
                commit.listed_at = elapsed;
                self.ask(node, Ask::Newest, Then::Commit);
            }
            Action::Load(revision) => self.ask(node, Ask::Root(revision), Then::Commit),
            Action::Head(_) if mutation == Mutation::SkipHead => {
                let present = self.catalogue(node).bucket_time(now);
                self.commit_came(node, Came::Headed { put: present, now: present });
            }
            Action::Head(block) => self.ask(node, Ask::Head(block), Then::Commit),
            Action::PutSegment(new) => self.ask(node, Ask::PutSegment(new.segment.id()), Then::Commit),
            Action::PutRoot { manifest, .. } => {
                commit.root = Some(Arc::clone(&manifest));
                let if_absent = mutation != Mutation::OverwriteRoot;
                self.ask(node, Ask::PutRoot { manifest, if_absent }, Then::Commit);
                self.ambush_put(node);
            }
            Action::Wait(tries) => {
                let longest = (10 << tries.min(6)).min(400);
                let pause = 1 + self.below(longest);
                self.timer(node, pause, Event::CommitWaited(node));
            }
            Action::Done(outcome) => self.end_commit(node, outcome),
        }
    }

    /// The machine of a writer is suspended for longer than roots are kept, its request on its way.
    fn ambush_put(&mut self, node: Node) {
        if self.calm || !self.chance(20) {
            return;
        }
        let length = 4_000 + self.below(2_500);
        self.delay_last(length - 100);
        self.stand_still_with_others(node, length);
    }

    fn told_commit(&mut self, node: Node, told: Told, date: Option<BucketTime>) {
        let (now, mutation) = (self.now, self.mutation);
        let catalogue = self.catalogue(node);
        let root = catalogue.commit.as_ref().and_then(|commit| commit.root.clone());
        let present = catalogue.bucket_time(now);
        let event = match told {
            Told::Newest(newest) => Came::Newest(newest),
            Told::Root(manifest) => Came::Loaded(manifest),
            Told::Absent => Came::Absent,
            Told::Headed => Came::Headed { put: date.unwrap_or(present), now: present },
            Told::Written | Told::Exists => {
                let trusted = match told {
                    Told::Written => mutation == Mutation::TrustPutReply,
                    _ => mutation == Mutation::TrustExists,
                };
                match root {
                    Some(root) if trusted => return self.end_commit(node, Outcome::Committed(root)),
                    _ if matches!(told, Told::Written) => Came::Written,
                    _ => Came::Exists,
                }
            }
            _ if root.is_some() && mutation == Mutation::DeleteOnUnknown => {
                return self.give_block_up(node);
            }
            _ if root.is_some() => Came::Unknown,
            _ => Came::Failed,
        };
        self.commit_came(node, event);
    }

    pub(crate) fn commit_came(&mut self, node: Node, event: Came) {
        let now = self.elapsed();
        let Some(commit) = &mut self.catalogue(node).commit else { return };
        let action = commit.committer.on(event, now);
        self.act_on_commit(node, action);
    }

    fn end_commit(&mut self, node: Node, outcome: Outcome) {
        let catalogue = self.catalogue(node);
        let Some(Committing { listed_at, .. }) = catalogue.commit.take() else { return };
        if let Outcome::Committed(newest) | Outcome::Refused { newest, .. } = &outcome {
            catalogue.reader.adopt(newest, listed_at);
        }
        match node {
            Node::Ingester(id) => self.flush_committed(id, outcome),
            Node::Keeper(id) => self.keeper_committed(id, outcome),
            _ => {}
        }
    }

    /// A broken rule: the block of a commit whose outcome is unknown is deleted by its writer.
    fn give_block_up(&mut self, node: Node) {
        let Some(commit) = self.catalogue(node).commit.take() else { return };
        for entry in commit.committer.edit().added() {
            let garbage = crate::message::Garbage::Object(narthex_manifest::Object::Block(entry.id));
            self.ask(node, Ask::Delete(garbage), Then::Nothing);
        }
        match node {
            Node::Ingester(id) => self.flush_failed(id),
            Node::Keeper(id) => self.keeper_idle(id),
            _ => {}
        }
    }

    /// The process died, and with it what it knew and waited for.
    pub(crate) fn forget_catalogue(&mut self, node: Node) {
        self.catalogues.remove(&node);
        self.asks.retain(|_, (asker, _)| *asker != node);
    }
}

/// What processes wait for, by the number of the request.
pub(crate) type Asks = BTreeMap<RequestId, (Node, Then)>;

//! Who plays: everybody drives the core one action at a time, and anything may happen in between.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use narthex_model::{BlockId, Cut, ManifestRevision, Window};
use narthex_service::Random;

use super::{Faults, HOUR};
use crate::{
    Action, BucketTime, Committer, Edit, Event, Freshness, Limits, Manifest, Object, Outcome, Plan,
    ReadAction, ReadEvent, Reader, Refused, Rewrite, Writer,
    model::{Content, Late, World, empty, entry, workspace, writer},
    plan,
};

/// Any manifest that was newest once, mostly a late one: what some process still remembers.
fn remembered(world: &World, random: &Random) -> Option<Arc<Manifest>> {
    let known = world.line.len() as u64;
    let back = if random.below(3) == 0 { random.below(known) } else { random.below(known.min(4)) };
    (random.below(10) > 0).then(|| Arc::clone(&world.line[(known - 1 - back) as usize]))
}

/// Does what a committer asks for, or lets it fail.
fn perform(world: &mut World, random: &Random, faults: Faults, action: Action) -> Event {
    let fails = random.below(1_000) < faults.request;
    match action {
        Action::ListNewest | Action::Load(_) | Action::Head(_) if fails && random.below(3) == 0 => {
            Event::Failed
        }
        Action::ListNewest => Event::Newest(world.list_newest()),
        Action::Load(revision) => world.load(revision).map_or(Event::Absent, Event::Loaded),
        Action::Head(id) => world.blocks.get(&id).map_or(Event::Absent, |(_, put)| Event::Headed {
            put: *put,
            now: world.now.before(HOUR * random.below(2) as u32),
        }),
        Action::PutSegment(new) => {
            if !fails || random.below(2) == 0 {
                world.put_segment(&new.segment);
            }
            if fails { Event::Unknown } else { Event::Written }
        }
        Action::PutRoot { manifest, .. } => match random.below(4) {
            // A late write that may come at any time, or never.
            0 if fails => {
                world.late.push(Late(manifest));
                Event::Unknown
            }
            1 if fails => Event::Unknown,
            2 if fails => {
                world.put_root(&manifest);
                Event::Unknown
            }
            // The client repeated the request by itself, and met its own first try.
            3 if fails => {
                world.put_root(&manifest);
                Event::Exists
            }
            _ if world.put_root(&manifest) => Event::Written,
            _ => Event::Exists,
        },
        Action::Wait(_) | Action::Done(_) => Event::Waited,
    }
}

fn elapsed(world: &World) -> Duration {
    BucketTime(0).until(world.now)
}

/// A commit that is driven step by step.
struct Drive {
    committer: Committer,
    next: Option<Action>,
}

impl Drive {
    fn new(world: &World, random: &Random, edit: Edit) -> Self {
        let base = remembered(world, random);
        // Segments come and go all the time.
        let limits = Limits { root_entries: 3, segment_entries: 6, ..Limits::DEFAULT };
        let writer = Writer { limits, ..writer(random.bits128()) };
        let committer = Committer::new(edit, workspace(), base, writer);
        Self { committer, next: None }
    }

    fn step(&mut self, world: &mut World, random: &Random, faults: Faults) -> Option<Outcome> {
        let action = self.next.take().unwrap_or_else(|| self.committer.start(elapsed(world)));
        let event = perform(world, random, faults, action);
        match self.committer.on(event, elapsed(world)) {
            Action::Done(outcome) => {
                if let Outcome::Committed(manifest) | Outcome::Refused { newest: manifest, .. } = &outcome {
                    let line = &world.line;
                    assert!(line.contains(manifest), "rule 5: an answer from beside the line");
                }
                Some(outcome)
            }
            action => {
                self.next = Some(action);
                None
            }
        }
    }
}

/// Brings one cut into a block.
pub(super) struct Flusher {
    pub(super) cut: Cut,
    drive: Option<Drive>,
}

impl Flusher {
    pub(super) fn new(world: &mut World, random: &Random, cut: Cut) -> Self {
        let mut flusher = Self { cut, drive: None };
        flusher.upload(world, random);
        flusher
    }

    pub(super) fn is_done(&self) -> bool {
        self.drive.is_none()
    }

    fn upload(&mut self, world: &mut World, random: &Random) {
        let id = world.put_block(Content::from([(self.cut, false), (self.cut, true)]));
        let edit = Edit::Commit(entry(id.as_u128(), [self.cut]));
        self.drive = Some(Drive::new(world, random, edit));
    }

    pub(super) fn step(&mut self, world: &mut World, random: &Random, faults: Faults) {
        let Some(drive) = &mut self.drive else { return };
        if random.below(1_000) < faults.crash {
            return self.upload(world, random);
        }
        let Some(outcome) = drive.step(world, random, faults) else { return };
        match outcome {
            Outcome::Committed(_)
            | Outcome::Refused { refused: Refused::CutCommitted(_) | Refused::Deleted, .. } => {
                assert!(
                    world.newest().is_committed(&self.cut),
                    "F-3: {} may be forgotten, but is not committed",
                    self.cut
                );
                self.drive = None;
            }
            Outcome::Rewrite(why) => {
                if let Rewrite::Missing(id) = why {
                    assert!(!world.blocks.contains_key(&id));
                }
                self.upload(world, random);
            }
            Outcome::Undecided => {
                let edit = drive.committer.edit().clone();
                *drive = Drive::new(world, random, edit);
            }
            Outcome::Refused { refused, .. } => panic!("a flush was refused: {refused}"),
        }
    }
}

/// What other writers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    Compact,
    Remove,
    Floor,
    Delete,
}

/// A writer that is no flusher.
pub(super) struct Other {
    job: Job,
    drive: Drive,
}

impl Other {
    pub(super) fn new(world: &mut World, random: &Random, job: Job) -> Option<Self> {
        let edit = match job {
            Job::Compact => compaction(world, random)?,
            Job::Remove => {
                let id = pick(world.newest(), random, 1).first().copied()?;
                let content = world.blocks.get(&id)?.0.clone();
                world.given_up.extend(content);
                Edit::Remove([id].into())
            }
            Job::Floor => Edit::RaiseFloor(Window(random.below(4) as i64)),
            Job::Delete => Edit::Delete,
        };
        Some(Self { job, drive: Drive::new(world, random, edit) })
    }

    /// Whether it is through.
    pub(super) fn step(&mut self, world: &mut World, random: &Random, faults: Faults) -> bool {
        if random.below(1_000) < faults.crash {
            return true;
        }
        match self.drive.step(world, random, faults) {
            None => false,
            Some(Outcome::Undecided) if self.job == Job::Delete => {
                self.drive = Drive::new(world, random, Edit::Delete);
                false
            }
            Some(Outcome::Refused { refused, .. }) => {
                let lost = matches!(refused, Refused::BlockMissing(_) | Refused::Deleted);
                assert!(lost, "{:?} was refused: {refused}", self.job);
                true
            }
            Some(_) => true,
        }
    }
}

fn pick(manifest: &Manifest, random: &Random, count: usize) -> BTreeSet<BlockId> {
    let ids: Vec<BlockId> = manifest.entries().map(|entry| entry.id).collect();
    (0..count).filter_map(|_| ids.get(random.below(ids.len() as u64) as usize).copied()).collect()
}

/// Blocks that some remembered manifest named, as one block or two.
fn compaction(world: &mut World, random: &Random) -> Option<Edit> {
    let inputs = pick(&*remembered(world, random)?, random, 1 + random.below(4) as usize);
    if inputs.is_empty() {
        return None;
    }
    let contents: Option<Vec<Content>> =
        inputs.iter().map(|id| Some(world.blocks.get(id)?.0.clone())).collect();
    let content: Content = contents?.into_iter().flatten().collect();
    let parts: Vec<Content> = if random.below(3) == 0 {
        let (low, high) = content.into_iter().partition(|(_, high)| *high);
        vec![low, high]
    } else {
        vec![content]
    };
    let mut outputs = Vec::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let cuts: Vec<Cut> = part.iter().map(|(cut, _)| *cut).collect();
        let id = world.put_block(part);
        outputs.push(entry(id.as_u128(), cuts));
    }
    Some(Edit::Compact { inputs, outputs })
}

/// Sweeps, as the shell does: any pause may come between its steps.
pub(super) enum Collector {
    Idle,
    /// Listed, and still to read the newest manifest.
    Listed(crate::Listing, BucketTime),
    Commit(crate::Listing, BucketTime, Drive2),
    Delete(VecDeque<Deletion>),
}

/// One deletion.
pub(super) enum Deletion {
    Root(ManifestRevision),
    Object(Object),
}

/// A commit, boxed because it is large.
pub(super) struct Drive2(Box<Drive>);

impl Collector {
    pub(super) fn step(&mut self, world: &mut World, random: &Random, faults: Faults) {
        if random.below(1_000) < faults.crash {
            *self = Self::Idle;
        }
        *self = match std::mem::replace(self, Self::Idle) {
            Self::Idle => Self::Listed(world.listing(), world.now),
            Self::Listed(listing, now) => {
                let newest = Arc::clone(world.newest());
                let todo = plan(&listing, &newest, now, world.margins);
                match todo.edit(&newest) {
                    Some(edit) => {
                        let drive = Drive::new(world, random, edit);
                        Self::Commit(listing, now, Drive2(Box::new(drive)))
                    }
                    None => Self::Delete(deletions(todo)),
                }
            }
            Self::Commit(listing, now, mut drive) => match drive.0.step(world, random, faults) {
                None => Self::Commit(listing, now, drive),
                Some(Outcome::Committed(newest)) => {
                    Self::Delete(deletions(plan(&listing, &newest, now, world.margins)))
                }
                Some(_) => Self::Idle,
            },
            Self::Delete(mut todo) => {
                match todo.pop_front() {
                    Some(Deletion::Root(revision)) => world.delete_root(revision),
                    Some(Deletion::Object(object)) => world.delete(object),
                    None => {}
                }
                if todo.is_empty() { Self::Idle } else { Self::Delete(todo) }
            }
        }
    }
}

fn deletions(todo: Plan) -> VecDeque<Deletion> {
    let objects = todo.blocks.into_iter().map(Object::Block);
    let objects = objects.chain(todo.segments.into_iter().map(Object::Segment)).map(Deletion::Object);
    objects.chain(todo.roots.into_iter().map(Deletion::Root)).collect()
}

/// Reads along.
pub(super) struct Follower {
    reader: Reader,
    action: Option<ReadAction>,
    /// The newest revision when the look began.
    expected: ManifestRevision,
}

impl Follower {
    pub(super) fn new() -> Self {
        let margins = crate::Margins::DEFAULT;
        Self { reader: Reader::new(empty(), margins), action: None, expected: ManifestRevision(0) }
    }

    pub(super) fn step(&mut self, world: &World, random: &Random, faults: Faults) {
        let now = elapsed(world);
        if random.below(4) == 0 {
            self.reader.hint(ManifestRevision(random.below(world.newest().revision().0 + 3)));
        }
        let event = match self.action.take() {
            None => {
                self.expected = world.newest().revision();
                let wanted = match random.below(3) {
                    0 => Freshness::AtLeast(self.expected),
                    1 => Freshness::Listed,
                    _ => Freshness::Newest,
                };
                self.action = Some(self.reader.begin(wanted, now));
                return self.finish(world);
            }
            // After a failure it begins anew.
            Some(_) if random.below(1_000) < faults.request / 3 => return,
            Some(ReadAction::ListNewest) => ReadEvent::Newest(world.list_newest()),
            Some(ReadAction::Load(revision)) => {
                world.load(revision).map_or(ReadEvent::Absent, ReadEvent::Loaded)
            }
            Some(ReadAction::Done(_) | ReadAction::Behind { .. }) => return,
        };
        self.action = Some(self.reader.on(event, now));
        self.finish(world);
    }

    fn finish(&mut self, world: &World) {
        match &self.action {
            Some(ReadAction::Done(manifest)) => {
                assert!(manifest.revision() >= self.expected, "rule 5, R-3: a reader was left behind");
                assert!(world.line.contains(manifest), "rule 5: a reader took a fork for the newest");
                self.action = None;
            }
            Some(ReadAction::Behind { wanted, .. }) => panic!("revision {wanted} was there"),
            _ => {}
        }
    }
}

//! What a committer and its driver say to each other.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use narthex_model::{BlockId, ManifestRevision, WindowLength};

use crate::{BucketTime, Limits, Manifest, Margins, NewSegment, Nonce, Refused};

/// Who commits, and how: the same for all commits of a process but for the nonce, which is random for each.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// Never used before, by anyone.
    pub nonce: Nonce,
    /// The deployment's window length.
    pub window_length: WindowLength,
    /// When to use segments.
    pub limits: Limits,
    /// How old blocks may be.
    pub margins: Margins,
}

/// What the driver does next.
#[derive(Debug, Clone)]
pub enum Action {
    /// LIST the first key below the manifest; answer [`Event::Newest`].
    ListNewest,
    /// GET a root and the segments it names; answer [`Event::Loaded`] or [`Event::Absent`].
    Load(ManifestRevision),
    /// HEAD a block; answer [`Event::Headed`] or [`Event::Absent`].
    Head(BlockId),
    /// PUT a segment, whatever is there; answer [`Event::Written`].
    PutSegment(NewSegment),
    /// PUT a root, if absent; answer [`Event::Written`], [`Event::Exists`] or [`Event::Unknown`].
    PutRoot {
        /// The new revision.
        manifest: Arc<Manifest>,
        /// Its file.
        file: Bytes,
    },
    /// Wait a while: longer, and differently long for everybody, the more tries there were. Answer [`Event::Waited`].
    Wait(u32),
    /// Nothing any more.
    Done(Outcome),
}

/// What came of an action.
#[derive(Debug, Clone)]
pub enum Event {
    /// The newest root by a LIST that began after the action; `None` if there is none.
    Newest(Option<ManifestRevision>),
    /// What the root says.
    Loaded(Arc<Manifest>),
    /// The object is not there.
    Absent,
    /// The block is there.
    Headed {
        /// When it was put.
        put: BucketTime,
        /// The bucket's present, as far as it is known: never later than it is.
        now: BucketTime,
    },
    /// The object was written.
    Written,
    /// A root of this revision was there already.
    Exists,
    /// The object was or will be written, or not: no reply, or one that leaves it open.
    Unknown,
    /// A request that changes nothing failed.
    Failed,
    /// The time is over.
    Waited,
}

/// How a commit ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The edit is in the newest manifest (rule 5). Owners of its cuts may forget them.
    Committed(Arc<Manifest>),
    /// The edit does not apply to the newest manifest. [`Refused::releases_cut`] tells whether its cut is settled all the same.
    Refused {
        /// Why.
        refused: Refused,
        /// The newest manifest.
        newest: Arc<Manifest>,
    },
    /// A block of the edit is missing or too old: write it again under a new name, and commit that (rule 10).
    Rewrite(Rewrite),
    /// The bucket did not answer well enough. The edit may be committed, now or later; try again with the same edit.
    Undecided,
}

/// Why a block must be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rewrite {
    /// It is not there.
    #[error("block {0} is not in the bucket")]
    Missing(BlockId),
    /// Its commit would begin too late.
    #[error("block {block} was put {age:?} ago: a commit begins within {limit:?}")]
    Late {
        /// The block.
        block: BlockId,
        /// How old it is.
        age: Duration,
        /// How old it may be.
        limit: Duration,
    },
    /// The collector gave up objects of its age.
    #[error("an object put at {put:?} may have been collected: everything until {before:?} was given up")]
    Collected {
        /// When the oldest block was put.
        put: BucketTime,
        /// What was given up.
        before: BucketTime,
    },
}

/// How often things went another way than straight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Another writer had written the revision.
    pub conflicts: u32,
    /// The outcome of writing a root was unknown.
    pub unknown: u32,
    /// A root that was written turned out not to be in the newest manifest's line.
    pub forks: u32,
    /// Requests that failed.
    pub failures: u32,
}

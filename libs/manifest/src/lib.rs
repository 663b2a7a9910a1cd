//! The catalogue of a workspace's blocks: one immutable root per revision, the newest of which says what is readable (B-1).
//!
//! A pure core, used as it is by simulations:
//!
//! * [`Manifest`]: what one revision says. [`Edit`]: a change as conditions; [`Manifest::apply`] makes the next revision (B-4).
//! * [`Committer`]: the commit protocol. [`Reader`]: keeping up. [`plan`]: what may be deleted.
//!
//! A thin shell over a bucket: [`ManifestStore`].
//!
//! Which rule of the design is kept where:
//!
//! | rule | where |
//! |---|---|
//! | 4: cut history outlives compaction | [`Manifest::is_committed`], [`Edit::Compact`], [`Edit::RaiseFloor`], [`Edit::Delete`] |
//! | 5: what a commit is | [`Committer`] answers only from a listed newest root; [`Reader`] follows only from a young base |
//! | 6: heads and blocks meet | [`Freshness::AtLeast`] |
//! | 8: lost replies | [`Committer`], by [`Nonce`] |
//! | 9: edits are conditions | [`Edit::check`], evaluated at every attempt |
//! | 10: garbage has margins | [`Margins`], [`BucketTime`], [`Manifest::collected_before`], [`plan`] |
//!
//! | invariant | where it is asserted |
//! |---|---|
//! | F-1: a cut is committed at most once | [`Manifest::apply`] |
//! | B-1: readable iff the newest manifest names it | [`plan`] never takes a named block |
//! | B-3: deleted only after the grace period | [`plan`], by the removal notes of the manifest |
//! | B-4: edits are evaluated against what they are applied to | [`Manifest::apply`] |
//!
//! Rule 10 goes further here than margins: before the collector deletes orphans, the manifest gives up everything that was put
//! until a date, and a commit of anything as old is refused. So a writer that is paused between its last look at a block and
//! its PUT of the root, for however long, never names a block that is gone.

#![forbid(unsafe_code)]

mod apply;
mod args;
mod collect;
mod committer;
mod cut_set;
mod edit;
mod entry;
mod format;
mod manifest;
mod reader;
mod segment;
mod spill;
mod store;
mod time;

#[cfg(test)]
mod model;
#[cfg(test)]
mod protocol_test;

pub use apply::{Applied, Attempt, Limits, NewSegment};
pub use args::MarginArgs;
pub use collect::{Listing, Plan, plan};
pub use committer::{Action, Committer, Event, Outcome, Rewrite, Tally, Writer};
pub use cut_set::{CutSet, Range};
pub use edit::{Edit, Refused};
pub use entry::{Column, Entry, MAX_COLUMNS, MAX_TEXT};
pub use format::{FORMAT, FormatError, MAX_FILE_BYTES};
pub use manifest::{Manifest, Nonce, Object, Removal};
pub use narthex_bucket::layout::SegmentId;
pub use reader::{Freshness, ReadAction, ReadEvent, Reader};
pub use segment::{Segment, SegmentRef};
pub use store::{Collected, ManifestError, ManifestSettings, ManifestStore};
pub use time::{BucketTime, Margins, MarginsError};

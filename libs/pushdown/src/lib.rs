//! What it takes to answer an aggregation where the series are, on both sides of the call.
//!
//! The engine's fragments as messages ([`fragment_message`], [`parse_fragment`]), samples out of the chunks of a series
//! ([`Samples`]), digests by which two owners are known to hold the same ([`Digests`]) although neither sends anything, and what
//! an owner does with its series ([`OwnerRun`]).

#![forbid(unsafe_code)]

mod digest;
mod message;
mod owner;
mod samples;

pub use digest::{BUCKETS, Digests, bucket_of, digest};
pub use message::{MessageError, fragment_message, parse_fragment};
pub use owner::{Outcome, OwnerRun};
pub use samples::{ChunkFault, Samples, append, tidy};

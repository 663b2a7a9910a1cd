//! The bucket that blocks and manifests live in: S3, Google Cloud Storage, Azure, a local directory, or memory.
//!
//! [`open`] makes a [`Bucket`] from [`BucketArgs`]. What it gives out is a plain [`object_store::ObjectStore`], and every
//! wrapper here implements that trait, so that code over a bucket runs over any store. Backends behave alike: writes are
//! atomic and durable once they succeed, `PutMode::Create` has exactly one winner, lists come in the order of [`layout`]'s keys and are current,
//! deleting an absent key succeeds. The `conformance` suite (feature `testing`) holds every backend to that.
//!
//! A put-if-absent whose reply was lost may be repeated and then answer `AlreadyExists` although it was the one that wrote:
//! this crate does not hide it, since only the writer can tell (rule 8 of the design).
//!
//! [`layout`] owns the names of keys.

#![forbid(unsafe_code)]

mod args;
mod bucket;
mod budget;
mod cloud;
mod coalesced;
#[cfg(feature = "testing")]
pub mod conformance;
mod directory;
mod error;
#[cfg(feature = "testing")]
pub mod faulty;
mod http_client;
pub mod layout;
mod metered;
mod metrics;
mod operation;
mod uniform;
mod url;
mod verify;

pub use args::{BucketArgs, Secret};
pub use bucket::{Bucket, open};
pub use coalesced::{Coalesced, plan_reads};
pub use error::{BucketError, VerifyError, explain};
pub use metered::Metered;
pub use operation::Operation;
pub use url::{BucketUrl, BucketUrlError, Remote};

//! The audit log: who did what, when, from where, and how it ended (security.md section 11).
//!
//! An [`Event`] has the shape of CloudTrail's, so that what reads trails reads these. An [`Audit`] takes events and hands them to
//! the places that are set: a file that turns over, standard output, and log files in a bucket under CloudTrail's names. Every
//! management call is recorded, allowed or refused; calls of the Prometheus-compatible API where that is turned on.
//!
//! Secrets never show: keys are named by their ids only, and members whose names say that they hold a secret are hidden
//! ([`hidden`]). Events may be out of order; each has an id of its own (AUD-9).

#![forbid(unsafe_code)]

mod audit;
mod event;
mod hide;
mod identity;
mod metrics;
mod settings;
mod sink;

pub use audit::{Audit, AuditError};
pub use event::{Event, Kind, Outcome};
pub use hide::hidden;
pub use identity::{Issuer, UserIdentity};
pub use settings::{AuditBucketSettings, AuditSettings, DataEvents, LogTarget};

//! The management API as data: which operation a request is, what its members are, and every constraint on them
//! (api-control-plane.md).
//!
//! [`route`] finds the [`Operation`] of a method and path. Pure: no I/O, no clock, no state. What a request may do here depends on
//! nothing but the request; quotas, existence and the contents of documents are for others to judge.

#![forbid(unsafe_code)]

mod arn;
mod operation;
mod route;
mod text;

pub use arn::{Arn, NotAnArn, Resource};
pub use operation::Operation;
pub use route::{Route, Unroutable, route};

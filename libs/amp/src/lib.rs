//! The management API as data: which operation a request is, what its members are, and every constraint on them
//! (api-control-plane.md).
//!
//! [`route`] finds the [`Operation`] of a method and path; [`parse`] checks every member, wherever the request carries it, and
//! answers with a typed [`Request`] or with everything that is wrong at once. The [`shape`] tables say what is checked.
//! Pure: no I/O, no clock, no state. What a request may do here depends on nothing but the request; quotas, existence and the
//! contents of documents are for others to judge.

#![forbid(unsafe_code)]

mod arn;
mod base64;
mod check;
#[cfg(any(test, feature = "test-support"))]
pub mod example;
mod invalid;
mod operation;
mod parse;
mod query;
mod request;
mod route;
mod rules;
pub mod shape;
mod shapes;
mod text;

pub use arn::{Arn, NotAnArn, Resource};
pub use base64::Blob;
pub use invalid::{Invalid, Problem, Reason};
pub use operation::Operation;
pub use parse::parse;
pub use request::*;
pub use route::{Route, Unroutable, match_path, operation, route};

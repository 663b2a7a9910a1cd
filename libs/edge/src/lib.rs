//! The public edge: who sends a request, for which workspace, and whether it may pass.
//!
//! [`Edge::wrap`] puts around a service's routes: a request id on every reply, Signature Version 4 over the received bytes
//! (WS-11, SEC-5), the account's workspaces, limits of size and load, and refusals in the shape of AWS. Handlers find an
//! [`Authenticated`] in the request's extensions and the whole body. The signature itself is checked by the pure functions
//! of [`sigv4`].

#![forbid(unsafe_code)]

mod authenticate;
mod body;
mod catch_up;
mod edge;
mod error;
mod limits;
mod metrics;
mod options;
mod path;
pub mod sigv4;
#[cfg(test)]
mod test_support;

pub use edge::{Authenticated, Edge};
pub use error::{AwsError, ValidationField, ValidationReason};
pub use options::{Auth, EdgeOptions, EdgeSettings};

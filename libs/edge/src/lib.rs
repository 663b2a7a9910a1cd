//! The public edge: who sends a request, for which workspace, and whether it may pass.
//!
//! [`Edge::wrap`] puts around a service's routes: a request id on every reply, Signature Version 4 over the received bytes
//! (WS-11, SEC-5), the policies of caller and workspace, limits of size, load and rate, the audit log, and refusals in the shape of AWS. Handlers find an
//! [`Authenticated`] in the request's extensions and the whole body. The signature itself is checked by the pure functions
//! of [`sigv4`].
//!
//! The same API may be served at private endpoints ([`PrivateEndpoints`]), whose policies stand beside the others.

#![forbid(unsafe_code)]

mod authenticate;
mod authorize;
mod body;
mod catch_up;
mod cors;
mod edge;
mod error;
mod limits;
mod metrics;
mod operation;
mod options;
mod path;
mod private;
mod query_error;
mod rate_settings;
mod rates;
mod reply;
pub mod session;
mod sessions;
pub mod sigv4;
mod source;
#[cfg(test)]
mod test_support;
mod witness;

pub use narthex_audit::{Audit, AuditError, AuditSettings};
pub use narthex_policy::Plane;

pub use authorize::{Check, Circumstances, Passage};
pub use cors::EXPOSED;
pub use edge::{Authenticated, Edge, RequestId};
pub use error::{AwsError, ValidationField, ValidationReason};
pub use options::{Auth, EdgeOptions, EdgeSettings};
pub use private::{PrivateEndpoint, PrivateEndpointError, PrivateEndpoints};
pub use query_error::{QueryError, escape};
pub use rate_settings::RateSettings;
pub use rates::{RateOptions, Sharing};
pub use source::Source;
pub use witness::AuditDetail;

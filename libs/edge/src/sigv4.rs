//! Signature Version 4 as pure functions: header or query in, verdict out. No clock, no I/O.
//!
//! The canonical request is rebuilt from exactly the headers that the client signed, with the SHA-256 of the bytes that
//! were received. Clients differ in how they normalise path and query before signing (botocore merges slashes, others do
//! not; vmagent signs the decoded query; curl signs the query as sent), so a few canonical forms of the *same* request are
//! tried. No form may be shared by two requests that mean different things: that is the danger of this module.
//! Rules: api-control-plane.md section 2.2, and the AWS documentation of SigV4 for services other than S3.

mod authorization;
mod canonical;
mod date;
mod key;
mod presigned;
mod verify;

pub use authorization::{Authorization, AuthorizationError, parse_authorization};
pub(crate) use canonical::normalize_path;
pub use canonical::{canonical_queries, canonical_uris};
pub use date::{parse_amz_date, parse_http_date};
pub use key::{SigningKey, SigningKeys};
pub use verify::{Claim, Mismatch, PayloadHash, SignedRequest, check_claim, verify};

/// The service that requests are signed for.
pub const SERVICE: &str = "aps";

/// Service name of the security token service.
pub const STS: &str = "sts";

#[cfg(test)]
mod parse_test;
#[cfg(test)]
mod presigned_test;
#[cfg(test)]
mod tests;

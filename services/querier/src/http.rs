//! The Prometheus HTTP API under `/workspaces/{id}/api/v1/`.
//!
//! Handlers know storage only through [`crate::Reads`] and authentication not at all: the edge layer in front of them has
//! settled who asks and that the workspace exists.

mod api;
mod call;
mod error;
mod explain;
mod gate;
mod json;
mod labels;
mod limits;
mod metadata;
mod names;
mod params;
mod query;
mod range;
mod router;
mod selectors;
mod sending;
mod series;
mod status;
mod time;
mod turns;

#[cfg(test)]
mod http_test;
#[cfg(test)]
mod params_test;

pub(crate) use api::Api;
pub(crate) use error::{ApiError, ErrorKind};
pub(crate) use router::router;

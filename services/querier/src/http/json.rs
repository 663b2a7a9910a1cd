//! Prometheus's JSON, written straight into byte buffers: no document is built, and a large answer is produced piece by
//! piece while the client reads it.
//!
//! Members appear in Prometheus's order. Numbers follow its rules: times are seconds with up to three decimals, values
//! are strings in Go's shortest notation.

mod explanation;
mod number;
mod query;
mod syntax;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use explanation::explanation;
pub(crate) use number::{write_seconds, write_value};
pub(crate) use query::{QueryBody, Statistics};
pub(crate) use syntax::syntax_tree;
pub(crate) use text::{write_labels, write_string, write_strings};

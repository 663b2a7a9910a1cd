//! A load generator for remote write, and comparisons of Narthex with its peers in one run on one machine: of what receiving
//! costs, of what samples take on disk ([`size`]), and of what dashboards' queries cost ([`queries`]).
//!
//! The generator shares the machine with the servers that it measures, so all of its work that can be done ahead is
//! done ahead: bodies are encoded, compressed and hashed before the clock starts. What counts is the CPU time of the
//! server processes for samples that they acknowledged.

#![forbid(unsafe_code)]

pub mod compare;
mod plan;
mod procfs;
mod quantiles;
pub mod queries;
mod report;
mod send;
mod series;
pub mod size;

pub use plan::{Plan, Prepared, Request, prepare};
pub use procfs::{ThreadTimes, Usage, own_cpu_seconds, usage};
pub use quantiles::Quantiles;
pub use report::Report;
pub use send::{Load, run};

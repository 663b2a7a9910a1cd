//! The query API beside a real Prometheus that holds the same samples: statistics, formatted and parsed queries, and the words of
//! refusals are the same. Limits and thresholds, which Prometheus does not have, are told by name.

mod limits;
mod stats;
mod texts;
mod world;

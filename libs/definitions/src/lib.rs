//! What users upload as YAML: rule files, alert manager definitions and scrape configurations.
//!
//! Each is parsed into types that the ruler, the alert manager and the scraper work with, and refused with every problem at once:
//! line and column in the uploaded file, the path to the part, and what is wrong with it. Whatever passes here can be loaded.
//! Nothing here does I/O or reads a clock, and no bytes make it panic.

#![forbid(unsafe_code)]

pub mod alertmanager;
mod blob;
mod cursor;
mod names;
mod problem;
pub mod rules;
pub mod scrape;
pub mod template;
mod yaml;

pub use blob::{MAX_BYTES, document};
pub use problem::{Invalid, Position, Problem};

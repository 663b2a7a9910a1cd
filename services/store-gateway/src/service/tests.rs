//! The service over blocks: against a plain filter, and with blocks and buckets that fail.

mod faults;
mod limits;
mod property;
mod start;

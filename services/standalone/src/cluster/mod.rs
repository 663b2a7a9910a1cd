//! A three-zone cluster of real processes on loopback, to try out and to test.

mod init;
mod layout;
mod start;

pub(crate) use init::init;
pub(crate) use start::start;

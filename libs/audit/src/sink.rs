//! Places that records are written to.

mod bucket;
mod log;
#[cfg(test)]
pub(crate) mod test_clock;

use std::{fmt, future::Future, pin::Pin, time::Duration};

pub(crate) use bucket::{BucketSink, Trail};
pub(crate) use log::LogFile;

use crate::audit::Record;

/// How many records were written, and how many lost, by one call.
pub(crate) type Counts = (usize, usize);

/// A future that a place returns.
pub(crate) type Writing<'a> = Pin<Box<dyn Future<Output = Counts> + Send + 'a>>;

/// Somewhere that records go, written by one worker.
pub(crate) trait Place: fmt::Debug + Send {
    /// Its name in metrics.
    fn name(&self) -> &'static str;

    /// Takes records; it may keep some until the next flush.
    fn write(&mut self, records: Vec<Record>) -> Writing<'_>;

    /// In how long it wants to be flushed, if it keeps anything. `now` is a monotonic time.
    fn next_flush(&self, now: Duration) -> Option<Duration>;

    /// Writes what is due, or everything at the end.
    fn flush(&mut self, end: bool) -> Writing<'_>;
}

//! What a head tells of its changes while it makes them: enough to make the same changes again.

use narthex_model::MetricType;

/// Receives every change in order. The WAL writer is one; `()` ignores all.
pub trait Log {
    /// A new series, with its canonical labels. Ids count up from 0 without gaps.
    fn series(&mut self, id: u32, hash: u64, labels: &[u8]);
    /// A stored float.
    fn float(&mut self, id: u32, timestamp: i64, bits: u64);
    /// A stored histogram in its byte form.
    fn histogram(&mut self, id: u32, timestamp: i64, bytes: &[u8]);
    /// A stored metadata entry.
    fn metadata(&mut self, metric: &str, kind: MetricType, help: &str, unit: &str);
}

impl Log for () {
    fn series(&mut self, _: u32, _: u64, _: &[u8]) {}
    fn float(&mut self, _: u32, _: i64, _: u64) {}
    fn histogram(&mut self, _: u32, _: i64, _: &[u8]) {}
    fn metadata(&mut self, _: &str, _: MetricType, _: &str, _: &str) {}
}

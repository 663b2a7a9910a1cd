//! How a made-up metric goes.

use super::START;

/// One of some curves; the same metric, entity and seed give the same one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Curve {
    kind: Kind,
    hash: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Timestamp,
}

/// A number from a seed, a name and an entity.
pub(crate) fn hash(seed: u64, name: &str, entity: usize) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = name.bytes().chain([entity as u8]).fold(seed ^ 0xcbf2_9ce4_8422_2325, fold);
    (hash ^ hash >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

impl Curve {
    /// The curve of a metric and an entity.
    pub(crate) fn of(seed: u64, name: &str, counter: bool, entity: usize) -> Self {
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        let kind = if ends(&["_timestamp_seconds", "_time_seconds", "_time", "_created"]) {
            Kind::Timestamp
        } else if counter || ends(&["_total", "_count", "_sum", "_bucket"]) {
            Kind::Counter
        } else {
            Kind::Gauge
        };
        Self { kind, hash: hash(seed, name, entity) }
    }

    /// The value at a time in milliseconds.
    pub(crate) fn value(self, at: i64) -> f64 {
        let seconds = (at - START) as f64 / 1000.0;
        match self.kind {
            Kind::Counter => self.counter(seconds),
            Kind::Gauge => self.gauge(seconds),
            Kind::Timestamp => self.timestamp(at, seconds),
        }
    }

    fn scale(self) -> f64 {
        (self.hash / 16 % 97) as f64 + 1.0
    }

    fn wave(self, seconds: f64) -> f64 {
        ((seconds / (300.0 + self.scale() * 20.0)) + self.scale()).sin()
    }

    fn counter(self, seconds: f64) -> f64 {
        let scale = self.scale();
        match self.hash % 8 {
            0 => scale.floor(),
            1 => (seconds * scale / 1000.0).floor(),
            2 | 3 => (seconds * scale / 10.0 + 20.0 * self.wave(seconds)).max(0.0).floor(),
            // Restarts every 1,900 seconds.
            4 => (seconds % 1900.0 * scale / 7.0).floor(),
            5 => seconds * 0.9 + scale,
            6 => (seconds * scale * 1000.0).floor(),
            _ => (seconds * scale).floor(),
        }
    }

    fn gauge(self, seconds: f64) -> f64 {
        let scale = self.scale();
        match self.hash % 12 {
            0 | 1 => 0.0,
            2 | 3 => 1.0,
            4 => 0.5 + 0.49 * self.wave(seconds),
            5 => 0.02 + 0.019 * self.wave(seconds),
            6 => (scale * 10.0 + 10.0 * self.wave(seconds)).floor(),
            7 => 1e9 * (scale + self.wave(seconds)).floor(),
            // Runs empty within hours.
            8 => (1e6 - seconds * scale).max(0.0),
            9 => f64::from(u8::from(self.wave(seconds * 7.0) > 0.0)),
            10 => (seconds * scale / 100.0).floor(),
            _ => scale.floor(),
        }
    }

    /// Seconds since the epoch: always the same, or never long ago, or some time ahead.
    fn timestamp(self, at: i64, seconds: f64) -> f64 {
        let start = (START / 1000) as f64;
        match self.hash % 4 {
            0 => start - self.scale() * 10_000.0,
            1 => (at / 1000) as f64 - self.scale(),
            2 => start + (seconds / 600.0).floor() * 600.0,
            _ => start + self.scale() * 20_000.0,
        }
    }
}

//! How fast a bucket fills, and how much it holds.

/// A speed and a size. Both are finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    /// `None` unless both numbers are finite and above zero.
    pub fn new(per_second: f64, burst: f64) -> Option<Self> {
        let sound = |number: f64| number.is_finite() && number > 0.0;
        (sound(per_second) && sound(burst)).then_some(Self { per_second, burst })
    }

    /// Tokens that come back in a second.
    pub const fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Tokens that a full bucket holds.
    pub const fn burst(&self) -> f64 {
        self.burst
    }

    /// The share of one of `count` that keep this rate together. The burst stays whole: traffic is spread unevenly within a
    /// second, and what may be done at once should not depend on how many do it (Mimir's global strategy does the same).
    #[must_use]
    pub fn shared_by(self, count: usize) -> Self {
        Self { per_second: self.per_second / count.max(1) as f64, burst: self.burst }
    }
}

//! Samples, the stale marker, and the one order that settles competing values.

use std::{cmp::Ordering, sync::Arc};

use crate::{Histogram, TimestampMs};

/// The bits of the NaN with which Prometheus marks the end of a series.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The stale marker as a float.
pub const fn stale_marker() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a float is the stale marker, by its bits.
pub const fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// What a series has at one timestamp. Equality is by bits (W-5).
#[derive(Debug, Clone)]
pub enum Value {
    /// A float, the stale marker included.
    Float(f64),
    /// A native histogram, shared because it is large.
    Histogram(Arc<Histogram>),
}

impl Value {
    /// Whether this is a stale marker, as a float or as the sum of a histogram.
    pub fn is_stale(&self) -> bool {
        match self {
            Self::Float(value) => is_stale(*value),
            Self::Histogram(histogram) => is_stale(histogram.sum),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// One value of one series at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub timestamp: TimestampMs,
    /// What.
    pub value: Value,
}

/// The total order of values that compete for one (series, timestamp); the greatest wins, in head replay, merge, flush and
/// compaction alike. A histogram beats a float (it carries more), a value beats a stale marker (it was measured), then the
/// greater wins: floats by IEEE 754 total order, histograms by their encoded bytes. Arbitrary from there on, but the same everywhere.
pub fn resolve(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| (!value.is_stale(), matches!(value, Value::Histogram(_)));
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Histogram(a), Value::Histogram(b)) => a.to_bytes().cmp(&b.to_bytes()),
        (Value::Float(_), Value::Histogram(_)) => Ordering::Less,
        (Value::Histogram(_), Value::Float(_)) => Ordering::Greater,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
            Just(Value::Float(stale_marker())),
            any::<f64>()
                .prop_map(|sum| Value::Histogram(Arc::new(Histogram { sum, ..Histogram::default() }))),
        ]
    }

    proptest! {
        #[test]
        fn resolve_is_a_total_order(a in value(), b in value(), c in value()) {
            prop_assert_eq!(resolve(&a, &b), resolve(&b, &a).reverse());
            prop_assert_eq!(resolve(&a, &b) == Ordering::Equal, a == b);
            if resolve(&a, &b).is_le() && resolve(&b, &c).is_le() {
                prop_assert!(resolve(&a, &c).is_le());
            }
        }
    }

    #[test]
    fn a_measured_value_beats_a_stale_marker() {
        assert_eq!(resolve(&Value::Float(-1.0), &Value::Float(stale_marker())), Ordering::Greater);
    }
}

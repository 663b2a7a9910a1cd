//! A number that is stored as text, because JSON numbers may come back another one in the last place, and then two nodes
//! would hold different states (C-1).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact(pub f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_comes_back_bit_for_bit(number in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            let stored = serde_json::to_vec(&Exact(number)).expect("text");
            let Exact(read) = serde_json::from_slice(&stored).expect("ours");
            prop_assert_eq!(read.to_bits(), number.to_bits());
        }
    }
}

//! The set hash of a series' samples in a window: 128 bits that do not depend on the order of the samples.
//!
//! Owners compare it to find out where they differ (seal). It is the wrapping sum of a 128-bit hash of each
//! sample, so equal sets have equal hashes and a sample can be added at any time. It is computed from the chunks when asked:
//! kept on append it would cost every series 20 bytes and every sample a hash, for windows that are mostly never compared.

use xxhash_rust::xxh3::xxh3_128;

/// An order-independent hash of a set of samples, and their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetHash {
    /// The sum of the samples' hashes.
    pub hash: u128,
    /// Number of samples.
    pub samples: u32,
}

impl SetHash {
    /// Adds a float sample.
    pub fn add_float(&mut self, timestamp: i64, value: f64) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&timestamp.to_le_bytes());
        bytes[8..].copy_from_slice(&value.to_bits().to_le_bytes());
        self.add(xxh3_128(&bytes));
    }

    /// Adds a histogram sample in its byte form.
    pub fn add_histogram(&mut self, timestamp: i64, histogram: &[u8]) {
        let mut bytes = Vec::with_capacity(histogram.len() + 9);
        bytes.extend_from_slice(&timestamp.to_le_bytes());
        bytes.push(b'h');
        bytes.extend_from_slice(histogram);
        self.add(xxh3_128(&bytes));
    }

    fn add(&mut self, hash: u128) {
        self.hash = self.hash.wrapping_add(hash);
        self.samples += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_content_does() {
        let hash = |samples: &[(i64, f64)]| {
            let mut set = SetHash::default();
            samples.iter().for_each(|(at, value)| set.add_float(*at, *value));
            set
        };
        assert_eq!(hash(&[(1, 1.0), (2, 2.0)]), hash(&[(2, 2.0), (1, 1.0)]));
        assert_ne!(hash(&[(1, 0.0)]), hash(&[(1, -0.0)]));
        assert_ne!(hash(&[(1, 1.0), (2, 2.0)]), hash(&[(1, 2.0), (2, 1.0)]));
    }
}

//! Digests of what an owner holds of a selection: a set hash for each bucket of series.
//!
//! A bucket is made of the series with the same lowest bits of their hash. Its digest is a sum of hashes of all their samples, so
//! it does not depend on order, chunks or encodings. Two owners with equal digests hold the same samples, but for a chance of
//! 2^-64 a bucket: nobody gains by finding a collision but who wrote the samples. Buckets keep the digests of 100,000
//! series at 50 kB, and let what differs, as samples do that are on their way, be read without the rest.

use std::collections::BTreeMap;

use narthex_model::SeriesHash;
use narthex_promql::SeriesData;
use narthex_rpc::v1;
use xxhash_rust::xxh3::xxh3_64;

/// How many buckets there are.
pub const BUCKETS: u32 = 4096;

/// The bucket of a series.
pub fn bucket_of(hash: SeriesHash) -> u32 {
    (hash.0 % u64::from(BUCKETS)) as u32
}

/// Both halves of a product, which depend on every bit of its factors.
fn mix(a: u64, b: u64) -> u64 {
    let product =
        u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b.rotate_left(32) ^ 0xD1B5_4A32_D192_ED03);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The digest of a series' samples; of all of a bucket's series together by wrapping addition.
pub fn digest(hash: SeriesHash, data: &SeriesData) -> u64 {
    let mut sum = 0u64;
    for (at, value) in data.timestamps.iter().zip(&data.values) {
        sum = sum.wrapping_add(mix(at.cast_unsigned(), value.to_bits()));
    }
    for (at, histogram) in &data.histograms {
        sum = sum.wrapping_add(mix(!at.cast_unsigned(), xxh3_64(histogram.as_bytes())));
    }
    // A series without samples in the range is not there.
    if data.timestamps.is_empty() && data.histograms.is_empty() { 0 } else { mix(hash.0, sum) }
}

/// Digests by bucket; buckets without samples are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digests(BTreeMap<u32, u64>);

impl Digests {
    /// Adds a series' digest to its bucket.
    pub fn add(&mut self, bucket: u32, digest: u64) {
        if digest != 0 {
            let sum = self.0.entry(bucket).or_default();
            *sum = sum.wrapping_add(digest);
        }
    }

    /// Adds the digests of other series.
    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(bucket, digest)| self.add(bucket, digest));
    }

    /// The digest of a bucket.
    pub fn get(&self, bucket: u32) -> Option<u64> {
        self.0.get(&bucket).copied()
    }

    /// The buckets, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }

    /// What both say alike, and the buckets of which they say different things.
    pub fn compare(&self, other: &Self) -> (Self, Vec<u32>) {
        let (mut same, mut differing) = (BTreeMap::new(), Vec::new());
        for (bucket, digest) in &self.0 {
            if other.0.get(bucket) == Some(digest) {
                same.insert(*bucket, *digest);
            } else {
                differing.push(*bucket);
            }
        }
        differing.extend(other.0.keys().filter(|bucket| !self.0.contains_key(bucket)));
        differing.sort_unstable();
        (Self(same), differing)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&Digests> for v1::Digests {
    fn from(digests: &Digests) -> Self {
        Self { buckets: digests.0.keys().copied().collect(), hashes: digests.0.values().copied().collect() }
    }
}

impl From<v1::Digests> for Digests {
    /// Buckets without a hash are left out.
    fn from(message: v1::Digests) -> Self {
        Self(message.buckets.into_iter().zip(message.hashes).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(samples: &[(i64, f64)]) -> SeriesData {
        let (timestamps, values) = samples.iter().copied().unzip();
        SeriesData { timestamps, values, ..SeriesData::default() }
    }

    fn of(series: &[(u64, Vec<(i64, f64)>)]) -> Digests {
        let mut digests = Digests::default();
        for (hash, samples) in series {
            let hash = SeriesHash(*hash);
            digests.add(bucket_of(hash), digest(hash, &self::series(samples)));
        }
        digests
    }

    #[test]
    fn what_differs_is_named_by_its_bucket() {
        let a = of(&[(1, vec![(10, 1.0)]), (2, vec![(10, 1.0)]), (3, vec![(10, 5.0)]), (5, vec![])]);
        let b = of(&[(1, vec![(10, 1.0)]), (2, vec![(10, 2.0)]), (4, vec![(10, 5.0)])]);
        let (same, differing) = a.compare(&b);
        assert_eq!(same, of(&[(1, vec![(10, 1.0)])]));
        assert_eq!(differing, [2, 3, 4]);
    }

    proptest! {
        #[test]
        fn only_equal_sets_have_equal_digests(
            samples in proptest::collection::btree_map(0i64..50, -3i8..3, 1..12),
            other in proptest::collection::btree_map(0i64..50, -3i8..3, 1..12),
        ) {
            let list = |map: &BTreeMap<i64, i8>| map.iter().map(|(at, value)| (*at, f64::from(*value))).collect();
            let (a, b): (Vec<_>, Vec<_>) = (list(&samples), list(&other));
            prop_assert_eq!(of(&[(7, a.clone())]) == of(&[(7, b.clone())]), a == b);
            // The same samples of another series of the bucket are something else.
            prop_assert_ne!(of(&[(7, a.clone())]), of(&[(7 + u64::from(BUCKETS), a)]));
        }
    }
}

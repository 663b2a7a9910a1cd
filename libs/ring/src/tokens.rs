//! Where a partition's tokens lie on the 64-bit circle.
//!
//! Tokens depend on the partition's number alone, so every process computes the same ring and nothing is stored. A token
//! owns the hashes up to and including it, from its predecessor on. Hashed tokens spread as evenly as their number
//! allows: with 1,024 of them no partition of up to 64 is more than a tenth off its fair share, and a partition that is
//! added takes from all others alike. (Low-discrepancy sequences were measured and are worse for the counts between.)

use narthex_model::PartitionId;
use xxhash_rust::xxh3::xxh3_64;

/// Tokens of one partition.
const TOKENS: u32 = 1024;

/// The partition's tokens, in no order.
pub(crate) fn tokens(partition: PartitionId) -> impl Iterator<Item = u64> {
    (0..TOKENS).map(move |number| {
        let mut key = [0; 8];
        key[..4].copy_from_slice(&partition.0.to_le_bytes());
        key[4..].copy_from_slice(&number.to_le_bytes());
        xxh3_64(&key)
    })
}

//! Cuts and blocks: what ingesters hand over to object storage, and under which names.

use std::{fmt, str::FromStr};

use ulid::Ulid;

use crate::{Epoch, PartitionId, Window};

/// Samples that become one block together: those of one partition in one window, sealed under one epoch of the partition. The
/// workspace is said beside it. A cut is committed at most once (F-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cut {
    /// Whose samples.
    pub partition: PartitionId,
    /// The epoch under which the owners sealed it. What arrives for the window in a later epoch is another cut.
    pub epoch: Epoch,
    /// Which time.
    pub window: Window,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "window {} of partition {} in epoch {}", self.window.0, self.partition, self.epoch)
    }
}

/// Name of a block: a ULID, so that names sort by the time of writing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(u128);

/// A text that names no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid block id {0:?}: expected a ULID of 26 characters")]
pub struct BlockIdError(String);

impl BlockId {
    /// A name from a time in milliseconds since the epoch (48 bits are kept) and random bits (80 are used).
    pub const fn new(millis: u64, random: u128) -> Self {
        Self(Ulid::from_parts(millis, random).0)
    }

    /// When the name was made, in milliseconds since the epoch by its maker's clock; never trusted for a decision.
    pub const fn millis(self) -> u64 {
        Ulid(self.0).timestamp_ms()
    }

    /// The 128 bits.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The name with exactly these bits.
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Ulid(self.0), f)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlockId {
    type Err = BlockIdError;

    fn from_str(text: &str) -> Result<Self, BlockIdError> {
        let fail = || BlockIdError(text.chars().take(40).collect());
        let id = Self(Ulid::from_string(text).map_err(|_| fail())?.0);
        // One name per block: other spellings of the same bits are not names.
        if id.to_string() == text { Ok(id) } else { Err(fail()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_ids_read_back_and_sort_by_time() {
        let (early, late) = (BlockId::new(1_000, u128::MAX), BlockId::new(1_001, 0));
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!((early.millis(), BlockId::from_u128(early.as_u128())), (1_000, early));
        for text in
            ["", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01arz3ndektsv4rrffq69g5fav", "81ARZ3NDEKTSV4RRFFQ69G5FAV"]
        {
            assert!(text.parse::<BlockId>().is_err(), "{text}");
        }
    }
}

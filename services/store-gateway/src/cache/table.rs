//! The table of a cache directory: one record for each slot, in the order of slots, behind a header.
//!
//! ```text
//! header  magic (8)  version (4)  page size (4)  zeros (16)
//! record  name of the page (16)  checksum of its bytes (8)  length (4)  CRC32C of the record so far (4)
//! ```
//!
//! Numbers are little-endian. A record that does not agree with its CRC is an empty slot.

use super::{PAGE, PageKey};

pub(super) const HEADER_BYTES: usize = 32;
pub(super) const RECORD_BYTES: usize = 32;

const MAGIC: &[u8; 8] = b"NXPAGES\0";
const VERSION: u32 = 1;

/// The header of a table that this release writes. Another one, or none, means that the cache begins empty.
pub(super) fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&(PAGE as u32).to_le_bytes());
    header
}

/// The record of a page.
pub(super) fn record(key: PageKey, length: u32, checksum: u64) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[..16].copy_from_slice(&key.0.to_le_bytes());
    record[16..24].copy_from_slice(&checksum.to_le_bytes());
    record[24..28].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c::crc32c(&record[..28]);
    record[28..].copy_from_slice(&crc.to_le_bytes());
    record
}

/// The page that a record tells of; `None` for an empty slot.
pub(super) fn parse(record: &[u8; RECORD_BYTES]) -> Option<(PageKey, u32, u64)> {
    let (key, rest) = record.split_first_chunk::<16>()?;
    let (checksum, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (crc, _) = rest.split_first_chunk::<4>()?;
    if crc32c::crc32c(&record[..28]) != u32::from_le_bytes(*crc) {
        return None;
    }
    let length = u32::from_le_bytes(*length);
    let sound = length > 0 && u64::from(length) <= PAGE;
    sound.then(|| (PageKey(u128::from_le_bytes(*key)), length, u64::from_le_bytes(*checksum)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_read_back_and_one_flipped_bit_is_noticed(key: u128, length in 1..=PAGE as u32, checksum: u64, bit in 0usize..256) {
            let mut bytes = record(PageKey(key), length, checksum);
            prop_assert_eq!(parse(&bytes), Some((PageKey(key), length, checksum)));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(parse(&bytes), None);
        }
    }

    #[test]
    fn zeros_are_an_empty_slot() {
        assert_eq!(parse(&[0; RECORD_BYTES]), None);
        assert_eq!(parse(&record(PageKey(1), 0, 0)), None);
        assert_eq!(parse(&record(PageKey(1), PAGE as u32 + 1, 0)), None);
    }
}

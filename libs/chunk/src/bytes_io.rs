//! LEB128, zig-zag and short little-endian integers over slices: what all codecs of this crate are made of.
//!
//! Reading goes through [`Cursor`], whose methods return `None` at the end of the input and never look beyond it.

/// Largest size of a LEB128 number of 64 bits.
pub(crate) const MAX_VARINT_BYTES: usize = 10;

/// Maps small magnitudes of either sign to small numbers.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Writes LEB128 at the start of `out`, which must have room for [`MAX_VARINT_BYTES`]; returns the length.
pub(crate) fn put_varint(out: &mut [u8], mut value: u64) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        out[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

/// Appends LEB128.
pub(crate) fn push_varint(out: &mut Vec<u8>, value: u64) {
    let mut buffer = [0; MAX_VARINT_BYTES];
    let length = put_varint(&mut buffer, value);
    out.extend_from_slice(&buffer[..length]);
}

/// Bytes that are left after the leading zero bytes of a number.
pub(crate) const fn significant_bytes(value: u64) -> usize {
    8 - (value.leading_zeros() / 8) as usize
}

/// A reading position in bytes from outside.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// An unsigned number in `length` little-endian bytes, at most 8.
    pub(crate) fn short(&mut self, length: usize) -> Option<u64> {
        if length > 8 {
            return None;
        }
        if let Some(eight) = self.0.first_chunk::<8>() {
            self.0 = &self.0[length..];
            let mask = if length == 0 { 0 } else { u64::MAX >> (64 - 8 * length) };
            return Some(u64::from_le_bytes(*eight) & mask);
        }
        let mut buffer = [0; 8];
        buffer[..length].copy_from_slice(self.take(length)?);
        Some(u64::from_le_bytes(buffer))
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(value: u64, signed: i64, length in 0usize..=8) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            push_varint(&mut bytes, zigzag(signed));
            let short = if length == 0 { 0 } else { value >> (64 - 8 * length) };
            bytes.extend_from_slice(&short.to_le_bytes()[..length]);
            let mut cursor = Cursor(&bytes);
            prop_assert_eq!(cursor.varint(), Some(value));
            prop_assert_eq!(cursor.varint().map(unzigzag), Some(signed));
            prop_assert_eq!(cursor.short(length), Some(short));
            prop_assert!(cursor.is_empty());
            prop_assert!(significant_bytes(short) <= length);
        }
    }
}

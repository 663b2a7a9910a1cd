//! A cursor over protobuf bytes. It borrows from the buffer and allocates nothing; errors name the place in the whole buffer.

use crate::{DecodeError, WireError};

pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const FIXED32: u8 = 5;

/// Reads fields from front to back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Address of the whole buffer, from which errors tell their place.
    base: usize,
}

/// Number and wire type of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) field: u32,
    pub(crate) wire: u8,
}

impl<'a> Reader<'a> {
    /// Reads a whole buffer.
    pub(crate) fn new(buffer: &'a [u8]) -> Self {
        Self { rest: buffer, base: buffer.as_ptr() as usize }
    }

    /// Reads a message nested in this one's buffer.
    pub(crate) fn nested(&self, message: &'a [u8]) -> Self {
        Self { rest: message, base: self.base }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[cold]
    pub(crate) fn error(&self, what: WireError) -> DecodeError {
        DecodeError::Wire { at: (self.rest.as_ptr() as usize).wrapping_sub(self.base), what }
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7F);
            if at == 9 && bits > 1 {
                return Err(self.error(WireError::VarintOverflow));
            }
            value |= bits << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        let overflows = self.rest.len() >= 10;
        Err(self.error(if overflows { WireError::VarintOverflow } else { WireError::Truncated }))
    }

    #[inline]
    pub(crate) fn tag(&mut self) -> Result<Tag, DecodeError> {
        let key = self.varint()?;
        let (field, wire) = (key >> 3, (key & 7) as u8);
        if field == 0 || field >= 1 << 29 {
            return Err(self.error(WireError::FieldNumber(field)));
        }
        Ok(Tag { field: field as u32, wire })
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.varint()?;
        if length > self.rest.len() as u64 {
            return Err(self.error(WireError::LengthBeyondEnd { length, left: self.rest.len() }));
        }
        let (taken, rest) = self.rest.split_at(length as usize);
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn fixed64(&mut self) -> Result<u64, DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.error(WireError::Truncated))?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*taken))
    }

    /// Passes over the value of a field that is not known.
    pub(crate) fn skip(&mut self, wire: u8) -> Result<(), DecodeError> {
        match wire {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            BYTES => self.bytes().map(drop),
            FIXED32 => {
                let (_, rest) =
                    self.rest.split_first_chunk::<4>().ok_or_else(|| self.error(WireError::Truncated))?;
                self.rest = rest;
                Ok(())
            }
            other => Err(self.error(WireError::WireType(other))),
        }
    }

    /// Fails unless a known field has the schema's wire type.
    #[inline]
    pub(crate) fn expect(&self, message: &'static str, tag: Tag, wire: u8) -> Result<(), DecodeError> {
        if tag.wire == wire {
            return Ok(());
        }
        Err(self.error(WireError::FieldType { message, field: tag.field, found: tag.wire }))
    }
}

/// Undoes the zig-zag encoding of signed numbers.
pub(crate) fn zigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -((raw & 1).cast_signed())
}

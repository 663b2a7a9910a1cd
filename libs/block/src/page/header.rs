//! Page headers: the few Thrift compact structures that a page begins with.

use crate::error::Damage;

/// What a page is, and what its header says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    Data { values: i32, encoding: i32 },
    DataV2 { values: i32, encoding: i32, rep_bytes: usize, def_bytes: usize, compressed: bool },
    Dictionary { values: i32, encoding: i32 },
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: PageKind,
    pub(super) compressed: usize,
    pub(super) uncompressed: usize,
    /// CRC-32 of the body as stored; the standard leaves it to the writer.
    pub(super) checksum: Option<u32>,
}

/// Nesting of unknown structures that is skipped.
const MAX_DEPTH: u32 = 16;

impl Header {
    /// Reads the header that `page` begins with, and tells its length.
    pub(super) fn parse(page: &[u8]) -> Result<(Self, usize), Damage> {
        let mut input = Input(page);
        let header = input.header().ok_or_else(|| Damage::new("a page header is malformed"))?;
        Ok((header, page.len() - input.0.len()))
    }
}

struct Input<'a>(&'a [u8]);

/// The number and type of a field; a boolean's value is its type.
type Field = (i16, u8);

/// Numbers of the types in the compact protocol.
mod wire {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
}

impl Input<'_> {
    fn header(&mut self) -> Option<Header> {
        let (mut kind, mut compressed, mut uncompressed, mut checksum) = (PageKind::Other, None, None, None);
        let mut last = 0;
        while let Some((id, wire)) = self.field(&mut last)? {
            match (id, wire) {
                (2, wire::I32) => uncompressed = usize::try_from(self.int()?).ok(),
                (3, wire::I32) => compressed = usize::try_from(self.int()?).ok(),
                (4, wire::I32) => checksum = Some(self.int()?.cast_unsigned()),
                (5, wire::STRUCT) => {
                    let ints = self.ints()?;
                    kind = PageKind::Data { values: ints[1]?, encoding: ints[2]? };
                }
                (7, wire::STRUCT) => {
                    let ints = self.ints()?;
                    kind = PageKind::Dictionary { values: ints[1]?, encoding: ints[2]? };
                }
                (8, wire::STRUCT) => {
                    let ints = self.ints()?;
                    kind = PageKind::DataV2 {
                        values: ints[1]?,
                        encoding: ints[4]?,
                        def_bytes: usize::try_from(ints[5]?).ok()?,
                        rep_bytes: usize::try_from(ints[6]?).ok()?,
                        compressed: ints[7] != Some(0),
                    };
                }
                (_, wire) => self.skip(wire, 0)?,
            }
        }
        Some(Header { kind, compressed: compressed?, uncompressed: uncompressed?, checksum })
    }

    /// The integers and booleans of a structure by field number, below 8; the rest is skipped.
    fn ints(&mut self) -> Option<[Option<i32>; 8]> {
        let mut found = [None; 8];
        let mut last = 0;
        while let Some((id, wire)) = self.field(&mut last)? {
            let slot = usize::try_from(id).ok().and_then(|id| found.get_mut(id));
            match (wire, slot) {
                (wire::I32, Some(slot)) => *slot = Some(self.int()?),
                (wire::TRUE | wire::FALSE, Some(slot)) => *slot = Some(i32::from(wire == wire::TRUE)),
                (wire, _) => self.skip(wire, 0)?,
            }
        }
        Some(found)
    }

    /// The next field of a structure, `Some(None)` at its end.
    fn field(&mut self, last: &mut i16) -> Option<Option<Field>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        let delta = i16::from(byte >> 4);
        *last = if delta == 0 { self.int()?.try_into().ok()? } else { last.checked_add(delta)? };
        Some(Some((*last, byte & 0x0F)))
    }

    fn skip(&mut self, wire: u8, depth: u32) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match wire {
            wire::TRUE | wire::FALSE => Some(()),
            wire::BYTE => self.take(1),
            4..=wire::I64 => self.varint().map(drop),
            wire::DOUBLE => self.take(8),
            wire::BINARY => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length)
            }
            wire::LIST | wire::SET => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                self.skip_many(count, &[head & 0x0F], depth)
            }
            wire::MAP => {
                let count = self.varint()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                self.skip_many(count, &[kinds >> 4, kinds & 0x0F], depth)
            }
            wire::STRUCT => {
                let mut last = 0;
                while let Some((_, wire)) = self.field(&mut last)? {
                    self.skip(wire, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    fn skip_many(&mut self, count: u64, kinds: &[u8], depth: u32) -> Option<()> {
        // Each element takes at least a byte, booleans inside of collections included.
        if count > self.0.len() as u64 {
            return None;
        }
        for _ in 0..count {
            for kind in kinds {
                match *kind {
                    wire::TRUE | wire::FALSE => self.take(1)?,
                    kind => self.skip(kind, depth + 1)?,
                }
            }
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        super::delta::varint(&mut self.0)
    }

    fn int(&mut self) -> Option<i32> {
        let raw = self.varint()?;
        i32::try_from((raw >> 1) as i64 ^ -((raw & 1) as i64)).ok()
    }
}

//! The codec of float samples: append-only, byte-aligned, one control byte a sample.
//!
//! Timestamps are deltas of deltas. A value is the delta of its decimal form (see `decimal`) where it has one, otherwise the
//! exclusive-or with the bits before it without leading zero bytes. One record is
//!
//! ```text
//! control: ttvvvvvv   tt: size of the delta of delta: 0 none, 1 one byte, 2 two bytes, 3 zig-zag LEB128
//! v 0..=8             decimal delta to the sample before, zig-zag in v little-endian bytes, same exponent
//! v 16..=24           exclusive-or with the bits before, in v - 16 little-endian bytes
//! v 32..=47           exponent v - 32, then a length byte and the decimal itself, zig-zag in that many bytes
//! ```
//!
//! The first record's delta of delta is the timestamp itself. Against Gorilla's bit stream this costs a byte for a constant
//! series and wins where it matters: counters 3 to 4 bytes like there, gauges with decimal places a third, and decoding
//! shifts no bits. [`FloatState`] is all that an open chunk must remember besides its bytes.

use crate::{
    ChunkError,
    bytes_io::{Cursor, put_varint, significant_bytes, unzigzag, zigzag},
    decimal::{MAX_EXPONENT, from_decimal, to_decimal},
};

/// No record is longer: control, LEB128, length byte, eight bytes.
pub const MAX_RECORD_BYTES: usize = 24;

const XOR: u8 = 16;
const ABSOLUTE: u8 = 32;

/// Set while the sample before was decimal.
const DECIMAL: u8 = 1;
/// Set once a finite value had no decimal form: exponents are not searched again in this chunk.
const HOPELESS: u8 = 2;

/// A sample that does not continue the chunk: not newer than the last, or more than 49 days later. Start another chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sample does not continue the chunk")]
pub struct Refused;

/// What an append needs to know of the samples before: 24 bytes, no pointer. The default begins a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FloatState {
    last_timestamp: i64,
    last_bits: u64,
    delta: u32,
    samples: u16,
    exponent: u8,
    flags: u8,
}

impl FloatState {
    /// Size of [`Self::to_bytes`].
    pub const BYTES: usize = 24;

    /// Samples in the chunk.
    pub const fn samples(&self) -> u16 {
        self.samples
    }

    /// Timestamp of the last sample in milliseconds; 0 while there is none.
    pub const fn last_timestamp(&self) -> i64 {
        self.last_timestamp
    }

    /// Bits of the last value.
    pub const fn last_bits(&self) -> u64 {
        self.last_bits
    }

    /// Forgets the samples but keeps what the last one was, for [`Self::last_timestamp`] and [`Self::last_bits`].
    pub fn restart(&mut self) {
        *self = Self { last_timestamp: self.last_timestamp, last_bits: self.last_bits, ..Self::default() };
    }

    /// For snapshots: little-endian fields.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..8].copy_from_slice(&self.last_timestamp.to_le_bytes());
        out[8..16].copy_from_slice(&self.last_bits.to_le_bytes());
        out[16..20].copy_from_slice(&self.delta.to_le_bytes());
        out[20..22].copy_from_slice(&self.samples.to_le_bytes());
        out[22] = self.exponent;
        out[23] = self.flags;
        out
    }

    /// The inverse of [`Self::to_bytes`]. Any bytes give a state that appends without panic.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let (timestamp, rest) = bytes.split_first_chunk::<8>().expect("24 bytes");
        let (bits, rest) = rest.split_first_chunk::<8>().expect("16 bytes are left");
        let (delta, rest) = rest.split_first_chunk::<4>().expect("8 bytes are left");
        Self {
            last_timestamp: i64::from_le_bytes(*timestamp),
            last_bits: u64::from_le_bytes(*bits),
            delta: u32::from_le_bytes(*delta),
            samples: u16::from_le_bytes([rest[0], rest[1]]),
            exponent: rest[2].min(MAX_EXPONENT),
            flags: rest[3] & (DECIMAL | HOPELESS),
        }
    }

    /// Encodes the next sample into `out` and returns the length of its record, which the caller appends to the chunk.
    #[inline]
    pub fn append(
        &mut self,
        timestamp: i64,
        bits: u64,
        out: &mut [u8; MAX_RECORD_BYTES],
    ) -> Result<usize, Refused> {
        let (change, delta) = if self.samples == 0 {
            (timestamp, 0)
        } else {
            let gap = timestamp.checked_sub(self.last_timestamp).filter(|gap| *gap > 0).ok_or(Refused)?;
            let delta = u32::try_from(gap).map_err(|_| Refused)?;
            (gap - i64::from(self.delta), delta)
        };
        self.samples = self.samples.checked_add(1).ok_or(Refused)?;
        let (class, mut length) = put_change(change, out);
        let code = self.put_value(bits, out, &mut length);
        out[0] = class << 6 | code;
        self.delta = delta;
        self.last_timestamp = timestamp;
        self.last_bits = bits;
        Ok(length)
    }

    #[inline]
    fn put_value(&mut self, bits: u64, out: &mut [u8; MAX_RECORD_BYTES], length: &mut usize) -> u8 {
        let first = self.samples == 1;
        let was_decimal = self.flags & DECIMAL != 0;
        if bits == self.last_bits && !first {
            return if was_decimal { 0 } else { XOR };
        }
        if let Some(decimal) = to_decimal(bits, self.exponent) {
            if was_decimal {
                let before = to_decimal(self.last_bits, self.exponent).unwrap_or_default();
                let change = zigzag(decimal - before);
                return put_short(change, out, length) as u8;
            }
            return self.put_absolute(decimal, out, length);
        }
        let finite = f64::from_bits(bits).is_finite();
        if finite && self.flags & HOPELESS == 0 {
            for exponent in self.exponent + 1..=MAX_EXPONENT {
                if let Some(decimal) = to_decimal(bits, exponent) {
                    self.exponent = exponent;
                    return self.put_absolute(decimal, out, length);
                }
            }
            self.flags |= HOPELESS;
        }
        self.flags &= !DECIMAL;
        let before = if first { 0 } else { self.last_bits };
        XOR + put_short(bits ^ before, out, length) as u8
    }

    fn put_absolute(&mut self, decimal: i64, out: &mut [u8; MAX_RECORD_BYTES], length: &mut usize) -> u8 {
        self.flags |= DECIMAL;
        let size_at = *length;
        *length += 1;
        out[size_at] = put_short(zigzag(decimal), out, length) as u8;
        ABSOLUTE + self.exponent
    }
}

/// Writes the change of the time step behind the control byte; returns its class and the length so far.
#[inline]
fn put_change(change: i64, out: &mut [u8; MAX_RECORD_BYTES]) -> (u8, usize) {
    if change == 0 {
        (0, 1)
    } else if let Ok(byte) = i8::try_from(change) {
        out[1] = byte as u8;
        (1, 2)
    } else if let Ok(two) = i16::try_from(change) {
        out[1..3].copy_from_slice(&two.to_le_bytes());
        (2, 3)
    } else {
        (3, 1 + put_varint(&mut out[1..], zigzag(change)))
    }
}

#[inline]
fn put_short(value: u64, out: &mut [u8; MAX_RECORD_BYTES], length: &mut usize) -> usize {
    let size = significant_bytes(value);
    out[*length..*length + 8].copy_from_slice(&value.to_le_bytes());
    *length += size;
    size
}

/// Encodes samples that ascend strictly in time; fails where a chunk would have to end.
pub fn encode_floats(samples: impl IntoIterator<Item = (i64, f64)>) -> Result<Vec<u8>, Refused> {
    let (mut state, mut data, mut record) = (FloatState::default(), Vec::new(), [0; MAX_RECORD_BYTES]);
    for (timestamp, value) in samples {
        let length = state.append(timestamp, value.to_bits(), &mut record)?;
        data.extend_from_slice(&record[..length]);
    }
    Ok(data)
}

/// Reads a chunk of floats. After an error it ends.
#[derive(Debug, Clone)]
pub struct FloatIter<'a> {
    cursor: Cursor<'a>,
    timestamp: i64,
    delta: i64,
    bits: u64,
    decimal: i64,
    exponent: u8,
    is_decimal: bool,
    first: bool,
}

impl<'a> FloatIter<'a> {
    /// Reads from the first record on.
    pub fn new(data: &'a [u8]) -> Self {
        Self {
            cursor: Cursor(data),
            timestamp: 0,
            delta: 0,
            bits: 0,
            decimal: 0,
            exponent: 0,
            is_decimal: false,
            first: true,
        }
    }

    #[inline]
    fn record(&mut self) -> Option<(i64, f64)> {
        let control = self.cursor.byte()?;
        let change = match control >> 6 {
            0 => 0,
            1 => i64::from(self.cursor.byte()? as i8),
            2 => i64::from(self.cursor.short(2)? as u16 as i16),
            _ => unzigzag(self.cursor.varint()?),
        };
        if self.first {
            self.timestamp = change;
            self.first = false;
        } else {
            self.delta = self.delta.checked_add(change).filter(|delta| *delta > 0)?;
            self.timestamp = self.timestamp.checked_add(self.delta)?;
        }
        let code = control & 0x3F;
        match code {
            0 if self.is_decimal => {}
            1..=8 if self.is_decimal => {
                self.decimal = self.decimal.wrapping_add(unzigzag(self.cursor.short(usize::from(code))?));
                self.bits = from_decimal(self.decimal, self.exponent);
            }
            XOR..=24 => {
                self.bits ^= self.cursor.short(usize::from(code - XOR))?;
                self.is_decimal = false;
            }
            ABSOLUTE..=47 => {
                let size = usize::from(self.cursor.byte()?);
                self.decimal = unzigzag(self.cursor.short(size)?);
                self.exponent = code - ABSOLUTE;
                self.is_decimal = true;
                self.bits = from_decimal(self.decimal, self.exponent);
            }
            _ => return None,
        }
        Some((self.timestamp, f64::from_bits(self.bits)))
    }
}

impl Iterator for FloatIter<'_> {
    type Item = Result<(i64, f64), ChunkError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.cursor = Cursor(&[]);
        }
        Some(record.ok_or(ChunkError::Malformed))
    }
}

#[cfg(test)]
#[path = "float_test.rs"]
mod tests;

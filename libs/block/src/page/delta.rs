//! DELTA_BINARY_PACKED: blocks of deltas, bit-packed above the block's smallest.

use super::MAX_PAGE_VALUES;
use crate::error::Damage;

/// Reads a LEB128 number of at most 64 bits.
pub(super) fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn zigzag(input: &mut &[u8]) -> Option<i64> {
    let raw = varint(input)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Decodes exactly `count` values.
pub(super) fn decode(data: &[u8], count: usize) -> Result<Vec<i64>, Damage> {
    read(data, count).ok_or_else(|| Damage::new("packed integers are malformed"))
}

fn read(data: &[u8], count: usize) -> Option<Vec<i64>> {
    let mut input = data;
    let block = usize::try_from(varint(&mut input)?).ok()?;
    let minis = usize::try_from(varint(&mut input)?).ok()?;
    let total = usize::try_from(varint(&mut input)?).ok()?;
    let mut value = zigzag(&mut input)?;
    if total != count || count > MAX_PAGE_VALUES {
        return None;
    }
    let mut out = Vec::with_capacity(count);
    if count == 0 {
        return Some(out);
    }
    out.push(value);
    if block == 0 || minis == 0 || block > 1 << 16 || !block.is_multiple_of(minis) {
        return None;
    }
    let per_mini = block / minis;
    if !per_mini.is_multiple_of(8) {
        return None;
    }
    while out.len() < count {
        let least = zigzag(&mut input)?;
        let (widths, rest) = input.split_at_checked(minis)?;
        input = rest;
        for width in widths {
            let wanted = per_mini.min(count - out.len());
            if wanted == 0 {
                break;
            }
            if *width > 64 {
                return None;
            }
            let (packed, rest) = input.split_at_checked(usize::from(*width) * per_mini / 8)?;
            input = rest;
            value = unpack(packed, *width, least, value, wanted, &mut out)?;
        }
    }
    Some(out)
}

/// Appends `wanted` values, each the one before plus `least` plus a packed number of `width` bits; returns the last.
#[inline]
fn unpack(
    packed: &[u8],
    width: u8,
    least: i64,
    mut value: i64,
    wanted: usize,
    out: &mut Vec<i64>,
) -> Option<i64> {
    let width = usize::from(width);
    // Widths of whole bytes are what our writer uses.
    if width == 0 {
        out.extend((1..=wanted as i64).map(|at| value.wrapping_add(least.wrapping_mul(at))));
        return Some(value.wrapping_add(least.wrapping_mul(wanted as i64)));
    }
    if let (8 | 16 | 24 | 32 | 64, Some(bytes)) = (width, packed.get(..wanted * width / 8)) {
        let mut add = |delta: u64| {
            value = value.wrapping_add(least).wrapping_add(delta as i64);
            value
        };
        match width {
            8 => out.extend(bytes.iter().map(|byte| add(u64::from(*byte)))),
            16 => out.extend(bytes.as_chunks().0.iter().map(|two| add(u64::from(u16::from_le_bytes(*two))))),
            24 => out.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|[a, b, c]| add(u64::from_le_bytes([*a, *b, *c, 0, 0, 0, 0, 0]))),
            ),
            32 => {
                out.extend(bytes.as_chunks().0.iter().map(|four| add(u64::from(u32::from_le_bytes(*four)))))
            }
            _ => out.extend(bytes.as_chunks().0.iter().map(|eight| add(u64::from_le_bytes(*eight)))),
        }
        return Some(value);
    }
    if width > 56 {
        for at in 0..wanted {
            value = value.wrapping_add(least).wrapping_add(wide(packed, at * width, width)? as i64);
            out.push(value);
        }
        return Some(value);
    }
    let mask = (1u64 << width) - 1;
    // A number of up to 56 bits lies in the eight bytes from its first; near the end those are copied first.
    let safe = if packed.len() >= 8 { ((packed.len() - 8) * 8 / width + 1).min(wanted) } else { 0 };
    out.extend((0..safe).map(|at| {
        let bit = at * width;
        let bytes = packed[bit / 8..].first_chunk::<8>().copied().unwrap_or_default();
        let delta = (u64::from_le_bytes(bytes) >> (bit % 8)) & mask;
        value = value.wrapping_add(least).wrapping_add(delta as i64);
        value
    }));
    for at in safe..wanted {
        value = value.wrapping_add(least).wrapping_add(wide(packed, at * width, width)? as i64);
        out.push(value);
    }
    Some(value)
}

/// A number of up to 64 bits at any bit.
fn wide(packed: &[u8], bit: usize, width: usize) -> Option<u64> {
    let mut bytes = [0; 16];
    let from = packed.get(bit / 8..)?;
    let length = from.len().min(16);
    bytes[..length].copy_from_slice(&from[..length]);
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    Some((u128::from_le_bytes(bytes) >> (bit % 8)) as u64 & mask)
}

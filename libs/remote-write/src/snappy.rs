//! Snappy blocks into a reused buffer. The declared size is judged before any memory is taken: by the limit, and by what a block
//! of this length can expand to at all (three bytes become at most 64), so that a small body never claims a large buffer.

use crate::DecodeError;

/// Largest decoded body: 32 MiB.
pub const MAX_DECODED_BYTES: usize = 32 << 20;

/// Decompresses one body after the other into the same buffer.
#[derive(Debug, Default)]
pub struct Decompressor {
    /// Initialised to its whole length, so that it is zeroed only when it grows.
    buffer: Vec<u8>,
}

impl Decompressor {
    /// Without memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decompresses a block of at most `limit` decoded bytes.
    pub fn decompress(&mut self, block: &[u8], limit: usize) -> Result<&[u8], DecodeError> {
        let invalid = |error: snap::Error| DecodeError::Snappy(error.to_string());
        let size = declared_size(block)?;
        if size > limit as u64 {
            return Err(DecodeError::TooLarge { size, limit });
        }
        let reachable = block.len() as u64 * 64 / 3;
        if size > reachable {
            let length = block.len();
            return Err(DecodeError::Snappy(format!(
                "{length} bytes cannot decompress to the declared {size}"
            )));
        }
        let size = size as usize;
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        let written =
            snap::raw::Decoder::new().decompress(block, &mut self.buffer[..size]).map_err(invalid)?;
        Ok(&self.buffer[..written])
    }

    /// Memory held, in bytes.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

/// The decoded size as the block's header states it: a varint of at most 32 bits.
fn declared_size(block: &[u8]) -> Result<u64, DecodeError> {
    let mut size = 0u64;
    for (at, byte) in block.iter().enumerate().take(5) {
        size |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(size);
        }
    }
    Err(DecodeError::Snappy("snappy: no valid length header".into()))
}

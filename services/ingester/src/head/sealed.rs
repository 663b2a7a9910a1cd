//! Sealed chunks of a head: immutable bytes in numbered files, of which the newest is still a buffer in memory.
//!
//! A file begins as a growing buffer, is frozen once it is large enough, and is then replaced by a mapping of the same bytes
//! on disk; references stay valid throughout, and the head does no I/O. A chunk in a file is
//! `crc32c, length, samples (u16), encoding, 0, data`; the checksum covers all behind it and is checked on every read.
//! References of a series form a list from the newest chunk back.

use bytes::Bytes;
use narthex_chunk::{Chunk, ChunkError, Encoding};

use super::arena::Paged;

/// End of a series' list of chunks.
pub(super) const NONE: u32 = u32::MAX;

const HEADER: usize = 12;

/// Where a chunk lies and which time it covers: 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkRef {
    pub(super) min: i64,
    pub(super) span: u32,
    pub(super) file: u32,
    pub(super) offset: u32,
    /// The chunk sealed before this one, or [`NONE`].
    pub(super) previous: u32,
}

impl ChunkRef {
    pub(super) fn max(&self) -> i64 {
        self.min.saturating_add(i64::from(self.span))
    }
}

/// Content of a file that is no longer written.
#[derive(Debug, Clone)]
pub struct SealedFile {
    /// All its bytes, from the heap or from a mapping; empty if the file was damaged and given up.
    pub bytes: Bytes,
    /// Whether the bytes are on disk.
    pub on_disk: bool,
}

/// All sealed chunks of a head.
#[derive(Debug)]
pub(super) struct ChunkStore {
    refs: Paged<ChunkRef>,
    files: Vec<SealedFile>,
    open: Vec<u8>,
    freeze_at: usize,
}

impl ChunkStore {
    pub(super) fn new(freeze_at: usize) -> Self {
        Self { refs: Paged::default(), files: Vec::new(), open: Vec::new(), freeze_at }
    }

    /// Continues with the files of a snapshot; `open` is the buffer of the file after them.
    pub(super) fn resume(&mut self, files: Vec<SealedFile>, open: Vec<u8>) {
        self.files = files;
        self.open = open;
    }

    /// Adds a chunk in front of a series' list and returns its reference.
    pub(super) fn seal(
        &mut self,
        encoding: Encoding,
        samples: u16,
        min: i64,
        max: i64,
        data: &[u8],
        previous: u32,
    ) -> u32 {
        let offset = self.open.len() as u32;
        self.open.extend_from_slice(&[0; 4]);
        self.open.extend_from_slice(&(data.len() as u32).to_le_bytes());
        self.open.extend_from_slice(&samples.to_le_bytes());
        self.open.extend_from_slice(&[encoding.tag() as u8, 0]);
        self.open.extend_from_slice(data);
        let start = offset as usize;
        let checksum = crc32c::crc32c(&self.open[start + 4..]);
        self.open[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        let span = u32::try_from(max.saturating_sub(min)).expect("a chunk lies in one window of two hours");
        let sealed = self.refs.push(ChunkRef { min, span, file: self.files.len() as u32, offset, previous });
        if self.open.len() >= self.freeze_at {
            self.files.push(SealedFile { bytes: std::mem::take(&mut self.open).into(), on_disk: false });
        }
        sealed
    }

    /// Adds a reference that a snapshot holds.
    pub(super) fn restore(&mut self, reference: ChunkRef) -> u32 {
        self.refs.push(reference)
    }

    /// The references of a series from the newest chunk back, without those into files that were lost.
    pub(super) fn list(&self, newest: u32) -> impl Iterator<Item = &ChunkRef> {
        let all = std::iter::successors(self.refs.get(newest), |reference| self.refs.get(reference.previous));
        all.filter(|reference| {
            self.files.get(reference.file as usize).is_none_or(|file| !file.bytes.is_empty())
        })
    }

    /// Reads a chunk, sharing the bytes of frozen files.
    pub(super) fn read(&self, reference: &ChunkRef) -> Result<Chunk, ChunkError> {
        let offset = reference.offset as usize;
        let frozen = self.files.get(reference.file as usize);
        let file = match frozen {
            Some(file) => &file.bytes[..],
            None if reference.file as usize == self.files.len() => &self.open[..],
            None => return Err(ChunkError::Malformed),
        };
        let header =
            file.get(offset..).and_then(|rest| rest.first_chunk::<HEADER>()).ok_or(ChunkError::Malformed)?;
        let number = |at: usize| u32::from_le_bytes(*header[at..].first_chunk().expect("within the header"));
        let (start, length) = (offset + HEADER, number(4) as usize);
        let end = start.checked_add(length).filter(|end| *end <= file.len()).ok_or(ChunkError::Malformed)?;
        if crc32c::crc32c(&file[offset + 4..end]) != number(0) {
            return Err(ChunkError::Malformed);
        }
        let encoding = Encoding::from_tag(u32::from(header[10]))?;
        let data = match frozen {
            Some(file) => file.bytes.slice(start..end),
            None => Bytes::copy_from_slice(&file[start..end]),
        };
        let samples = u32::from(u16::from_le_bytes([header[8], header[9]]));
        Ok(Chunk { encoding, samples, min_ms: reference.min, max_ms: reference.max(), data })
    }

    /// Files that are frozen, by number.
    pub(super) fn files(&self) -> &[SealedFile] {
        &self.files
    }

    /// The buffer of the file behind the frozen ones.
    pub(super) fn open(&self) -> &[u8] {
        &self.open
    }

    /// Replaces a frozen file's bytes by the same bytes on disk.
    pub(super) fn replace(&mut self, file: u32, bytes: Bytes) {
        if let Some(place) = self.files.get_mut(file as usize) {
            debug_assert_eq!(place.bytes, bytes, "a chunk file differs from what was frozen");
            *place = SealedFile { bytes, on_disk: true };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_survive_freezing_and_damage_is_found() {
        let mut store = ChunkStore::new(100);
        let mut newest = NONE;
        for n in 0..20i64 {
            newest = store.seal(Encoding::Floats, n as u16, n * 10, n * 10 + 5, &[n as u8; 30], newest);
        }
        assert!(store.files().len() >= 5);
        for (n, reference) in store.list(newest).enumerate() {
            let chunk = store.read(reference).expect("intact");
            let expected = 19 - n as u8;
            assert_eq!(
                (&chunk.data[..], chunk.samples, chunk.min_ms),
                (&[expected; 30][..], u32::from(expected), i64::from(expected) * 10)
            );
        }
        let mut damaged = store.files()[0].bytes.to_vec();
        damaged[20] ^= 1;
        store.files[0] = SealedFile { bytes: damaged.into(), on_disk: true };
        let oldest = *store.list(newest).last().expect("a first chunk");
        assert_eq!(store.read(&oldest), Err(ChunkError::Malformed));
        assert_eq!(store.read(&ChunkRef { file: 99, ..oldest }), Err(ChunkError::Malformed));
        assert_eq!(store.read(&ChunkRef { offset: 98, ..oldest }), Err(ChunkError::Malformed));
    }
}

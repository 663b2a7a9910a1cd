//! Sealed chunks of a head: immutable bytes in numbered files, of which the newest is still a buffer in memory.
//!
//! A file begins as a growing buffer, is frozen once it is large enough, and is then replaced by a mapping of the same bytes
//! on disk; references stay valid throughout, and the head does no I/O. A chunk in a file is
//! `crc32c, length, samples (u16), encoding, 0, data`; the checksum covers all behind it and is checked on every read.
//! References of a series form a list from the newest chunk back. A file counts its references: without any it is given up at
//! once, the number of a file is never used again, and what was on disk is deleted when no checkpoint needs it.

use std::collections::VecDeque;

use bytes::Bytes;
use narthex_chunk::{Chunk, ChunkError, Encoding};

use super::arena::Slots;

/// End of a series' list of chunks.
pub(super) const NONE: u32 = u32::MAX;

/// Bits of a reference's span: a window of two hours has 7,200,000 ms.
const SPAN_BITS: u32 = 23;
/// Greatest generation of a window (see `windows`), as many as the other bits can tell apart.
pub(super) const MAX_GENERATION: u16 = (1 << (32 - SPAN_BITS)) - 1;

const HEADER: usize = 12;

/// Where a chunk lies and which time it covers: 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkRef {
    pub(super) min: i64,
    /// Time from the first to the last sample, and above it the generation of the window in which the chunk ended.
    pub(super) span_and_generation: u32,
    pub(super) file: u32,
    pub(super) offset: u32,
    /// The chunk sealed before this one, or [`NONE`].
    pub(super) previous: u32,
}

impl ChunkRef {
    pub(super) fn max(&self) -> i64 {
        self.min.saturating_add(i64::from(self.span_and_generation & ((1 << SPAN_BITS) - 1)))
    }

    pub(super) fn generation(&self) -> u16 {
        (self.span_and_generation >> SPAN_BITS) as u16
    }
}

/// A chunk that is to be kept.
#[derive(Debug)]
pub(super) struct NewChunk<'a> {
    pub(super) encoding: Encoding,
    pub(super) samples: u16,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) generation: u16,
    pub(super) data: &'a [u8],
}

/// Content of a file that is no longer written.
#[derive(Debug, Clone)]
pub struct SealedFile {
    /// All its bytes, from the heap or from a mapping; empty if the file was damaged or forgotten.
    pub bytes: Bytes,
    /// Whether the bytes are on disk.
    pub on_disk: bool,
    /// Chunks in it that are referred to.
    live: u32,
}

impl SealedFile {
    /// A file of a snapshot, whose references are counted when all are known.
    pub(super) fn loaded(bytes: Bytes, on_disk: bool) -> Self {
        Self { bytes, on_disk, live: 0 }
    }
}

/// All sealed chunks of a head.
#[derive(Debug)]
pub(super) struct ChunkStore {
    refs: Slots<ChunkRef>,
    /// Frozen files, from number `first` on.
    files: VecDeque<SealedFile>,
    first: u32,
    open: Vec<u8>,
    /// References into `open`.
    open_live: u32,
    /// Numbers and sizes of forgotten files that are on disk still.
    forgotten: Vec<(u32, u64)>,
    freeze_at: usize,
}

impl ChunkStore {
    pub(super) fn new(freeze_at: usize) -> Self {
        Self {
            refs: Slots::default(),
            files: VecDeque::new(),
            first: 0,
            open: Vec::new(),
            open_live: 0,
            forgotten: Vec::new(),
            freeze_at,
        }
    }

    pub(super) fn freeze_at(&self) -> usize {
        self.freeze_at
    }

    /// Number of the file that is being filled.
    fn open_number(&self) -> u32 {
        self.first + self.files.len() as u32
    }

    /// Begins empty with file numbers behind those of a store that this one replaces.
    pub(super) fn follow(&mut self, before: &Self) {
        self.first = before.open_number().saturating_add(1);
        self.forgotten.clone_from(&before.forgotten);
        let on_disk = before.files().filter(|(_, file)| file.on_disk && !file.bytes.is_empty());
        self.forgotten.extend(on_disk.map(|(number, file)| (number, file.bytes.len() as u64)));
    }

    /// Continues with the files of a snapshot from number `first` on; `open` is the buffer of the file after them. Their
    /// references must have been restored before.
    pub(super) fn resume(&mut self, first: u32, files: Vec<SealedFile>, open: Vec<u8>) {
        (self.first, self.files, self.open) = (first, files.into(), open);
        for id in 0..self.refs.bound() {
            let file = self.refs.at(id).file;
            match self.place(file) {
                Place::Frozen(at) => self.files[at].live += 1,
                Place::Open => self.open_live += 1,
                Place::Nowhere => {}
            }
        }
        for at in 0..self.files.len() {
            self.give_up_unused(at);
        }
    }

    fn place(&self, file: u32) -> Place {
        match file.checked_sub(self.first).map(|at| at as usize) {
            Some(at) if at < self.files.len() => Place::Frozen(at),
            Some(at) if at == self.files.len() => Place::Open,
            _ => Place::Nowhere,
        }
    }

    /// Adds a chunk in front of a series' list and returns its reference.
    pub(super) fn seal(&mut self, chunk: &NewChunk<'_>, previous: u32) -> u32 {
        let NewChunk { encoding, samples, min, max, generation, data } = *chunk;
        let offset = self.open.len() as u32;
        self.open.extend_from_slice(&[0; 4]);
        self.open.extend_from_slice(&(data.len() as u32).to_le_bytes());
        self.open.extend_from_slice(&samples.to_le_bytes());
        self.open.extend_from_slice(&[encoding.tag() as u8, 0]);
        self.open.extend_from_slice(data);
        let start = offset as usize;
        let checksum = crc32c::crc32c(&self.open[start + 4..]);
        self.open[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        let span = u32::try_from(max.saturating_sub(min)).ok().filter(|span| span >> SPAN_BITS == 0);
        let span = span.expect("a chunk lies in one window of two hours");
        let span_and_generation = span | u32::from(generation) << SPAN_BITS;
        let file = self.open_number();
        let sealed = self.refs.insert(ChunkRef { min, span_and_generation, file, offset, previous }, true);
        self.open_live += 1;
        if self.open.len() >= self.freeze_at {
            self.freeze();
        }
        sealed
    }

    fn freeze(&mut self) {
        let (bytes, live) = (std::mem::take(&mut self.open).into(), std::mem::take(&mut self.open_live));
        self.files.push_back(SealedFile { bytes, on_disk: false, live });
    }

    /// Adds a reference that a snapshot holds.
    pub(super) fn restore(&mut self, reference: ChunkRef) -> u32 {
        self.refs.insert(reference, true)
    }

    /// The references of a series from the newest chunk back, without those into files that were lost.
    pub(super) fn list(&self, newest: u32) -> impl Iterator<Item = &ChunkRef> {
        self.all(newest).filter(|reference| match self.place(reference.file) {
            Place::Frozen(at) => !self.files[at].bytes.is_empty(),
            Place::Open => true,
            Place::Nowhere => false,
        })
    }

    /// Whether a reference of a series, those into lost files included, satisfies a condition.
    pub(super) fn any(&self, newest: u32, is_it: impl FnMut(&ChunkRef) -> bool) -> bool {
        self.all(newest).any(is_it)
    }

    fn all(&self, newest: u32) -> impl Iterator<Item = &ChunkRef> {
        std::iter::successors(self.refs.get(newest), |reference| self.refs.get(reference.previous))
    }

    /// Takes references out of a series' list; returns the newest that is left.
    pub(super) fn forget(&mut self, newest: u32, mut is_gone: impl FnMut(&ChunkRef) -> bool) -> u32 {
        let (mut left, mut kept, mut at) = (newest, None, newest);
        while let Some(reference) = self.refs.get(at).copied() {
            if is_gone(&reference) {
                match kept {
                    None => left = reference.previous,
                    Some(kept) => self.refs.at_mut(kept).previous = reference.previous,
                }
                self.release(at, reference.file);
            } else {
                kept = Some(at);
            }
            at = reference.previous;
        }
        left
    }

    fn release(&mut self, id: u32, file: u32) {
        self.refs.remove(id);
        match self.place(file) {
            Place::Frozen(at) => {
                self.files[at].live = self.files[at].live.saturating_sub(1);
                self.give_up_unused(at);
            }
            Place::Open => self.open_live = self.open_live.saturating_sub(1),
            Place::Nowhere => {}
        }
    }

    /// Gives a file up unless something refers to it.
    fn give_up_unused(&mut self, at: usize) {
        let file = &mut self.files[at];
        if file.live == 0 && !file.bytes.is_empty() {
            if file.on_disk {
                self.forgotten.push((self.first + at as u32, file.bytes.len() as u64));
            }
            file.bytes = Bytes::new();
        }
    }

    /// Returns memory. A buffer to which nothing refers is given up with its number, so that no stale reference can find
    /// another chunk there.
    pub(super) fn trim(&mut self) {
        if self.open_live == 0 && !self.open.is_empty() {
            self.open = Vec::new();
            self.files.push_back(SealedFile::loaded(Bytes::new(), false));
        }
        while self.files.front().is_some_and(|file| file.live == 0 && file.bytes.is_empty()) {
            self.files.pop_front();
            self.first += 1;
        }
        self.files.shrink_to(2 * self.files.len());
        self.refs.trim();
    }

    /// Reads a chunk, sharing the bytes of frozen files.
    pub(super) fn read(&self, reference: &ChunkRef) -> Result<Chunk, ChunkError> {
        let offset = reference.offset as usize;
        let (frozen, file) = match self.place(reference.file) {
            Place::Frozen(at) => (Some(&self.files[at]), &self.files[at].bytes[..]),
            Place::Open => (None, &self.open[..]),
            Place::Nowhere => return Err(ChunkError::Malformed),
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

    /// Files that are frozen, with their numbers.
    pub(super) fn files(&self) -> impl ExactSizeIterator<Item = (u32, &SealedFile)> {
        self.files.iter().enumerate().map(|(at, file)| (self.first + at as u32, file))
    }

    /// Number of the first of [`Self::files`].
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    pub(super) fn has_file(&self, number: u32) -> bool {
        matches!(self.place(number), Place::Frozen(at) if !self.files[at].bytes.is_empty())
    }

    /// A forgotten file is on disk no more.
    pub(super) fn deleted(&mut self, number: u32) {
        self.forgotten.retain(|(other, _)| *other != number);
        self.forgotten.shrink_to(2 * self.forgotten.len());
    }

    /// Bytes of forgotten files that are on disk still.
    pub(super) fn forgotten_bytes(&self) -> u64 {
        self.forgotten.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Bytes of all files, also of those not written yet and of those not deleted yet.
    pub(super) fn total_bytes(&self) -> u64 {
        let files = self.files.iter().map(|file| file.bytes.len() as u64).sum::<u64>();
        files + self.open.len() as u64 + self.forgotten_bytes()
    }

    /// The buffer of the file behind the frozen ones.
    pub(super) fn open(&self) -> &[u8] {
        &self.open
    }

    /// Replaces a frozen file's bytes by the same bytes on disk. One that was forgotten meanwhile is to be deleted.
    pub(super) fn replace(&mut self, file: u32, bytes: Bytes) {
        match self.place(file) {
            Place::Frozen(at) if !self.files[at].bytes.is_empty() => {
                let place = &mut self.files[at];
                debug_assert_eq!(place.bytes, bytes, "a chunk file differs from what was frozen");
                (place.bytes, place.on_disk) = (bytes, true);
            }
            _ => self.forgotten.push((file, bytes.len() as u64)),
        }
    }
}

/// Where a file is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Frozen(usize),
    Open,
    Nowhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_survive_freezing_and_damage_is_found() {
        let mut store = ChunkStore::new(100);
        let mut newest = NONE;
        for n in 0..20i64 {
            let chunk = NewChunk {
                encoding: Encoding::Floats,
                samples: n as u16,
                min: n * 10,
                max: n * 10 + 5,
                generation: n as u16 * 20,
                data: &[n as u8; 30],
            };
            newest = store.seal(&chunk, newest);
        }
        assert!(store.files().len() >= 5);
        assert!(store.has_file(0) && !store.has_file(99));
        for (n, reference) in store.list(newest).enumerate() {
            let chunk = store.read(reference).expect("intact");
            let expected = 19 - n as u8;
            assert_eq!((reference.generation(), reference.max()), (u16::from(expected) * 20, chunk.max_ms));
            assert_eq!(
                (&chunk.data[..], chunk.samples, chunk.min_ms),
                (&[expected; 30][..], u32::from(expected), i64::from(expected) * 10)
            );
        }
        let mut damaged = store.files[0].bytes.to_vec();
        damaged[20] ^= 1;
        store.files[0].bytes = damaged.into();
        let oldest = *store.list(newest).last().expect("a first chunk");
        assert_eq!(store.read(&oldest), Err(ChunkError::Malformed));
        assert_eq!(store.read(&ChunkRef { file: 99, ..oldest }), Err(ChunkError::Malformed));
        assert_eq!(store.read(&ChunkRef { offset: 98, ..oldest }), Err(ChunkError::Malformed));
    }

    #[test]
    fn a_file_is_given_up_with_its_last_reference() {
        let mut store = ChunkStore::new(100);
        let mut newest = NONE;
        for n in 0..11u16 {
            let (min, data) = (i64::from(n), &[n as u8; 30][..]);
            let chunk =
                NewChunk { encoding: Encoding::Floats, samples: 1, min, max: min, generation: n % 2, data };
            newest = store.seal(&chunk, newest);
        }
        let written = store.files[0].bytes.clone();
        store.replace(0, written);
        newest = store.forget(newest, |chunk| chunk.generation() == 0);
        assert!(store.list(newest).all(|chunk| store.read(chunk).is_ok()));
        assert_eq!((store.list(newest).count(), store.refs.len(), store.forgotten_bytes()), (5, 5, 0));
        assert!(store.has_file(0));
        newest = store.forget(newest, |chunk| chunk.file == 0);
        store.trim();
        assert!(!store.has_file(0) && store.first() == 1);
        assert_eq!(store.forgotten_bytes(), 126);
        store.deleted(0);
        assert_eq!(store.forgotten_bytes(), 0);
        newest = store.forget(newest, |_| true);
        store.trim();
        assert_eq!((newest, store.total_bytes(), store.files.len(), store.refs.bound()), (NONE, 0, 0, 0));
        assert_eq!(store.open_number(), 4, "numbers are not used again");
    }
}

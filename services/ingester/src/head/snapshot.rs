//! A head as bytes, for checkpoints: written in parts while pushes go on, read back in one go.
//!
//! Parts come in this order: one start, the windows, label pairs, slices of series, one end. Pairs and series never change their
//! ids, so the start fixes how many of each the snapshot has; a slice holds the state of its series at the moment it was taken,
//! and the caller notes that log position beside it, so that replay adds to each slice what came later and nothing twice. The
//! windows are those of the start: their generations change by records that replay applies to them in any case. While parts are
//! taken the head is pinned (`begin_snapshot`): an id keeps its meaning or loses it, it gets no other. The end
//! holds the metadata and the chunk files: by number those on disk, with their bytes those that are not. Numbers are
//! little-endian. Parts are read from a file whose checksums held; they are still bounds-checked, never trusted to be whole.

use std::ops::Range;

use bytes::Bytes;
use narthex_chunk::{FloatIter, FloatState, HistogramState};
use narthex_model::{Epoch, ManifestRevision, MetricType, Window};

use super::{
    ActiveSeries, Boundary, Head, Seal, SealedFile,
    sealed::{ChunkRef, MAX_GENERATION, NONE},
    series::{HAS_MORE, LOST, LateValue, More, Series, UNUSED},
    windows::{Counts, Held, Ranges, Windows},
};

/// Series of a slice; few in tests, so that small heads have several slices.
pub const SLICE_SERIES: u32 = if cfg!(test) { 8 } else { 4096 };

/// Where a chunk file's bytes are.
const FILE_EMBEDDED: u8 = 0;
const FILE_ON_DISK: u8 = 1;
const FILE_LOST: u8 = 2;
/// Forgotten files before all others, as many as the four bytes say.
const FILES_GONE: u8 = 3;

/// A part of a snapshot that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("snapshot part is malformed")]
pub struct SnapshotError;

/// What the first part fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotStart {
    /// Series in the snapshot.
    pub series: u32,
    /// Label pairs in the snapshot.
    pub pairs: u32,
}

impl SnapshotStart {
    /// First series of each slice.
    pub fn slices(self) -> impl Iterator<Item = u32> {
        (0..self.series).step_by(SLICE_SERIES as usize)
    }

    /// The part's bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.series) | u64::from(self.pairs) << 32).to_le_bytes()
    }

    /// Reads the part.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let both = u64::from_le_bytes(bytes.try_into().map_err(|_| SnapshotError)?);
        Ok(Self { series: both as u32, pairs: (both >> 32) as u32 })
    }
}

impl Head {
    /// Begins a snapshot.
    pub fn snapshot_start(&self) -> SnapshotStart {
        SnapshotStart { series: self.store.series.len(), pairs: self.pairs.bound() }
    }

    /// Writes what is known of windows; to be taken together with the start.
    pub fn snapshot_windows(&self, out: &mut Vec<u8>) {
        let (held, closed) = self.store.windows.parts();
        out.extend_from_slice(&self.acted.0.to_le_bytes());
        out.extend_from_slice(&(closed.len() as u32).to_le_bytes());
        for (epoch, ranges) in closed {
            out.extend_from_slice(&epoch.0.to_le_bytes());
            out.extend_from_slice(&(ranges.len() as u32).to_le_bytes());
            for (first, last) in ranges {
                [first, last].iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
            }
        }
        out.extend_from_slice(&(held.len() as u32).to_le_bytes());
        for held in held {
            out.extend_from_slice(&held.window.0.to_le_bytes());
            out.extend_from_slice(&held.generation.to_le_bytes());
            out.extend_from_slice(&(held.seals.len() as u32).to_le_bytes());
            for Seal { epoch, boundary, series, samples } in &held.seals {
                out.extend_from_slice(&boundary.0.to_le_bytes());
                [epoch.0, *series, *samples].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
            }
            out.extend_from_slice(&(held.ended.len() as u32).to_le_bytes());
            for (generation, Counts { chunks, samples, bytes }) in &held.ended {
                out.extend_from_slice(&generation.to_le_bytes());
                [chunks, samples, bytes].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
            }
        }
    }

    /// Writes label pairs from `first` on until `out` has about `bytes`; returns the first pair that is left.
    pub fn snapshot_pairs(&self, start: SnapshotStart, first: u32, bytes: usize, out: &mut Vec<u8>) -> u32 {
        for pair in first..start.pairs {
            if out.len() >= bytes {
                return pair;
            }
            put_bytes(out, if self.pairs.is_held(pair) { self.pairs.bytes(pair) } else { &[] });
        }
        start.pairs
    }

    /// Writes the slice that begins with series `first`. It is sparse if that is true: then runs of ids without series come
    /// before the series, each as its place in the slice and its length.
    pub fn snapshot_slice(&self, start: SnapshotStart, first: u32, out: &mut Vec<u8>) -> bool {
        let ids = first..start.series.min(first.saturating_add(SLICE_SERIES));
        let sparse = self.ids.unused().range_cardinality(ids.clone()) > 0;
        if sparse {
            self.snapshot_unused(ids.clone(), out);
        }
        for id in ids.filter(|id| !sparse || !self.ids.is_unused(*id)) {
            let series = self.store.series.at(id);
            out.extend_from_slice(&series.hash.to_le_bytes());
            out.extend_from_slice(&series.floats.to_bytes());
            out.extend_from_slice(&series.minute.to_le_bytes());
            out.push(series.flags);
            let pairs = self.labels.get(series.labels, usize::from(series.label_count));
            out.extend_from_slice(&series.label_count.to_le_bytes());
            pairs.iter().for_each(|pair| out.extend_from_slice(&pair.to_le_bytes()));
            put_bytes(out, self.store.open_floats(id));
            let count_at = out.len();
            out.extend_from_slice(&[0; 4]);
            let mut count = 0u32;
            for chunk in self.store.chunks.list(series.chunks) {
                out.extend_from_slice(&chunk.min.to_le_bytes());
                [chunk.span_and_generation, chunk.file, chunk.offset]
                    .iter()
                    .for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
                count += 1;
            }
            out[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
            if let Some(more) = self.store.more.get(&id).filter(|_| series.flags & HAS_MORE != 0) {
                put_more(out, more);
            }
        }
        sparse
    }

    fn snapshot_unused(&self, ids: Range<u32>, out: &mut Vec<u8>) {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for at in self.ids.unused().range(ids.clone()).map(|id| id - ids.start) {
            match runs.last_mut() {
                Some((first, length)) if *first + *length == at => *length += 1,
                _ => runs.push((at, 1)),
            }
        }
        out.extend_from_slice(&(runs.len() as u32).to_le_bytes());
        for number in runs.into_iter().flat_map(|(first, length)| [first, length]) {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Writes the end: the present minute, metadata and chunk files.
    pub fn snapshot_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.active.now().to_le_bytes());
        let metadata = self.metadata.list("", 0);
        out.extend_from_slice(&(metadata.len() as u32).to_le_bytes());
        for entry in metadata {
            out.push(entry.kind.to_wire() as u8);
            [&entry.metric, &entry.help, &entry.unit].iter().for_each(|text| put_bytes(out, text.as_bytes()));
        }
        let (files, gone) = (self.store.chunks.files(), self.store.chunks.first());
        out.extend_from_slice(&(files.len() as u32 + u32::from(gone > 0)).to_le_bytes());
        if gone > 0 {
            out.push(FILES_GONE);
            put_bytes(out, &gone.to_le_bytes());
        }
        for (_, file) in files {
            out.push(if file.bytes.is_empty() { FILE_LOST } else { u8::from(file.on_disk) });
            put_bytes(out, if file.on_disk { &[] } else { &file.bytes });
        }
        put_bytes(out, self.store.chunks.open());
    }

    /// Reads the label pairs of one part.
    pub fn load_pairs(&mut self, part: &[u8]) -> Result<(), SnapshotError> {
        let mut reader = Reader(part);
        while !reader.0.is_empty() {
            let bytes = reader.bytes()?;
            if self.pairs.is_full() || self.pairs.find(bytes).is_some() {
                return Err(SnapshotError);
            }
            if bytes.is_empty() {
                self.pairs.push_free();
            } else {
                self.pairs.append(bytes);
            }
        }
        Ok(())
    }

    /// Makes room for what the start announces.
    pub fn load_start(&mut self, start: SnapshotStart) {
        let series = &self.store.series;
        self.index.reserve(start.series as usize, |id| series.at(*id).hash);
        self.pairs.reserve(start.pairs as usize);
    }

    /// Reads the windows; before any slice. What slices do not tell of them is kept for [`Self::load_end`].
    pub fn load_windows(&mut self, part: &[u8]) -> Result<(), SnapshotError> {
        let mut reader = Reader(part);
        self.acted = ManifestRevision(reader.u64()?);
        for _ in 0..reader.u32()? {
            let epoch = Epoch(reader.u64()?);
            let mut ranges = Ranges::new();
            for _ in 0..reader.u32()? {
                let (first, last) = (reader.u64()?.cast_signed(), reader.u64()?.cast_signed());
                if first > last || ranges.last().is_some_and(|(_, before)| *before >= first) {
                    return Err(SnapshotError);
                }
                ranges.push((first, last));
            }
            self.store.windows.restore_closed(epoch, ranges);
        }
        for _ in 0..reader.u32()? {
            let held = reader.held()?;
            self.store.windows.restore(&held);
            self.loading.push(held);
        }
        Ok(())
    }

    /// Reads one slice; slices must come in order.
    pub fn load_slice(&mut self, part: &[u8]) -> Result<(), SnapshotError> {
        let mut reader = Reader(part);
        while !reader.0.is_empty() {
            self.load_series(&mut reader)?;
        }
        Ok(())
    }

    /// Reads one sparse slice.
    pub fn load_sparse_slice(&mut self, part: &[u8]) -> Result<(), SnapshotError> {
        let mut reader = Reader(part);
        let (mut at, mut runs) = (0, Vec::new());
        for _ in 0..reader.u32()? {
            let (first, length) = (reader.u32()?, reader.u32()?);
            if first < at || length == 0 || length > SLICE_SERIES || first > SLICE_SERIES - length {
                return Err(SnapshotError);
            }
            runs.push((first, length));
            at = first + length;
        }
        at = 0;
        for (first, length) in runs {
            for _ in at..first {
                self.load_series(&mut reader)?;
            }
            let id = self.store.series.len();
            self.store.series.push_unused(length, &Series::unused());
            self.ids.loaded_unused(id..id + length);
            at = first + length;
        }
        self.load_slice(reader.0)
    }

    fn load_series(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let hash = reader.u64()?;
        let floats = FloatState::from_bytes(*reader.array()?);
        let minute = reader.u32()?;
        let flags = reader.u8()?;
        if flags & UNUSED != 0 {
            return Err(SnapshotError);
        }
        let count = usize::from(u16::from_le_bytes(*reader.array()?));
        let mut pairs = smallvec::SmallVec::<[u32; 24]>::new();
        for _ in 0..count {
            let pair = reader.u32()?;
            pairs.push(Some(pair).filter(|pair| self.pairs.is_held(*pair)).ok_or(SnapshotError)?);
        }
        let data = reader.bytes()?;
        if data.len() > super::slab::MAX_SLOT || !open_chunk_is_sound(&self.store.windows, &floats, data) {
            return Err(SnapshotError);
        }
        let labels = self.labels.push(&pairs);
        let id = self.store.series.push(Series::new(hash, labels, count as u16));
        if flags & LOST == 0 {
            self.enter(id);
        } else {
            self.lost.insert(id);
        }
        let chunks = self.load_chunks(reader)?;
        let slot = (!data.is_empty()).then(|| {
            let slot = self.store.slab.allocate(data.len());
            self.store.slab.bytes_mut(slot)[..data.len()].copy_from_slice(data);
            slot
        });
        let series = self.store.series.at_mut(id);
        (series.floats, series.minute, series.flags, series.chunks) = (floats, minute, flags, chunks);
        if let Some(slot) = slot {
            self.store.windows.opened(self.store.windows.of(floats.last_timestamp()));
            (series.slot, series.class, series.data_len) = (slot.at, slot.class, data.len() as u16);
        }
        if flags & HAS_MORE != 0 {
            let more = reader.more(&self.store.windows)?;
            if more.histograms.samples() > 0 {
                self.store.windows.opened(self.store.windows.of(more.histograms.last_timestamp()));
            }
            if let Some((first, _)) = more.late.first() {
                self.store.windows.opened(self.store.windows.of(*first));
            }
            self.store.more.insert(id, Box::new(more));
        }
        Ok(())
    }

    /// Reads a list of references, which is written newest first, and links it from the oldest on.
    fn load_chunks(&mut self, reader: &mut Reader<'_>) -> Result<u32, SnapshotError> {
        let count = reader.u32()? as usize;
        let list = reader.take(count.checked_mul(20).ok_or(SnapshotError)?)?;
        let mut newest = NONE;
        for entry in list.chunks_exact(20).rev() {
            let mut entry = Reader(entry);
            let min = entry.u64()?.cast_signed();
            let (span_and_generation, file, offset) = (entry.u32()?, entry.u32()?, entry.u32()?);
            let reference = ChunkRef { min, span_and_generation, file, offset, previous: newest };
            if !self.store.windows.same(min, reference.max()) {
                return Err(SnapshotError);
            }
            self.store.windows.loaded(self.store.windows.of(min), reference.generation());
            newest = self.store.chunks.restore(reference);
        }
        Ok(newest)
    }

    /// Reads the end. `open_file` gives the bytes of a chunk file on disk by its number.
    pub fn load_end<E: From<SnapshotError>>(
        &mut self,
        part: &[u8],
        mut open_file: impl FnMut(u32) -> Result<Bytes, E>,
    ) -> Result<(), E> {
        let mut reader = Reader(part);
        let now = reader.u32()?;
        for _ in 0..reader.u32()? {
            let kind = MetricType::from_wire(i64::from(reader.u8()?));
            let (metric, help, unit) = (reader.text()?, reader.text()?, reader.text()?);
            self.metadata.note(metric, kind, help, unit);
        }
        let (mut first, mut files) = (0u32, Vec::new());
        for entry in 0..reader.u32()? {
            let place = reader.u8()?;
            let embedded = reader.bytes()?;
            if place == FILES_GONE && entry == 0 {
                first = u32::from_le_bytes(embedded.try_into().map_err(|_| SnapshotError)?);
                continue;
            }
            let number = first.checked_add(files.len() as u32).ok_or(SnapshotError)?;
            let bytes =
                if place == FILE_ON_DISK { open_file(number)? } else { Bytes::copy_from_slice(embedded) };
            files.push(SealedFile::loaded(bytes, place != FILE_EMBEDDED));
        }
        first.checked_add(files.len() as u32 + 1).ok_or(SnapshotError)?;
        let open = reader.bytes()?.to_vec();
        self.store.chunks.resume(first, files, open);
        self.pairs.release_unused();
        self.store.windows.estimate(&std::mem::take(&mut self.loading));
        let series = &self.store.series;
        let minutes: Vec<u32> =
            (0..series.len()).filter_map(|id| series.get(id)).map(|series| series.minute).collect();
        let newest = minutes.iter().copied().max().unwrap_or(0);
        self.active = ActiveSeries::default();
        self.active.advance(now.max(newest));
        minutes.into_iter().for_each(|minute| self.active.restore(minute));
        Ok(())
    }
}

/// Whether what appending and sealing rely on holds.
fn open_chunk_is_sound(windows: &Windows, floats: &FloatState, data: &[u8]) -> bool {
    if floats.samples() == 0 {
        return data.is_empty();
    }
    let first = FloatIter::new(data).next().and_then(Result::ok);
    first.is_some_and(|(first, _)| {
        first <= floats.last_timestamp() && windows.same(first, floats.last_timestamp())
    })
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_more(out: &mut Vec<u8>, more: &More) {
    out.push(u8::from(more.has_histograms));
    out.extend_from_slice(&more.histograms.last_timestamp().to_le_bytes());
    put_bytes(out, more.histograms.data());
    out.extend_from_slice(&(more.late.len() as u32).to_le_bytes());
    for (timestamp, value) in &more.late {
        out.extend_from_slice(&timestamp.to_le_bytes());
        match value {
            LateValue::Float(bits) => {
                out.push(0);
                out.extend_from_slice(&bits.to_le_bytes());
            }
            LateValue::Histogram(bytes) => {
                out.push(1);
                put_bytes(out, bytes);
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], SnapshotError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SnapshotError)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], SnapshotError> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(SnapshotError)?;
        self.0 = rest;
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, SnapshotError> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32::from_le_bytes(*self.array()?))
    }

    fn u64(&mut self) -> Result<u64, SnapshotError> {
        Ok(u64::from_le_bytes(*self.array()?))
    }

    fn bytes(&mut self) -> Result<&'a [u8], SnapshotError> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, SnapshotError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| SnapshotError)
    }

    fn u16(&mut self) -> Result<u16, SnapshotError> {
        Ok(u16::from_le_bytes(*self.array()?))
    }

    fn held(&mut self) -> Result<Held, SnapshotError> {
        let mut held = Held::new(Window(self.u64()?.cast_signed()));
        held.generation = self.u16()?;
        for _ in 0..self.u32()? {
            let boundary = Boundary(self.u16()?);
            let (epoch, series, samples) = (Epoch(self.u64()?), self.u64()?, self.u64()?);
            held.seals.push(Seal { epoch, boundary, series, samples });
        }
        for _ in 0..self.u32()? {
            let generation = self.u16()?;
            let counts = Counts { chunks: self.u64()?, samples: self.u64()?, bytes: self.u64()? };
            held.ended.push((generation, counts));
        }
        if held.generation > MAX_GENERATION || held.seals.iter().any(|seal| seal.boundary.0 > held.generation)
        {
            return Err(SnapshotError);
        }
        Ok(held)
    }

    fn more(&mut self, windows: &Windows) -> Result<More, SnapshotError> {
        let has_histograms = self.u8()? != 0;
        let last = self.u64()?.cast_signed();
        let histograms = HistogramState::resume(self.bytes()?.to_vec(), last).map_err(|_| SnapshotError)?;
        let mut late = Vec::new();
        for _ in 0..self.u32()? {
            let timestamp = self.u64()?.cast_signed();
            let value = match self.u8()? {
                0 => LateValue::Float(self.u64()?),
                1 => LateValue::Histogram(self.bytes()?.into()),
                _ => return Err(SnapshotError),
            };
            let follows = |(last, _): &(i64, LateValue)| *last < timestamp && windows.same(*last, timestamp);
            if !late.last().is_none_or(follows) {
                return Err(SnapshotError);
            }
            late.push((timestamp, value));
        }
        Ok(More { histograms, has_histograms, late })
    }
}

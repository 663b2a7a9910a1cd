//! A head as bytes, for checkpoints: written in parts while pushes go on, read back in one go.
//!
//! Parts come in this order: one start, label pairs, slices of series, one end. Pairs and series never change their ids, so the
//! start fixes how many of each the snapshot has; a slice holds the state of its series at the moment it was taken, and the
//! caller notes that log position beside it, so that replay adds to each slice what came later and nothing twice. The end
//! holds the metadata and the chunk files: by number those on disk, with their bytes those that are not. Numbers are
//! little-endian. Parts are read from a file whose checksums held; they are still bounds-checked, never trusted to be whole.

use bytes::Bytes;
use narthex_chunk::{FloatIter, FloatState, HistogramState};
use narthex_model::{MetricType, WindowLength};

use super::{
    ActiveSeries, Head, SealedFile,
    sealed::{ChunkRef, NONE},
    series::{HAS_MORE, LOST, LateValue, More, same_window},
};

/// Series of a slice.
pub const SLICE_SERIES: u32 = 4096;

/// Where a chunk file's bytes are.
const FILE_EMBEDDED: u8 = 0;
const FILE_ON_DISK: u8 = 1;
const FILE_LOST: u8 = 2;

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
        SnapshotStart { series: self.store.series.len(), pairs: self.pairs.len() }
    }

    /// Writes label pairs from `first` on until `out` has about `bytes`; returns the first pair that is left.
    pub fn snapshot_pairs(&self, start: SnapshotStart, first: u32, bytes: usize, out: &mut Vec<u8>) -> u32 {
        for pair in first..start.pairs {
            if out.len() >= bytes {
                return pair;
            }
            put_bytes(out, self.pairs.bytes(pair));
        }
        start.pairs
    }

    /// Writes the slice that begins with series `first`.
    pub fn snapshot_slice(&self, start: SnapshotStart, first: u32, out: &mut Vec<u8>) {
        for id in first..start.series.min(first.saturating_add(SLICE_SERIES)) {
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
                [chunk.span, chunk.file, chunk.offset]
                    .iter()
                    .for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
                count += 1;
            }
            out[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
            if let Some(more) = self.store.more.get(&id).filter(|_| series.flags & HAS_MORE != 0) {
                put_more(out, more);
            }
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
        let files = self.store.chunks.files();
        out.extend_from_slice(&(files.len() as u32).to_le_bytes());
        for file in files {
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
            if self.pairs.is_full() || bytes.is_empty() {
                return Err(SnapshotError);
            }
            self.pairs.intern(bytes);
        }
        Ok(())
    }

    /// Makes room for what the start announces.
    pub fn load_start(&mut self, start: SnapshotStart) {
        let series = &self.store.series;
        self.index.reserve(start.series as usize, |id| series.at(*id).hash);
        self.pairs.reserve(start.pairs as usize);
    }

    /// Reads one slice; slices must come in order.
    pub fn load_slice(&mut self, part: &[u8]) -> Result<(), SnapshotError> {
        let mut reader = Reader(part);
        while !reader.0.is_empty() {
            self.load_series(&mut reader)?;
        }
        Ok(())
    }

    fn load_series(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let hash = reader.u64()?;
        let floats = FloatState::from_bytes(*reader.array()?);
        let minute = reader.u32()?;
        let flags = reader.u8()?;
        let count = usize::from(u16::from_le_bytes(*reader.array()?));
        let known = self.pairs.len();
        let mut pairs = smallvec::SmallVec::<[u32; 24]>::new();
        for _ in 0..count {
            pairs.push(Some(reader.u32()?).filter(|pair| *pair < known).ok_or(SnapshotError)?);
        }
        let data = reader.bytes()?;
        if data.len() > super::slab::MAX_SLOT || !open_chunk_is_sound(self.store.window, &floats, data) {
            return Err(SnapshotError);
        }
        let labels = self.labels.push(&pairs);
        let id = self.store.create(hash, labels, count as u16);
        if flags & LOST == 0 {
            pairs.iter().for_each(|pair| self.pairs.add(*pair, id));
            let series = &self.store.series;
            self.index.insert_unique(hash, id, |other| series.at(*other).hash);
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
            (series.slot, series.class, series.data_len) = (slot.at, slot.class, data.len() as u16);
        }
        if flags & HAS_MORE != 0 {
            self.store.more.insert(id, Box::new(reader.more(self.store.window)?));
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
            let (span, file, offset) = (entry.u32()?, entry.u32()?, entry.u32()?);
            newest = self.store.chunks.restore(ChunkRef { min, span, file, offset, previous: newest });
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
        let mut files = Vec::new();
        for number in 0..reader.u32()? {
            let place = reader.u8()?;
            let embedded = reader.bytes()?;
            let bytes =
                if place == FILE_ON_DISK { open_file(number)? } else { Bytes::copy_from_slice(embedded) };
            files.push(SealedFile { bytes, on_disk: place != FILE_EMBEDDED });
        }
        let open = reader.bytes()?.to_vec();
        self.store.chunks.resume(files, open);
        let series = &self.store.series;
        let newest = (0..series.len()).map(|id| series.at(id).minute).max().unwrap_or(0);
        self.active = ActiveSeries::default();
        self.active.advance(now.max(newest));
        for id in 0..self.store.series.len() {
            self.active.restore(self.store.series.at(id).minute);
        }
        Ok(())
    }
}

/// Whether what appending and sealing rely on holds.
fn open_chunk_is_sound(window: WindowLength, floats: &FloatState, data: &[u8]) -> bool {
    if floats.samples() == 0 {
        return data.is_empty();
    }
    let first = FloatIter::new(data).next().and_then(Result::ok);
    first.is_some_and(|(first, _)| {
        first <= floats.last_timestamp() && same_window(window, first, floats.last_timestamp())
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

    fn more(&mut self, window: WindowLength) -> Result<More, SnapshotError> {
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
            let follows =
                |(last, _): &(i64, LateValue)| *last < timestamp && same_window(window, *last, timestamp);
            if !late.last().is_none_or(follows) {
                return Err(SnapshotError);
            }
            late.push((timestamp, value));
        }
        Ok(More { histograms, has_histograms, late })
    }
}

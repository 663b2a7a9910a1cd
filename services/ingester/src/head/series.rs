//! Series and their samples: the compact struct, open chunks, late samples, and the list of sealed chunks.
//!
//! Samples in order go to the open chunk, which ends after 120 samples and at every window border (no chunk crosses a
//! window). Samples older than the newest of their series go to a small sorted buffer, sealed into a chunk of its own when
//! it is full or another window begins. What few series have (histograms, late samples) lives in a side table. Everything here is
//! deterministic: the same appends in the same order give the same chunks, which replay relies on.

use std::{cmp::Ordering, sync::Arc};

use hashbrown::HashMap;
use narthex_chunk::{
    Encoding, FloatIter, FloatState, HistogramIter, HistogramState, MAX_RECORD_BYTES, encode_floats,
};
use narthex_model::{Epoch, Histogram, Value, resolve};

use super::{
    arena::Paged,
    sealed::{ChunkStore, NONE, NewChunk},
    slab::{MAX_SLOT, Slab, Slot},
    windows::Windows,
};

/// Samples of a chunk.
pub(super) const CHUNK_SAMPLES: u16 = 120;
/// Late samples that are buffered before they are sealed.
const LATE_SAMPLES: usize = 32;
/// Bytes of histograms after which their chunk is sealed, however few they are.
const HISTOGRAM_CHUNK_BYTES: usize = 64 << 10;

/// The series has had a float, so the state's last timestamp counts.
pub(super) const HAS_FLOATS: u8 = 1;
/// The side table has an entry.
pub(super) const HAS_MORE: u8 = 2;
/// The place of a series that was lost with a damaged log: it is in no index and takes nothing.
pub(super) const LOST: u8 = 4;
/// No series has this id at the moment.
pub(super) const UNUSED: u8 = 8;
/// There is no series here that takes samples.
pub(super) const ABSENT: u8 = LOST | UNUSED;

/// One series: 56 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Series {
    pub(super) hash: u64,
    pub(super) floats: FloatState,
    /// Address of the label pair ids.
    pub(super) labels: u32,
    pub(super) label_count: u16,
    /// Bytes of the open chunk in its slot.
    pub(super) data_len: u16,
    pub(super) slot: u32,
    /// Newest sealed chunk.
    pub(super) chunks: u32,
    /// Minute in which it was last written, for counting active series.
    pub(super) minute: u32,
    pub(super) class: u8,
    pub(super) flags: u8,
}

impl Series {
    /// A series with no samples yet.
    pub(super) fn new(hash: u64, labels: u32, label_count: u16) -> Self {
        Self {
            hash,
            floats: FloatState::default(),
            labels,
            label_count,
            data_len: 0,
            slot: 0,
            chunks: NONE,
            minute: 0,
            class: 0,
            flags: 0,
        }
    }

    /// What is at an id without a series.
    pub(super) fn unused() -> Self {
        Self { flags: UNUSED, ..Self::new(0, 0, 0) }
    }
}

/// What few series have.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct More {
    pub(super) histograms: HistogramState,
    pub(super) has_histograms: bool,
    /// Late samples of one window, strictly ascending.
    pub(super) late: Vec<(i64, LateValue)>,
}

/// A buffered value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LateValue {
    Float(u64),
    Histogram(Box<[u8]>),
}

/// A value to be appended or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sample<'a> {
    Float(u64),
    Histogram(&'a [u8]),
}

impl Sample<'_> {
    fn equals(&self, other: &LateValue) -> bool {
        match (self, other) {
            (Sample::Float(a), LateValue::Float(b)) => a == b,
            (Sample::Histogram(a), LateValue::Histogram(b)) => **a == **b,
            _ => false,
        }
    }

    pub(super) fn keep(&self) -> LateValue {
        match self {
            Sample::Float(bits) => LateValue::Float(*bits),
            Sample::Histogram(bytes) => LateValue::Histogram((*bytes).into()),
        }
    }
}

/// What a series has at a timestamp, compared with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Equal,
    Other(LateValue),
}

/// All series of a head.
#[derive(Debug)]
pub(super) struct SeriesStore {
    pub(super) windows: Windows,
    pub(super) series: Paged<Series>,
    pub(super) slab: Slab,
    pub(super) chunks: ChunkStore,
    pub(super) more: HashMap<u32, Box<More>>,
}

impl SeriesStore {
    /// Timestamp of the newest sample, of either kind.
    pub(super) fn newest(&self, id: u32) -> Option<i64> {
        let series = self.series.at(id);
        let float = (series.flags & HAS_FLOATS != 0).then(|| series.floats.last_timestamp());
        if series.flags & HAS_MORE == 0 {
            return float;
        }
        let more = self.more.get(&id);
        let histogram = more.filter(|more| more.has_histograms).map(|more| more.histograms.last_timestamp());
        float.max(histogram)
    }

    /// The open chunk's bytes.
    pub(super) fn open_floats(&self, id: u32) -> &[u8] {
        let series = self.series.at(id);
        if series.floats.samples() == 0 {
            return &[];
        }
        let slot = Slot { class: series.class, at: series.slot };
        &self.slab.bytes(slot)[..usize::from(series.data_len)]
    }

    /// The last byte of an open chunk; read to have it near.
    #[inline]
    pub(super) fn open_end(&self, series: &Series) -> u8 {
        if series.floats.samples() == 0 {
            return 0;
        }
        let slot = Slot { class: series.class, at: series.slot };
        self.slab.bytes(slot).get(usize::from(series.data_len).saturating_sub(1)).copied().unwrap_or(0)
    }

    /// Stores a sample in order or late, without asking whether it should be: the verdict was given, here or before a restart.
    pub(super) fn store(&mut self, id: u32, timestamp: i64, sample: Sample<'_>) {
        let in_order = self.newest(id).is_none_or(|newest| timestamp > newest);
        match sample {
            Sample::Float(bits) if in_order => self.append_float(id, timestamp, bits),
            Sample::Histogram(bytes) if in_order => self.append_histogram(id, timestamp, bytes),
            _ => self.store_late(id, timestamp, sample),
        }
    }

    fn append_float(&mut self, id: u32, timestamp: i64, bits: u64) {
        let series = self.series.at(id);
        let used = usize::from(series.data_len);
        let full = series.floats.samples() >= CHUNK_SAMPLES || used + MAX_RECORD_BYTES > MAX_SLOT;
        if series.floats.samples() > 0
            && (full || !self.windows.same(timestamp, series.floats.last_timestamp()))
        {
            self.end_floats(id);
        }
        let series = self.series.at_mut(id);
        let mut record = [0; MAX_RECORD_BYTES];
        let first = series.floats.samples() == 0;
        let length = series
            .floats
            .append(timestamp, bits, &mut record)
            .expect("newer, and within one window of the last");
        let used = usize::from(series.data_len);
        let mut slot = Slot { class: series.class, at: series.slot };
        if first {
            slot = self.slab.allocate(length);
            self.windows.opened(self.windows.of(timestamp));
        } else if used + length > Slab::capacity(slot) {
            slot = self.slab.grow(slot, used, used + length);
        }
        self.slab.bytes_mut(slot)[used..used + length].copy_from_slice(&record[..length]);
        series.slot = slot.at;
        series.class = slot.class;
        series.data_len = (used + length) as u16;
        series.flags |= HAS_FLOATS;
    }

    /// Ends the open chunk of floats, which must have samples.
    pub(super) fn end_floats(&mut self, id: u32) {
        let series = self.series.at_mut(id);
        let slot = Slot { class: series.class, at: series.slot };
        let data = &self.slab.bytes(slot)[..usize::from(series.data_len)];
        let max = series.floats.last_timestamp();
        let min = FloatIter::new(data).next().and_then(Result::ok).map_or(max, |(first, _)| first);
        self.windows.closed(self.windows.of(max));
        let chunk = (Encoding::Floats, series.floats.samples(), min, max, data);
        series.chunks = keep(&mut self.windows, &mut self.chunks, chunk, series.chunks);
        self.slab.free(slot);
        series.floats.restart();
        series.data_len = 0;
    }

    fn more_mut(&mut self, id: u32) -> &mut More {
        self.series.at_mut(id).flags |= HAS_MORE;
        self.more.entry(id).or_default()
    }

    fn append_histogram(&mut self, id: u32, timestamp: i64, bytes: &[u8]) {
        let state = &self.more_mut(id).histograms;
        let full = state.samples() >= CHUNK_SAMPLES || state.data().len() >= HISTOGRAM_CHUNK_BYTES;
        let (samples, last) = (state.samples(), state.last_timestamp());
        if samples > 0 && (full || !self.windows.same(timestamp, last)) {
            self.end_histograms(id);
        }
        if self.more_mut(id).histograms.samples() == 0 {
            self.windows.opened(self.windows.of(timestamp));
        }
        let more = self.more_mut(id);
        more.histograms.append(timestamp, bytes).expect("newer than the last");
        more.has_histograms = true;
    }

    /// Ends the open chunk of histograms, which must have samples.
    pub(super) fn end_histograms(&mut self, id: u32) {
        let state = &mut self.more_mut(id).histograms;
        let (samples, max) = (state.samples(), state.last_timestamp());
        let data = state.take();
        let min =
            HistogramIter::new(&data).next_sample().and_then(Result::ok).map_or(max, |(first, _)| first);
        self.windows.closed(self.windows.of(max));
        let series = self.series.at_mut(id);
        let chunk = (Encoding::Histograms, samples, min, max, &data[..]);
        series.chunks = keep(&mut self.windows, &mut self.chunks, chunk, series.chunks);
    }

    fn store_late(&mut self, id: u32, timestamp: i64, sample: Sample<'_>) {
        let late = &self.more_mut(id).late;
        let (buffered, first) = (late.len(), late.first().map(|(first, _)| *first));
        if buffered >= LATE_SAMPLES || first.is_some_and(|first| !self.windows.same(timestamp, first)) {
            self.end_late(id);
        }
        if self.more_mut(id).late.is_empty() {
            self.windows.opened(self.windows.of(timestamp));
        }
        let late = &mut self.more_mut(id).late;
        match late.binary_search_by_key(&timestamp, |(at, _)| *at) {
            Err(at) => late.insert(at, (timestamp, sample.keep())),
            Ok(at) => {
                let value = sample.keep();
                if resolves_above(&value, &late[at].1) {
                    late[at].1 = value;
                }
            }
        }
    }

    /// Makes chunks of the buffered late samples, of which there must be some.
    pub(super) fn end_late(&mut self, id: u32) {
        let late = std::mem::take(&mut self.more_mut(id).late);
        if let Some((first, _)) = late.first() {
            self.windows.closed(self.windows.of(*first));
        }
        for (encoding, samples, min, max, data) in encode_late(&late) {
            let series = self.series.at_mut(id);
            let chunk = (encoding, samples, min, max, &data[..]);
            series.chunks = keep(&mut self.windows, &mut self.chunks, chunk, series.chunks);
        }
    }

    /// Compares a value with what the head has for its timestamp: open chunks, late samples and sealed chunks, but for those that
    /// an epoch before `epoch` sealed. Where values compete (after a merge), an equal one counts, else the one that [`resolve`]
    /// chooses.
    pub(super) fn seen(&self, id: u32, timestamp: i64, sample: Sample<'_>, epoch: Epoch) -> Seen {
        let series = self.series.at(id);
        let mut found = Found { sample, best: Seen::Nothing };
        if series.floats.samples() > 0 {
            if series.floats.last_timestamp() == timestamp {
                found.note(LateValue::Float(series.floats.last_bits()));
            } else {
                found.floats(FloatIter::new(self.open_floats(id)), timestamp);
            }
        }
        if let Some(more) = self.more.get(&id).filter(|_| series.flags & HAS_MORE != 0) {
            found.histograms(more.histograms.data(), timestamp);
            if let Ok(at) = more.late.binary_search_by_key(&timestamp, |(at, _)| *at) {
                found.note(more.late[at].1.clone());
            }
        }
        let hidden = self.windows.hidden(self.windows.of(timestamp), epoch);
        for reference in self.chunks.list(series.chunks) {
            let apart = timestamp < reference.min || timestamp > reference.max();
            if apart || reference.generation() < hidden || found.best == Seen::Equal {
                continue;
            }
            if let Ok(chunk) = self.chunks.read(reference) {
                match chunk.encoding {
                    Encoding::Floats => found.floats(FloatIter::new(&chunk.data), timestamp),
                    Encoding::RawFloats => found.floats(narthex_chunk::RawIter::new(&chunk.data), timestamp),
                    // No head makes these; what is damaged ends the search, as above.
                    Encoding::Columns => drop(chunk.for_each_float(|at, value| {
                        if at == timestamp {
                            found.note(LateValue::Float(value.to_bits()));
                        }
                    })),
                    Encoding::Histograms => found.histograms(&chunk.data, timestamp),
                }
            }
        }
        found.best
    }
}

/// Late samples as chunks: the floats, then the histograms.
pub(super) fn encode_late(late: &[(i64, LateValue)]) -> Vec<(Encoding, u16, i64, i64, Vec<u8>)> {
    let floats: Vec<_> = late
        .iter()
        .filter_map(|(at, value)| match value {
            LateValue::Float(bits) => Some((*at, f64::from_bits(*bits))),
            LateValue::Histogram(_) => None,
        })
        .collect();
    let mut state = HistogramState::default();
    let mut histograms = Vec::new();
    for (at, value) in late {
        if let LateValue::Histogram(bytes) = value {
            state.append(*at, bytes).expect("late samples ascend");
            histograms.push(*at);
        }
    }
    let mut chunks = Vec::new();
    if let (Some(first), Some(last)) = (floats.first(), floats.last()) {
        let data = encode_floats(floats.iter().copied()).expect("late samples ascend within one window");
        chunks.push((Encoding::Floats, floats.len() as u16, first.0, last.0, data));
    }
    if let (Some(first), Some(last)) = (histograms.first(), histograms.last()) {
        chunks.push((Encoding::Histograms, histograms.len() as u16, *first, *last, state.take()));
    }
    chunks
}

/// Whether [`resolve`] prefers `a` to `b`.
pub(super) fn resolves_above(a: &LateValue, b: &LateValue) -> bool {
    let value = |value: &LateValue| match value {
        LateValue::Float(bits) => Value::Float(f64::from_bits(*bits)),
        LateValue::Histogram(bytes) => {
            Value::Histogram(Arc::new(Histogram::from_bytes(bytes).unwrap_or_default()))
        }
    };
    resolve(&value(a), &value(b)) == Ordering::Greater
}

/// Encoding, samples, first and last timestamp, bytes.
type Ended<'a> = (Encoding, u16, i64, i64, &'a [u8]);

/// Puts a chunk that ended in front of a series' list.
fn keep(windows: &mut Windows, chunks: &mut ChunkStore, ended: Ended<'_>, previous: u32) -> u32 {
    let (encoding, samples, min, max, data) = ended;
    let generation = windows.ended(windows.of(min), samples, data.len());
    chunks.seal(&NewChunk { encoding, samples, min, max, generation, data }, previous)
}

struct Found<'a> {
    sample: Sample<'a>,
    best: Seen,
}

impl Found<'_> {
    fn note(&mut self, value: LateValue) {
        if self.sample.equals(&value) {
            self.best = Seen::Equal;
        } else {
            match &self.best {
                Seen::Nothing => self.best = Seen::Other(value),
                Seen::Other(best) if resolves_above(&value, best) => self.best = Seen::Other(value),
                _ => {}
            }
        }
    }

    fn floats<E>(&mut self, samples: impl Iterator<Item = Result<(i64, f64), E>>, timestamp: i64) {
        let found = samples.map_while(Result::ok).find(|(at, _)| *at >= timestamp);
        if let Some((_, value)) = found.filter(|(at, _)| *at == timestamp) {
            self.note(LateValue::Float(value.to_bits()));
        }
    }

    fn histograms(&mut self, data: &[u8], timestamp: i64) {
        let mut iter = HistogramIter::new(data);
        while let Some(Ok((at, bytes))) = iter.next_sample() {
            if at >= timestamp {
                if at == timestamp {
                    self.note(LateValue::Histogram(bytes.into()));
                }
                return;
            }
        }
    }
}

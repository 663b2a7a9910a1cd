//! The head of one workspace: its recent samples in memory, as a pure data structure.
//!
//! No I/O, no clock, no randomness: [`Head::push`] is told when the frame was received and reports its changes to a [`Log`]; the
//! `redo` methods make the same changes again, so replay gives the same head. One thread changes a head (the
//! WAL's writer), readers take short shared locks around it; therefore a head is not split into shards: interned labels and
//! postings are kept once, and the lock is held for one push or for a few hundred series of a read. Invariants: an id
//! is used again only when neither log nor snapshot can take it for what it was (see `ids`); series of equal hash are told apart by their label bytes; a sample is stored once (W-2).

mod active;
mod arena;
mod forget;
mod ids;
mod limits;
mod log;
mod metadata;
mod pairs;
mod postings;
mod push;
mod read;
mod seal;
mod sealed;
mod series;
mod slab;
mod snapshot;
mod windows;

use hashbrown::HashTable;
use narthex_model::{Labels, ManifestRevision, MetricMetadata, MetricType, WindowLength};
use roaring::RoaringBitmap;

pub use limits::{MAX_SAMPLE_AHEAD_MS, PushLimits, Refusal};
pub use log::Log;
pub use push::Pushed;
pub use sealed::SealedFile;
pub use snapshot::{SLICE_SERIES, SnapshotError, SnapshotStart};
pub use windows::{Boundary, Seal, WindowState};

use active::ActiveSeries;
use arena::{Paged, Slices};
use ids::Ids;
use metadata::MetadataStore;
use pairs::Pairs;
use sealed::ChunkStore;
use series::{ABSENT, LOST, Sample, Series, SeriesStore};
use slab::Slab;
use windows::Windows;

/// Recent samples of one workspace.
#[derive(Debug)]
pub struct Head {
    /// Series ids by series hash.
    index: HashTable<u32>,
    ids: Ids,
    /// Places of lost series.
    lost: RoaringBitmap,
    pairs: Pairs,
    /// Pair ids of each series.
    labels: Slices<u32>,
    store: SeriesStore,
    active: ActiveSeries,
    metadata: MetadataStore,
    /// Windows of a snapshot that is being loaded, for what its chunks do not tell.
    loading: Vec<windows::Held>,
    /// Series may be there that hold nothing.
    lingering: bool,
    /// Newest revision of the manifest by which samples were forgotten.
    acted: ManifestRevision,
}

/// Size of a head, for metrics and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadStats {
    /// Series held.
    pub series: u32,
    /// Series written within the last two hours.
    pub active_series: u32,
    /// Distinct label pairs.
    pub label_pairs: u32,
    /// Bytes of sealed chunks that are not on disk yet.
    pub unwritten_bytes: u64,
    /// Bytes of chunk files.
    pub file_bytes: u64,
    /// Bytes of chunk files that are forgotten and deleted after the next checkpoint.
    pub forgotten_bytes: u64,
    /// Chunks, open ones included: 0 if no sample is held.
    pub chunks: u64,
}

impl Head {
    /// An empty head whose chunk files are frozen once they have `chunk_file_bytes`, and whose chunks end with windows of a length.
    pub fn new(chunk_file_bytes: usize, window: WindowLength) -> Self {
        Self {
            index: HashTable::new(),
            ids: Ids::default(),
            lost: RoaringBitmap::new(),
            pairs: Pairs::default(),
            labels: Slices::default(),
            store: SeriesStore {
                windows: Windows::new(window),
                series: Paged::default(),
                slab: Slab::default(),
                chunks: ChunkStore::new(chunk_file_bytes),
                more: hashbrown::HashMap::new(),
            },
            active: ActiveSeries::default(),
            metadata: MetadataStore::default(),
            loading: Vec::new(),
            lingering: true,
            acted: ManifestRevision(0),
        }
    }

    /// Size of the head.
    pub fn stats(&self) -> HeadStats {
        let size = |on_disk: bool| {
            let files = self.store.chunks.files().filter(move |(_, file)| file.on_disk == on_disk);
            files.map(|(_, file)| file.bytes.len() as u64).sum::<u64>()
        };
        HeadStats {
            series: self.series_count(),
            active_series: self.active.count(),
            label_pairs: self.pairs.len(),
            unwritten_bytes: size(false) + self.store.chunks.open().len() as u64,
            file_bytes: size(true),
            forgotten_bytes: self.store.chunks.forgotten_bytes(),
            chunks: self.store.windows.chunks(),
        }
    }

    /// Number of series.
    pub fn series_count(&self) -> u32 {
        self.store.series.len() - self.ids.unused().len() as u32
    }

    /// Bytes on disk, now or soon: sealed chunks, written or not, and chunk files that are not deleted yet.
    pub fn disk_bytes(&self) -> u64 {
        self.store.chunks.total_bytes()
    }

    /// Series written within the two hours before `now_ms` on the data clock.
    pub fn active_series(&mut self, now_ms: i64) -> u32 {
        self.active.advance(ActiveSeries::minute(now_ms));
        self.active.count()
    }

    /// Metadata of one metric, or of all for an empty name; at most `limit` metrics, 0 for all.
    pub fn metadata(&self, metric: &str, limit: usize) -> Vec<MetricMetadata> {
        self.metadata.list(metric, limit)
    }

    /// Chunk files with their numbers: frozen ones, on disk or not.
    pub fn sealed_files(&self) -> impl Iterator<Item = (u32, &SealedFile)> {
        self.store.chunks.files().filter(|(_, file)| !file.bytes.is_empty())
    }

    /// Whether a chunk file is one of these.
    pub fn has_file(&self, number: u32) -> bool {
        self.store.chunks.has_file(number)
    }

    /// A forgotten file was deleted.
    pub fn file_deleted(&mut self, number: u32) {
        self.store.chunks.deleted(number);
    }

    /// Tells that a frozen file is on disk and now read from there. `bytes` must be the same bytes.
    pub fn file_written(&mut self, file: u32, bytes: bytes::Bytes) {
        self.store.chunks.replace(file, bytes);
    }

    /// The series with these canonical labels.
    fn find(&self, hash: u64, canonical: &[u8]) -> Option<u32> {
        let is_it = |id: &u32| {
            let series = self.store.series.at(*id);
            series.hash == hash && self.has_labels(series, canonical)
        };
        self.index.find(hash, is_it).copied()
    }

    /// Some series with this hash.
    #[inline]
    fn find_hash(&self, hash: u64) -> Option<u32> {
        self.index.find(hash, |id| self.store.series.at(*id).hash == hash).copied()
    }

    /// The id of the series with these labels, which had the given one when it was looked up.
    pub fn find_again(&self, id: u32, labels: &Labels) -> Option<u32> {
        match self.store.series.get(id) {
            Some(series) if series.flags & ABSENT == 0 && self.has_labels(series, labels.as_bytes()) => {
                Some(id)
            }
            _ => self.find(labels.series_hash().0, labels.as_bytes()),
        }
    }

    #[inline]
    fn has_labels(&self, series: &Series, mut canonical: &[u8]) -> bool {
        for pair in self.labels.get(series.labels, usize::from(series.label_count)) {
            match canonical.strip_prefix(self.pairs.bytes(*pair)) {
                Some(rest) => canonical = rest,
                None => return false,
            }
        }
        canonical.is_empty()
    }

    /// Adds a series, which must not be there; `canonical` must be canonical and have the hash. `None` where ids, label text or
    /// the number of labels run out.
    fn create(&mut self, hash: u64, canonical: &[u8]) -> Option<u32> {
        if self.store.series.len() >= u32::MAX - 1 {
            return None;
        }
        let series = self.intern(hash, canonical)?;
        let id = match self.ids.take() {
            Some(id) => {
                self.store.series.put(id, series, Series::unused());
                id
            }
            None => self.store.series.push(series),
        };
        self.enter(id);
        Some(id)
    }

    /// A series with interned labels that has no place yet.
    fn intern(&mut self, hash: u64, canonical: &[u8]) -> Option<Series> {
        if self.pairs.is_full() || self.labels.is_full() {
            return None;
        }
        let count = u16::try_from(pairs::split(canonical).count()).ok()?;
        let pairs: smallvec::SmallVec<[u32; 24]> =
            pairs::split(canonical).map(|bytes| self.pairs.intern(bytes)).collect();
        Some(Series::new(hash, self.labels.push(&pairs), count))
    }

    /// Enters a series into index and postings.
    fn enter(&mut self, id: u32) {
        let Series { hash, labels, label_count, .. } = *self.store.series.at(id);
        for pair in self.labels.get(labels, usize::from(label_count)) {
            self.pairs.add(*pair, id);
        }
        let series = &self.store.series;
        self.index.insert_unique(hash, id, |other| series.at(*other).hash);
    }

    /// Makes a logged series again. One that the head has already is left alone; missing ids before it are marked as lost. If
    /// another series is in its place, the log lost how that one left.
    pub fn redo_series(&mut self, id: u32, hash: u64, labels: &[u8]) {
        while self.store.series.len() < id {
            let lost = self.store.series.push(Series { flags: LOST, ..Series::new(0, 0, 0) });
            self.lost.insert(lost);
        }
        if id < self.store.series.len() && !self.ids.is_unused(id) {
            let series = self.store.series.at(id);
            if series.flags & ABSENT == 0 && series.hash == hash && self.has_labels(series, labels) {
                return;
            }
            self.remove_series(id);
        }
        let made = self.intern(hash, labels);
        let absent = made.is_none();
        let series = made.unwrap_or(Series { flags: LOST, ..Series::new(0, 0, 0) });
        if id == self.store.series.len() {
            self.store.series.push(series);
        } else {
            self.ids.claim(id);
            self.store.series.put(id, series, Series::unused());
        }
        if absent {
            self.lost.insert(id);
        } else {
            self.enter(id);
        }
    }

    /// Lets the data clock pass to a logged push's received stamp.
    pub fn redo_received(&mut self, received_ms: i64) {
        self.active.advance(ActiveSeries::minute(received_ms));
    }

    /// Stores a logged float again; false if its series is not known, so that the sample is lost.
    pub fn redo_float(&mut self, id: u32, timestamp: i64, bits: u64) -> bool {
        self.redo(id, timestamp, Sample::Float(bits))
    }

    /// Stores a logged histogram again; false if its series is not known, so that the sample is lost.
    pub fn redo_histogram(&mut self, id: u32, timestamp: i64, bytes: &[u8]) -> bool {
        self.redo(id, timestamp, Sample::Histogram(bytes))
    }

    /// Notes a logged metadata entry again.
    pub fn redo_metadata(&mut self, metric: &str, kind: MetricType, help: &str, unit: &str) {
        self.metadata.note(metric, kind, help, unit);
    }

    fn redo(&mut self, id: u32, timestamp: i64, sample: Sample<'_>) -> bool {
        if self.store.series.get(id).is_none_or(|series| series.flags & ABSENT != 0) {
            return false;
        }
        self.touch(id);
        self.store.store(id, timestamp, sample);
        true
    }

    fn touch(&mut self, id: u32) {
        let series = self.store.series.at_mut(id);
        series.minute = self.active.touch(series.minute);
    }
}

#[cfg(test)]
mod tests;

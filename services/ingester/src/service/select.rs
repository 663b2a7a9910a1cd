//! Select as a lazy sequence of messages: the source's state, all labels, then data in the order of the series.
//!
//! A message is made when the transport asks for it, so a slow reader holds back the work (backpressure), and dropping the
//! stream ends it. The budget of series is checked before anything is sent; samples and bytes are counted chunk by chunk,
//! and the batch that would exceed them is not sent.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use futures::StreamExt;
use narthex_chunk::{Chunk, ChunkError, SetHash};
use narthex_model::{Sample, TimeRange, TimestampMs, Value, Window, WindowLength};
use narthex_rpc::{
    SelectStream,
    v1::{self, SelectResponse, SourceState, select_request::Mode, select_response::Part},
};
use tonic::Status;

use crate::{
    recovery::normalise,
    storage::{Budget, Selection, StorageError},
};

/// Target size of a message in bytes.
const MESSAGE_BYTES: usize = 1 << 20;
/// Series that are read from storage at a time.
const SERIES: usize = 128;
/// About the size of a digest in a message.
const DIGEST_BYTES: usize = 32;
/// Mode DIGEST sends data of this last time as well: samples that are on their way to one owner and not yet to another
/// would make every digest differ.
const HOT_TAIL_MS: i64 = 5 * 60 * 1000;

/// What is sent of each series.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    /// Its chunks.
    Data,
    /// A digest for each window, and chunks of the time after the given one.
    Digest {
        /// Beginning of the hot tail.
        hot_from: TimestampMs,
    },
}

impl Content {
    /// The content for a mode at a time on the data clock.
    pub(crate) fn of(mode: Mode, now: TimestampMs) -> Self {
        match mode {
            Mode::Data => Self::Data,
            Mode::Digest => Self::Digest { hot_from: now.saturating_sub(HOT_TAIL_MS) },
        }
    }
}

/// The messages of one answer.
pub(crate) struct Messages {
    state: Option<SourceState>,
    /// Made, not sent yet.
    ready: VecDeque<Part>,
    selection: Selection,
    content: Content,
    range: TimeRange,
    budget: Budget,
    labels_sent: usize,
    series_read: usize,
    samples: u64,
    bytes: u64,
    failed: bool,
}

impl Messages {
    /// Answers with what was selected.
    pub(crate) fn new(
        state: SourceState,
        selection: Selection,
        content: Content,
        range: TimeRange,
        budget: Budget,
    ) -> Self {
        Self {
            state: Some(state),
            ready: VecDeque::new(),
            selection,
            content,
            range,
            budget,
            labels_sent: 0,
            series_read: 0,
            samples: 0,
            bytes: 0,
            failed: false,
        }
    }

    /// Answers with all chunks, whatever their time.
    pub(crate) fn all(state: SourceState, selection: Selection, budget: Budget) -> Self {
        Self::new(state, selection, Content::Data, TimeRange::ALL, budget)
    }

    fn labels(&mut self) -> Part {
        let mut bytes = 0;
        let remaining = self.selection.labels().skip(self.labels_sent);
        let fits = |labels: &&narthex_model::Labels| {
            let before = bytes;
            bytes += labels.as_bytes().len();
            before < MESSAGE_BYTES
        };
        let labels: Vec<Bytes> = remaining.take_while(fits).map(|labels| labels.as_bytes().clone()).collect();
        self.labels_sent += labels.len();
        Part::Series(v1::SeriesBatch { labels })
    }

    /// Makes the next data, of as many series as fill a message.
    fn data(&mut self) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        while self.series_read < self.selection.len() && batch.bytes < MESSAGE_BYTES {
            let end = (self.series_read + SERIES).min(self.selection.len());
            for chunks in self.selection.chunks(self.series_read..end)? {
                self.series(&chunks, &mut batch)?;
                self.series_read += 1;
                if batch.bytes >= MESSAGE_BYTES {
                    break;
                }
            }
        }
        self.ready.extend(batch.into_parts());
        Ok(())
    }

    fn series(&mut self, chunks: &[Chunk], batch: &mut Batch) -> Result<(), StorageError> {
        let number = self.series_read as u32;
        let (from, digests) = match self.content {
            Content::Data => (i64::MIN, BTreeMap::new()),
            Content::Digest { hot_from } => {
                (hot_from.0, digests(chunks, self.range, self.selection.window_length())?)
            }
        };
        for chunk in chunks.iter().filter(|chunk| chunk.max_ms >= from) {
            self.samples += u64::from(chunk.samples);
            self.bytes += chunk.data.len() as u64;
            batch.chunk(number, chunk);
        }
        for (window, digest) in digests {
            self.bytes += DIGEST_BYTES as u64;
            batch.digest(number, window, digest);
        }
        self.budget.check(self.samples, self.bytes)
    }

    fn next_part(&mut self) -> Result<Option<Part>, StorageError> {
        if let Some(state) = self.state.take() {
            return Ok(Some(Part::State(state)));
        }
        if self.labels_sent < self.selection.len() {
            return Ok(Some(self.labels()));
        }
        while self.ready.is_empty() && self.series_read < self.selection.len() {
            self.data()?;
        }
        Ok(self.ready.pop_front())
    }
}

/// The next message, unless everything was sent or an error was.
impl Iterator for Messages {
    type Item = Result<SelectResponse, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let part = self.next_part();
        self.failed = part.is_err();
        part.map(|part| part.map(|part| SelectResponse { part: Some(part) })).transpose()
    }
}

/// A chunk of the series with this number in the answer.
pub(crate) fn chunk_message(series: u32, chunk: &Chunk) -> v1::Chunk {
    v1::Chunk {
        series,
        encoding: chunk.encoding.tag(),
        samples: chunk.samples,
        min_ms: chunk.min_ms,
        max_ms: chunk.max_ms,
        data: chunk.data.clone(),
    }
}

/// Data being collected: a message of chunks and, in mode DIGEST, one of digests behind it.
#[derive(Default)]
struct Batch {
    chunks: Vec<v1::Chunk>,
    digests: Vec<v1::Digest>,
    bytes: usize,
}

impl Batch {
    fn chunk(&mut self, series: u32, chunk: &Chunk) {
        self.bytes += chunk.data.len() + 32;
        self.chunks.push(chunk_message(series, chunk));
    }

    fn digest(&mut self, series: u32, window: Window, digest: SetHash) {
        self.bytes += DIGEST_BYTES;
        self.digests.push(v1::Digest {
            series,
            window: window.0,
            hash_high: (digest.hash >> 64) as u64,
            hash_low: digest.hash as u64,
            samples: digest.samples,
        });
    }

    fn into_parts(self) -> impl Iterator<Item = Part> {
        let chunks =
            (!self.chunks.is_empty()).then_some(Part::Chunks(v1::ChunkBatch { chunks: self.chunks }));
        let digests =
            (!self.digests.is_empty()).then_some(Part::Digests(v1::DigestBatch { digests: self.digests }));
        chunks.into_iter().chain(digests)
    }
}

/// The set hashes of a series' samples in a range, window by window. Of values that compete for a timestamp one counts.
fn digests(
    chunks: &[Chunk],
    range: TimeRange,
    length: WindowLength,
) -> Result<BTreeMap<Window, SetHash>, ChunkError> {
    let mut samples = Vec::new();
    for chunk in chunks {
        let read = chunk.samples()?.into_iter();
        let within = read.filter(|(at, _)| range.contains(TimestampMs(*at)));
        samples.extend(within.map(|(at, value)| Sample { timestamp: TimestampMs(at), value }));
    }
    normalise(&mut samples);
    let mut digests = BTreeMap::<Window, SetHash>::new();
    for Sample { timestamp, value } in &samples {
        let digest = digests.entry(length.window(*timestamp)).or_default();
        match value {
            Value::Float(value) => digest.add_float(timestamp.0, *value),
            Value::Histogram(histogram) => digest.add_histogram(timestamp.0, &histogram.to_bytes()),
        }
    }
    Ok(digests)
}

/// The messages as a server's stream.
pub(crate) fn stream(messages: Messages) -> SelectStream {
    futures::stream::iter(messages.map(|message| message.map_err(|error| status_of(&error)))).boxed()
}

/// What storage's failure means to a caller.
pub(crate) fn status_of(error: &StorageError) -> Status {
    let text = error.to_string();
    match error {
        StorageError::Full(_) | StorageError::Failed(_) | StorageError::Closed => Status::unavailable(text),
        StorageError::OverQuota { .. } | StorageError::Expelled => Status::unavailable(text),
        StorageError::Frame(_) | StorageError::TooLarge(_) => Status::invalid_argument(text),
        StorageError::NotSealed | StorageError::CutGone | StorageError::SealedTooOften => {
            Status::failed_precondition(text)
        }
        // Another owner has an undamaged copy, or is not as busy.
        StorageError::Chunk(_) | StorageError::Busy(_) => Status::unavailable(text),
        StorageError::OverBudget { .. } => Status::resource_exhausted(text),
    }
}

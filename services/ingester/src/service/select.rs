//! Select as a lazy sequence of messages: the source's state, all labels, then data in the order of the series.
//!
//! A message is made when the transport asks for it, so a slow reader holds back the work (backpressure), and dropping the
//! stream ends it. The budget of series is checked before anything is sent; samples and bytes are counted chunk by chunk,
//! and the batch that would exceed them is not sent.

use bytes::Bytes;
use futures::StreamExt;
use narthex_chunk::Chunk;
use narthex_rpc::{
    SelectStream,
    v1::{self, SelectResponse, SourceState, select_response::Part},
};
use tonic::Status;

use crate::storage::{Budget, Selection, StorageError};

/// Target size of a message in bytes.
const MESSAGE_BYTES: usize = 1 << 20;
/// Series that are read from storage at a time.
const SERIES: usize = 128;
/// What a chunk takes in a message besides its data, about.
const CHUNK_BYTES: usize = 32;

/// The messages of one answer.
pub(crate) struct Messages {
    state: Option<SourceState>,
    selection: Selection,
    budget: Budget,
    labels_sent: usize,
    series_read: usize,
    samples: u64,
    bytes: u64,
    failed: bool,
}

impl Messages {
    /// Answers with what was selected.
    pub(crate) fn new(state: SourceState, selection: Selection, budget: Budget) -> Self {
        Self {
            state: Some(state),
            selection,
            budget,
            labels_sent: 0,
            series_read: 0,
            samples: 0,
            bytes: 0,
            failed: false,
        }
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

    /// The next data, of as many series as fill a message; none once all series were read.
    fn data(&mut self) -> Result<Option<Part>, StorageError> {
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while self.series_read < self.selection.len() && bytes < MESSAGE_BYTES {
            let end = (self.series_read + SERIES).min(self.selection.len());
            for series in self.selection.chunks(self.series_read..end)? {
                for chunk in &series {
                    self.samples += u64::from(chunk.samples);
                    self.bytes += chunk.data.len() as u64;
                    bytes += chunk.data.len() + CHUNK_BYTES;
                    chunks.push(chunk_message(self.series_read as u32, chunk));
                }
                self.budget.check(self.samples, self.bytes)?;
                self.series_read += 1;
                if bytes >= MESSAGE_BYTES {
                    break;
                }
            }
        }
        Ok((!chunks.is_empty()).then_some(Part::Chunks(v1::ChunkBatch { chunks })))
    }

    fn next_part(&mut self) -> Result<Option<Part>, StorageError> {
        if let Some(state) = self.state.take() {
            return Ok(Some(Part::State(state)));
        }
        if self.labels_sent < self.selection.len() {
            return Ok(Some(self.labels()));
        }
        self.data()
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

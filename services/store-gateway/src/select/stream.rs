//! The second half of a Select as a stream of messages: the state, all labels, then chunks.
//!
//! A task makes messages; at most two handfuls wait for the reader (backpressure), and dropping the stream ends the task and all reading.
//! Few samples are read and encoded before the stream is given out: another task would take longer to begin than to do that.
//! Samples and bytes are counted as they are sent, and the batch that would exceed the budget is not. A task that ends
//! without having said so is an error: a part is never passed off as the whole.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use narthex_block::{OwnedSamples, SampleBatch};
use narthex_model::Labels;
use narthex_rpc::{
    SelectStream,
    v1::{Chunk, ChunkBatch, SelectResponse, SeriesBatch, SourceState, select_response::Part},
};
use tokio::sync::mpsc;
use tonic::Status;

use super::{encode::encode, find::Found, merge::Merge, queue::Queue};
use crate::{
    admission::{Memory, Turn},
    blocks::{Blocks, Bounds, ReadError},
    metrics::{KindLabel, Metrics},
    workers::{Task, Workers},
};

/// Target size of a message in bytes.
const MESSAGE_BYTES: usize = 1 << 20;
/// What a chunk takes in a message besides its data.
const CHUNK_OVERHEAD: usize = 32;

/// Bytes of messages that are handed over together: an answer below this wakes its reader once.
const WAKE_BYTES: usize = 64 << 10;

/// Messages that are handed over together, at most a few.
type Handful = Result<Vec<SelectResponse>, Status>;

/// Why sending ends early.
enum End {
    /// Nobody reads.
    Gone,
    Failed(ReadError),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

/// Where messages go.
enum Messages {
    /// To whoever reads the stream.
    Sent(mpsc::Sender<Handful>),
    /// Nowhere yet: they are few.
    Kept(Vec<Handful>),
}

impl Messages {
    async fn send(&mut self, handful: Handful) -> Result<(), End> {
        match self {
            Self::Sent(messages) => messages.send(handful).await.map_err(|_| End::Gone),
            Self::Kept(messages) => {
                messages.push(handful);
                Ok(())
            }
        }
    }
}

struct Sender {
    messages: Messages,
    waiting: Vec<SelectResponse>,
    waiting_bytes: usize,
    bounds: Bounds,
    samples: u64,
    bytes: u64,
    metrics: Metrics,
}

/// What a request holds until its stream ends or is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    #[allow(dead_code, reason = "held, not used")]
    pub(crate) memory: Memory,
    #[allow(dead_code, reason = "held, not used")]
    pub(crate) turn: Turn,
}

/// Sends what was found.
pub(crate) async fn stream(
    workers: &Arc<Workers>,
    blocks: &Arc<Blocks>,
    state: SourceState,
    found: Found,
    bounds: Bounds,
    held: Held,
    metrics: Metrics,
) -> SelectStream {
    let sender = |messages| Sender {
        messages,
        waiting: Vec::new(),
        waiting_bytes: 0,
        bounds,
        samples: 0,
        bytes: 0,
        metrics,
    };
    if found.is_few() {
        let mut sender = sender(Messages::Kept(Vec::new()));
        sender.run(workers, blocks, state, found).await;
        let Messages::Kept(messages) = sender.messages else { return futures::stream::empty().boxed() };
        return futures::stream::iter(messages).flat_map(one_by_one).boxed();
    }
    let (messages, receiver) = mpsc::channel(2);
    let mut sender = sender(Messages::Sent(messages));
    let (for_queues, blocks) = (Arc::clone(workers), Arc::clone(blocks));
    let task = workers.spawn(async move {
        sender.run(&for_queues, &blocks, state, found).await;
        drop(held);
    });
    messages_of(receiver, task)
}

/// The messages, and an error if the task did not come to its end.
fn messages_of(receiver: mpsc::Receiver<Handful>, task: Task<()>) -> SelectStream {
    let handfuls = futures::stream::unfold((receiver, Some(task)), |(mut receiver, mut task)| async move {
        if let Some(handful) = receiver.recv().await {
            return Some((handful, (receiver, task)));
        }
        match task.take()?.result().await {
            Ok(()) => None,
            Err(lost) => Some((Err(ReadError::Lost(lost).into()), (receiver, None))),
        }
    });
    handfuls.flat_map(one_by_one).boxed()
}

fn one_by_one(handful: Handful) -> impl Stream<Item = Result<SelectResponse, Status>> {
    let (messages, status) = match handful {
        Ok(messages) => (messages, None),
        Err(status) => (Vec::new(), Some(status)),
    };
    futures::stream::iter(messages.into_iter().map(Ok).chain(status.map(Err)))
}

impl Sender {
    /// Sends everything, or as the last message why not.
    async fn run(&mut self, workers: &Workers, blocks: &Arc<Blocks>, state: SourceState, found: Found) {
        let Err(End::Failed(error)) = self.send_all(workers, blocks, state, found).await else { return };
        if let ReadError::OverBudget { .. } | ReadError::Lost(_) = error {
            // Errors of blocks were counted where they were found.
            self.metrics.errors.get_or_create(&KindLabel { kind: error.kind() }).inc();
        }
        let _ = self.messages.send(Err(error.into())).await;
    }

    async fn send_all(
        &mut self,
        workers: &Workers,
        blocks: &Arc<Blocks>,
        state: SourceState,
        found: Found,
    ) -> Result<(), End> {
        let Found { labels, sources } = found;
        // Reading begins while labels are sent.
        let queues = Queue::begin_all(workers, blocks, sources, self.bounds).await?;
        self.send(Part::State(state)).await?;
        self.send_labels(labels).await?;
        let mut merge = Merge::begin(queues).await?;
        let mut batch = Batch::default();
        let (mut runs, mut chunks) = (Vec::new(), Vec::new());
        loop {
            merge.next(&mut runs).await?;
            match &runs[..] {
                [] => break,
                [run] => encode(run.series, run.samples(), &mut chunks),
                [first, ..] => {
                    let rows = runs.iter().map(|run| run.samples().to_owned()).collect();
                    let merged = SampleBatch::from(&OwnedSamples::merged(rows));
                    encode(first.series, merged.slice(0..1).samples, &mut chunks);
                }
            }
            for chunk in chunks.drain(..) {
                batch.add(chunk);
                if batch.bytes >= MESSAGE_BYTES {
                    self.send_batch(std::mem::take(&mut batch)).await?;
                }
            }
        }
        self.send_batch(batch).await?;
        self.flush().await
    }

    async fn send_labels(&mut self, labels: Vec<Labels>) -> Result<(), End> {
        let (mut batch, mut bytes) = (Vec::<Bytes>::new(), 0);
        for labels in labels {
            bytes += labels.as_bytes().len();
            batch.push(labels.as_bytes().clone());
            if bytes >= MESSAGE_BYTES {
                bytes = 0;
                self.send(Part::Series(SeriesBatch { labels: std::mem::take(&mut batch) })).await?;
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.send(Part::Series(SeriesBatch { labels: batch })).await
    }

    async fn send_batch(&mut self, Batch { chunks, .. }: Batch) -> Result<(), End> {
        if chunks.is_empty() {
            return Ok(());
        }
        let samples: u64 = chunks.iter().map(|chunk| u64::from(chunk.samples)).sum();
        let bytes: u64 = chunks.iter().map(|chunk| chunk.data.len() as u64).sum();
        self.samples = within("samples", self.samples, samples, self.bounds.samples)?;
        self.bytes = within("bytes", self.bytes, bytes, self.bounds.bytes)?;
        self.metrics.samples.inc_by(samples);
        self.metrics.chunk_bytes.inc_by(bytes);
        self.send(Part::Chunks(ChunkBatch { chunks })).await
    }

    /// Sends a message with those before it, once they are worth waking their reader.
    async fn send(&mut self, part: Part) -> Result<(), End> {
        self.waiting_bytes += match &part {
            Part::Chunks(batch) => batch.chunks.iter().map(|chunk| chunk.data.len() + CHUNK_OVERHEAD).sum(),
            Part::Series(batch) => batch.labels.iter().map(Bytes::len).sum(),
            _ => 0,
        };
        self.waiting.push(SelectResponse { part: Some(part) });
        if self.waiting_bytes >= WAKE_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.waiting_bytes = 0;
        self.messages.send(Ok(std::mem::take(&mut self.waiting))).await
    }
}

fn within(what: &'static str, sent: u64, more: u64, limit: u64) -> Result<u64, ReadError> {
    Some(sent.saturating_add(more))
        .filter(|total| *total <= limit)
        .ok_or(ReadError::OverBudget { what, limit })
}

#[derive(Default)]
struct Batch {
    chunks: Vec<Chunk>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, chunk: Chunk) {
        self.bytes += chunk.data.len() + CHUNK_OVERHEAD;
        self.chunks.push(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_without_saying_so_is_an_error() {
        let workers = Workers::new(1).expect("this runtime");
        let (sender, receiver) = mpsc::channel::<Handful>(1);
        let task = workers.spawn(async move {
            let _sender = sender;
            panic!("on purpose");
        });
        let messages: Vec<Result<SelectResponse, Status>> = messages_of(receiver, task).collect().await;
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].as_ref().expect_err("lost").code(), tonic::Code::Internal);
    }
}

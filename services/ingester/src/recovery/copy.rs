//! Copying one workspace: three streams in `cmp_series` order (the own disk, both other owners) merged series by series, and
//! what is missing pushed into storage in frames of bounded size. Memory is bounded by the label sets and one message of
//! each source.

use std::{collections::VecDeque, pin::Pin};

use futures::{Stream, StreamExt};
use narthex_chunk::check_chunk;
use narthex_model::{
    Epoch, Labels, ManifestRevision, MetricType, RingRevision, Sample, TimestampMs, Value, WorkspaceId,
};
use narthex_rpc::{
    RpcError,
    frame::{Frame, FrameBuilder},
    v1::{self, SelectResponse, SourceState, select_response::Part},
};

use super::merge::{missing, normalise};
use crate::{
    head::PushLimits,
    service::Metrics,
    storage::{Storage, StorageError},
};

/// Samples of one frame.
const FRAME_SAMPLES: usize = 20_000;
/// Series of one frame.
const FRAME_SERIES: usize = 2_000;

/// Why a copy did not finish; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// Another owner did not answer, or is not complete itself.
    #[error("{0}")]
    Source(#[from] RpcError),
    /// Another owner's answer breaks the protocol.
    #[error("the answer of {owner} is malformed: {what}")]
    Malformed { owner: String, what: String },
    /// The own storage failed.
    #[error("own storage: {0}")]
    Storage(#[from] StorageError),
    /// The partition's owners are not all known.
    #[error("{0}")]
    Owners(String),
}

/// Messages of one source, whose errors are already ours.
pub(crate) type Messages = Pin<Box<dyn Stream<Item = Result<SelectResponse, RpcError>> + Send>>;

/// One owner's answer while it is merged.
pub(crate) struct Source {
    owner: String,
    /// The manifest revision by which the owner forgot.
    acted: ManifestRevision,
    messages: Messages,
    labels: VecDeque<Labels>,
    /// Number of the series in front of `labels`.
    next: u32,
    chunks: VecDeque<v1::Chunk>,
}

impl Source {
    /// Reads the state and all labels. Refuses an answer from a ring older than `fence`: it may lack what was acknowledged
    /// since, or still accept what the old disk acknowledged.
    pub(crate) async fn open(
        owner: String,
        mut messages: Messages,
        fence: RingRevision,
    ) -> Result<Self, CopyError> {
        let malformed = |what: &str| CopyError::Malformed { owner: owner.clone(), what: what.to_owned() };
        let Some(Part::State(SourceState { ring_revision, manifest_revision, .. })) =
            next(&mut messages).await?
        else {
            return Err(malformed("it does not begin with the source's state"));
        };
        if RingRevision(ring_revision) < fence {
            return Err(malformed(&format!(
                "ring revision {ring_revision} is older than {fence}, which was asked for"
            )));
        }
        let (mut labels, mut chunks) = (VecDeque::<Labels>::new(), VecDeque::new());
        while let Some(part) = next(&mut messages).await? {
            match part {
                Part::Series(batch) => {
                    for bytes in batch.labels {
                        let one =
                            Labels::from_canonical(bytes).map_err(|error| malformed(&error.to_string()))?;
                        if labels.back().is_some_and(|last| *last >= one) {
                            return Err(malformed("series are not in order"));
                        }
                        labels.push_back(one);
                    }
                }
                Part::Chunks(batch) => {
                    chunks.extend(batch.chunks);
                    break;
                }
                Part::State(_) | Part::Digests(_) => return Err(malformed("unexpected message")),
            }
        }
        let acted = ManifestRevision(manifest_revision);
        Ok(Self { owner, acted, messages, labels, next: 0, chunks })
    }

    /// What the owner's answer lacks is in blocks by this manifest revision, or a newer one.
    pub(super) fn acted(&self) -> ManifestRevision {
        self.acted
    }

    /// The samples of the next series if it has these labels; of no series twice.
    pub(crate) async fn take(&mut self, labels: &Labels) -> Result<Vec<Sample>, CopyError> {
        if self.labels.front() != Some(labels) {
            return Ok(Vec::new());
        }
        self.labels.pop_front();
        let series = self.next;
        self.next += 1;
        let mut samples = Vec::new();
        loop {
            while let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.series <= series) {
                self.read(series, chunk, &mut samples)?;
            }
            if !self.chunks.is_empty() {
                break;
            }
            match next(&mut self.messages).await? {
                Some(Part::Chunks(batch)) => self.chunks.extend(batch.chunks),
                Some(_) => return Err(self.malformed("unexpected message")),
                None => break,
            }
        }
        normalise(&mut samples);
        Ok(samples)
    }

    fn read(&self, series: u32, chunk: v1::Chunk, samples: &mut Vec<Sample>) -> Result<(), CopyError> {
        if chunk.series != series {
            return Err(self.malformed("chunks are not in the order of the series"));
        }
        let checked = check_chunk(chunk.encoding, chunk.samples, chunk.min_ms, chunk.max_ms, chunk.data);
        let read =
            checked.and_then(|chunk| chunk.samples()).map_err(|error| self.malformed(&error.to_string()))?;
        samples.extend(read.into_iter().map(|(at, value)| Sample { timestamp: TimestampMs(at), value }));
        Ok(())
    }

    fn malformed(&self, what: &str) -> CopyError {
        CopyError::Malformed { owner: self.owner.clone(), what: what.to_owned() }
    }
}

async fn next(messages: &mut Messages) -> Result<Option<Part>, RpcError> {
    loop {
        match messages.next().await.transpose()? {
            None => return Ok(None),
            Some(SelectResponse { part: Some(part) }) => return Ok(Some(part)),
            Some(SelectResponse { part: None }) => {}
        }
    }
}

/// Where the missing samples of a workspace go.
pub(crate) struct Sink<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) storage: &'a Storage,
    pub(crate) metrics: &'a Metrics,
    /// Stamp of the pushes.
    pub(crate) now: TimestampMs,
    /// The epoch that the owner has adopted.
    pub(crate) epoch: Epoch,
}

impl Sink<'_> {
    async fn flush(&self, frame: &mut FrameBuilder) -> Result<(), CopyError> {
        if frame.is_empty() {
            return Ok(());
        }
        let samples = frame.sample_count() as u64;
        let frame = Frame::parse(frame.finish()).map_err(StorageError::Frame)?;
        self.storage.push(self.workspace, self.epoch, self.now, frame, PushLimits::FROM_PEER).await?;
        self.metrics.recovery_samples.inc_by(samples);
        Ok(())
    }
}

/// Writes what the own disk lacks of the union of both others, and metadata.
pub(crate) async fn copy(
    mut own: Source,
    mut others: [Source; 2],
    metadata: Vec<v1::MetricMetadata>,
    sink: &Sink<'_>,
) -> Result<(), CopyError> {
    let mut frame = FrameBuilder::new();
    for entry in &metadata {
        frame.metadata(
            MetricType::from_wire(i64::from(entry.r#type)),
            &entry.metric,
            &entry.help,
            &entry.unit,
        );
    }
    while let Some(labels) = others.iter().filter_map(|source| source.labels.front()).min().cloned() {
        while let Some(only_own) = own.labels.front().filter(|own| **own < labels).cloned() {
            own.take(&only_own).await?;
        }
        let [left, right] = &mut others;
        let (left, right) = (left.take(&labels).await?, right.take(&labels).await?);
        let held = own.take(&labels).await?;
        let write = missing(&held, [&left, &right]);
        add(&mut frame, &labels, &write);
        sink.metrics.recovery_series.inc();
        if frame.sample_count() >= FRAME_SAMPLES || frame.series_count() >= FRAME_SERIES {
            sink.flush(&mut frame).await?;
        }
    }
    sink.flush(&mut frame).await
}

fn add(frame: &mut FrameBuilder, labels: &Labels, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    frame.series(labels.series_hash(), labels.as_bytes());
    for Sample { timestamp, value } in samples {
        if let Value::Float(value) = value {
            frame.float(timestamp.0, *value);
        }
    }
    for Sample { timestamp, value } in samples {
        if let Value::Histogram(histogram) = value {
            frame.histogram(timestamp.0, &histogram.to_bytes());
        }
    }
}

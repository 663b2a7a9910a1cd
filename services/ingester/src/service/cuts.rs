//! An owner's part in cuts: it seals when asked to, tells digests, and hands out what another owner lacks.
//!
//! A seal counts only from a complete owner (rule 2, F-5) that acts on the epoch of the cut (rule 3), so phase and epoch are
//! checked like for a read, and the pass of the epoch is held until the seal is synced. Digests and chunks are made on a blocking
//! thread, a batch ahead of what the caller has read.

use std::{ops::Range, sync::Arc};

use futures::StreamExt;
use narthex_model::{Cut, Epoch, Labels, ManifestRevision, RingRevision, Window, WorkspaceId};
use narthex_rpc::{
    SelectStream,
    v1::{
        ChunkBatch, CutRef, Digest, DigestBatch, FetchRequest, FlushRequest, FlushResponse, SealRequest,
        SelectResponse, SeriesBatch, SourceState, cuts_server::Cuts, select_response::Part,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};

use super::{
    IngesterService,
    context::{known_workspace, own_partition},
    select::{chunk_message, status_of},
};
use crate::{flush::FlushError, storage::CutView};

/// Series of one message of labels and digests.
const SERIES: usize = 1_024;
/// Most series of one Fetch.
const MAX_FETCH: usize = 10_000;
/// Bytes of chunks of one message.
const MESSAGE_BYTES: usize = 1 << 20;
/// Messages made ahead.
const AHEAD: usize = 4;

type Sender = mpsc::Sender<Result<SelectResponse, Status>>;

#[async_trait]
impl Cuts for IngesterService {
    type SealStream = SelectStream;
    type FetchStream = SelectStream;

    async fn seal(&self, request: Request<SealRequest>) -> Result<Response<SelectStream>, Status> {
        let answer = async {
            let cut = request.into_inner().cut;
            let cut = cut.ok_or_else(|| Status::invalid_argument("the cut is missing"))?;
            let view = self.sealed_cut(&cut).await?;
            let state = self.cut_state(&cut)?;
            Ok(produce(Part::State(state), move |sender| send_digests(&view, &sender)))
        };
        self.counted("seal", answer.await)
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<SelectStream>, Status> {
        let answer = async {
            let FetchRequest { cut, labels } = request.into_inner();
            let cut = cut.ok_or_else(|| Status::invalid_argument("the cut is missing"))?;
            if labels.len() > MAX_FETCH {
                return Err(Status::invalid_argument(format!("more than {MAX_FETCH} series at once")));
            }
            let labels: Vec<Labels> = labels
                .into_iter()
                .map(Labels::from_canonical)
                .collect::<Result<_, _>>()
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            let view = self.sealed_cut(&cut).await?;
            let state = self.cut_state(&cut)?;
            Ok(produce(Part::State(state), move |sender| send_chunks(&view, &labels, &sender)))
        };
        self.counted("fetch", answer.await)
    }

    async fn flush(&self, request: Request<FlushRequest>) -> Result<Response<FlushResponse>, Status> {
        let bytes = request.into_inner().workspace;
        let answer = async {
            let workspace = match &bytes[..] {
                [] => None,
                bytes => Some(
                    WorkspaceId::from_slice(bytes)
                        .map_err(|error| Status::invalid_argument(error.to_string()))?,
                ),
            };
            let flusher = self.flusher().ok_or_else(|| {
                Status::failed_precondition(
                    "this ingester has no bucket, so it cannot flush: set --bucket.url",
                )
            })?;
            Ok(flusher.flush_now(workspace).await)
        };
        self.counted("flush", answer.await)
    }
}

impl IngesterService {
    /// The state before a cut's content, which does not depend on what is forgotten of other cuts.
    fn cut_state(&self, cut: &CutRef) -> Result<SourceState, Status> {
        self.source_state(RingRevision(cut.ring_revision), Epoch(cut.epoch), ManifestRevision(0))
    }

    /// Seals a cut of this owner's partition, if it may, and gives its content.
    pub(crate) async fn sealed_cut(&self, cut: &CutRef) -> Result<Arc<CutView>, Status> {
        self.phase().check_reads().map_err(Status::unavailable)?;
        own_partition(self.partition(), cut.partition)?;
        let workspace = WorkspaceId::from_slice(&cut.workspace)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let pass = self.gate()?.enter(RingRevision(cut.ring_revision)).await?;
        self.phase().check_reads().map_err(Status::unavailable)?;
        let adopted = pass.adopted().epoch;
        if adopted.0 != cut.epoch {
            return Err(Status::failed_precondition(format!(
                "a cut of epoch {} cannot be sealed here, this owner acts on epoch {adopted}",
                cut.epoch
            )));
        }
        known_workspace(self.cluster(), pass.snapshot(), workspace).await?;
        let (storage, window) = (self.storage()?.clone(), Window(cut.window));
        storage.seal(workspace, adopted, window).await.map_err(|error| status_of(&error))?;
        drop(pass);
        let view = tokio::task::spawn_blocking(move || storage.cut(workspace, adopted, window)).await;
        let view = view.map_err(|_| Status::unavailable("the owner is stopping"))?;
        Ok(Arc::new(view.map_err(|error| status_of(&error))?))
    }

    /// Lets go of a cut that was read as committed in the manifest of this revision.
    pub(crate) async fn release_cut(
        &self,
        workspace: WorkspaceId,
        cut: Cut,
        revision: ManifestRevision,
    ) -> Result<(), FlushError> {
        let storage = self.storage().map_err(FlushError::NotNow)?;
        storage.act(workspace, revision).await?;
        let gate = self.gate().map_err(FlushError::NotNow)?;
        // Held to the end: what a later epoch takes in must not go with an earlier epoch's cut.
        let pass = gate.enter(RingRevision(0)).await.map_err(FlushError::NotNow)?;
        storage.release(workspace, cut.epoch, cut.window, pass.adopted().epoch).await?;
        Ok(())
    }

    /// The cut of a window as this owner would seal it now, and whether its partition takes writes.
    pub(crate) fn cut_of(&self, window: Window) -> Result<(Cut, bool), Status> {
        let adopted = self.record()?.get().adopted;
        Ok((Cut { partition: self.partition(), epoch: adopted.epoch, window }, adopted.active))
    }
}

/// A stream whose messages a blocking thread makes until the reader goes away.
fn produce(first: Part, make: impl FnOnce(Sender) -> Result<(), Status> + Send + 'static) -> SelectStream {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let failed = sender.clone();
    tokio::task::spawn_blocking(move || {
        let began = sender.blocking_send(Ok(SelectResponse { part: Some(first) }));
        if began.is_ok()
            && let Err(status) = make(sender)
        {
            let _ = failed.blocking_send(Err(status));
        }
    });
    ReceiverStream::new(receiver).boxed()
}

/// Sends a part; false when nobody listens any more.
fn send(sender: &Sender, part: Part) -> bool {
    sender.blocking_send(Ok(SelectResponse { part: Some(part) })).is_ok()
}

/// Batches of labels, each followed by its digests.
fn send_digests(view: &CutView, sender: &Sender) -> Result<(), Status> {
    for first in (0..view.len()).step_by(SERIES) {
        let places = first..view.len().min(first + SERIES);
        let digests = view.digests(places.clone()).map_err(|error| status_of(&error))?;
        let labels = labels_of(view, places.clone());
        let digests = places.zip(digests).map(|(place, digest)| Digest {
            series: place as u32,
            window: view.window().0,
            hash_high: (digest.hash >> 64) as u64,
            hash_low: digest.hash as u64,
            samples: digest.samples,
        });
        let digests = DigestBatch { digests: digests.collect() };
        if !(send(sender, Part::Series(labels)) && send(sender, Part::Digests(digests))) {
            break;
        }
    }
    Ok(())
}

fn labels_of(view: &CutView, places: Range<usize>) -> SeriesBatch {
    let labels = places.filter_map(|place| view.label_set(place));
    SeriesBatch { labels: labels.map(|labels| labels.as_bytes().clone()).collect() }
}

/// The labels that the cut has of those asked for, then their chunks.
fn send_chunks(view: &CutView, asked: &[Labels], sender: &Sender) -> Result<(), Status> {
    let places: Vec<usize> = asked.iter().filter_map(|labels| view.place_of(labels)).collect();
    let labels = places.iter().filter_map(|place| view.label_set(*place));
    let labels = SeriesBatch { labels: labels.map(|labels| labels.as_bytes().clone()).collect() };
    if !send(sender, Part::Series(labels)) {
        return Ok(());
    }
    let (mut batch, mut bytes) = (ChunkBatch::default(), 0);
    for (series, place) in places.into_iter().enumerate() {
        let chunks = view.chunks(place..place + 1).map_err(|error| status_of(&error))?;
        for chunk in chunks.iter().flatten() {
            bytes += chunk.data.len();
            batch.chunks.push(chunk_message(series as u32, chunk));
        }
        if bytes >= MESSAGE_BYTES {
            bytes = 0;
            if !send(sender, Part::Chunks(std::mem::take(&mut batch))) {
                return Ok(());
            }
        }
    }
    if !batch.chunks.is_empty() {
        send(sender, Part::Chunks(batch));
    }
    Ok(())
}

//! The gateway's gRPC service, [`SeriesSource`], over blocks.
//!
//! [`GatewayService`] is cheap to clone and is called through the generated trait by the network and by the all-in-one alike. Every
//! call names workspace, time range and blocks (see `context`), waits for its turn, and then reads on the gateway's own
//! threads. Blocks hold no metadata of metrics: that call has an empty answer.

mod context;
mod names;

use std::sync::Arc;

use futures::StreamExt;
use narthex_cluster::Cluster;
use narthex_rpc::{
    AggregateStream, SelectStream, SeriesStream,
    v1::{
        AggregateRequest, LabelNamesRequest, LabelValuesRequest, LabelsResponse, MetadataRequest,
        MetadataResponse, SelectRequest, SeriesBatch, SeriesRequest, SeriesResponse, SourceState,
        series_response::Part, series_source_server::SeriesSource,
    },
};
use tonic::{Request, Response, Status, async_trait};

use self::context::{Asked, alternatives, matchers};
use crate::{
    admission::{Admission, Turn},
    blocks::{Blocks, Bounds, Question, ReadError},
    metrics::{Metrics, Outcome, RequestLabels},
    select::{Held, find, stream},
    workers::Workers,
};

/// Label sets in one message of Series.
const SERIES_BATCH: usize = 2_000;

/// What a service is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) workers: Arc<Workers>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) admission: Arc<Admission>,
    /// Series of one request, before the same series of several blocks are merged.
    pub(crate) max_series: u64,
    /// Bytes read from one block by one request.
    pub(crate) max_read: u64,
    pub(crate) cluster: Cluster,
    pub(crate) metrics: Metrics,
}

/// The service. Cloning shares it.
#[derive(Debug, Clone)]
pub struct GatewayService(Arc<Parts>);

impl GatewayService {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    #[cfg(test)]
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    async fn enter(&self, asked: &Asked) -> Result<Turn, ReadError> {
        self.0.admission.enter(asked.workspace).await
    }

    /// A gateway acts on no epoch and on no manifest but its caller's.
    fn state(&self) -> SourceState {
        let ring_revision = self.0.cluster.snapshot().ring.revision().0;
        SourceState { ring_revision, ..SourceState::default() }
    }

    /// Bounds of reads that give names, not samples.
    fn bounds(&self) -> Bounds {
        Bounds {
            series: self.0.max_series,
            samples: u64::MAX,
            bytes: u64::MAX,
            block_series: self.0.max_series,
            read: self.0.max_read,
        }
    }

    async fn select_messages(&self, request: SelectRequest) -> Result<SelectStream, Status> {
        let asked = Asked::parse(request.context)?;
        let question = Arc::new(Question::new(matchers(&request.matchers)?));
        let unless_0 = |bound: u64| if bound == 0 { u64::MAX } else { bound };
        let bounds = Bounds {
            series: unless_0(request.max_series).min(self.0.max_series),
            samples: unless_0(request.max_samples),
            bytes: unless_0(request.max_bytes),
            ..self.bounds()
        };
        let turn = self.enter(&asked).await?;
        let (parts, state) = (Arc::clone(&self.0), self.state());
        let answer = async move {
            let Parts { workers, blocks, admission, metrics, .. } = &*parts;
            let found =
                find(workers, blocks, admission, asked.blocks, &question, asked.range, bounds).await?;
            let memory = turn.reserve(found.memory()).await?;
            let held = Held { turn, memory };
            Ok::<_, ReadError>(stream(workers, blocks, state, found, bounds, held, metrics.clone()).await)
        };
        Ok(self.0.workers.spawn(answer).result().await.map_err(ReadError::from)??)
    }

    async fn series_messages(&self, request: SeriesRequest) -> Result<SeriesStream, Status> {
        let asked = Asked::parse(request.context)?;
        let selectors = alternatives(&request.selectors)?;
        let _turn = self.enter(&asked).await?;
        let series = names::series(&self.0, asked, selectors, self.bounds(), request.limit).await?;
        let batches: Vec<Part> = series
            .chunks(SERIES_BATCH)
            .map(|batch| {
                let labels = batch.iter().map(|labels| labels.as_bytes().clone()).collect();
                Part::Series(SeriesBatch { labels })
            })
            .collect();
        let parts = std::iter::once(Part::State(self.state())).chain(batches);
        let messages = parts.map(|part| Ok(SeriesResponse { part: Some(part) }));
        Ok(futures::stream::iter(messages).boxed())
    }

    async fn names(&self, request: LabelNamesRequest) -> Result<LabelsResponse, Status> {
        let asked = Asked::parse(request.context)?;
        let selectors = alternatives(&request.selectors)?;
        let _turn = self.enter(&asked).await?;
        let values = names::label_names(&self.0, asked, selectors, self.bounds(), request.limit).await?;
        Ok(LabelsResponse { state: Some(self.state()), values })
    }

    async fn values(&self, request: LabelValuesRequest) -> Result<LabelsResponse, Status> {
        let LabelValuesRequest { context, selectors, name, limit } = request;
        let asked = Asked::parse(context)?;
        let selectors = alternatives(&selectors)?;
        let _turn = self.enter(&asked).await?;
        let values = names::label_values(&self.0, asked, name, selectors, self.bounds(), limit).await?;
        Ok(LabelsResponse { state: Some(self.state()), values })
    }

    fn counted<T>(&self, method: &'static str, answer: Result<T, Status>) -> Result<Response<T>, Status> {
        let outcome = Outcome::of(answer.as_ref().map_or_else(Status::code, |_| tonic::Code::Ok));
        self.0.metrics.requests.get_or_create(&RequestLabels { method, outcome }).inc();
        answer.map(Response::new)
    }
}

#[async_trait]
impl SeriesSource for GatewayService {
    type AggregateStream = AggregateStream;
    type SelectStream = SelectStream;
    type SeriesStream = SeriesStream;

    /// A series lies in many blocks, and its windows reach over their borders.
    async fn aggregate(&self, _: Request<AggregateRequest>) -> Result<Response<AggregateStream>, Status> {
        Err(Status::unimplemented("aggregations are not answered where blocks are"))
    }

    async fn select(&self, request: Request<SelectRequest>) -> Result<Response<SelectStream>, Status> {
        self.counted("select", self.select_messages(request.into_inner()).await)
    }

    async fn label_names(
        &self,
        request: Request<LabelNamesRequest>,
    ) -> Result<Response<LabelsResponse>, Status> {
        self.counted("label_names", self.names(request.into_inner()).await)
    }

    async fn label_values(
        &self,
        request: Request<LabelValuesRequest>,
    ) -> Result<Response<LabelsResponse>, Status> {
        self.counted("label_values", self.values(request.into_inner()).await)
    }

    async fn series(&self, request: Request<SeriesRequest>) -> Result<Response<SeriesStream>, Status> {
        self.counted("series", self.series_messages(request.into_inner()).await)
    }

    async fn metadata(
        &self,
        request: Request<MetadataRequest>,
    ) -> Result<Response<MetadataResponse>, Status> {
        let asked = Asked::parse(request.into_inner().context);
        let answer = asked.map(|_| MetadataResponse { state: Some(self.state()), metadata: Vec::new() });
        self.counted("metadata", answer)
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

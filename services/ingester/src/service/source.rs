//! The read side: every call checks phase, partition and epoch first (see `context`), then reads storage.
//!
//! Answers carry the ring revision, the epoch, the disk's incarnation and the newest manifest revision acted on: what was
//! forgotten by then, and so is missing in the answer, is in blocks of that revision or a newer one. Select takes it with the
//! selection, which nothing is forgotten under; the other calls read it after their data.

use std::collections::HashSet;

use futures::StreamExt;
use narthex_model::{Epoch, ManifestRevision, Matcher, RingRevision, WorkspaceId};
use narthex_pushdown::bucket_of;
use narthex_rpc::{
    AggregateStream, SelectStream, SeriesStream,
    v1::{
        AggregateRequest, LabelMatchers, LabelNamesRequest, LabelValuesRequest, LabelsResponse,
        MetadataRequest, MetadataResponse, MetricMetadata, SelectRequest, SeriesBatch, SeriesRequest,
        SeriesResponse, SourceState, series_response::Part, series_source_server::SeriesSource,
    },
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    IngesterService,
    context::{Reading, matchers},
    gate::Pass,
    select::{Messages, status_of, stream},
};
use crate::storage::Budget;

/// Label sets in one message of Series.
const SERIES_BATCH: usize = 2_000;

#[async_trait]
impl SeriesSource for IngesterService {
    type AggregateStream = AggregateStream;
    type SelectStream = SelectStream;
    type SeriesStream = SeriesStream;

    async fn aggregate(
        &self,
        request: Request<AggregateRequest>,
    ) -> Result<Response<AggregateStream>, Status> {
        self.counted("aggregate", self.aggregate_messages(request.into_inner()).await)
    }

    async fn select(&self, request: Request<SelectRequest>) -> Result<Response<SelectStream>, Status> {
        self.counted("select", self.select_messages(request.into_inner()).await)
    }

    async fn label_names(
        &self,
        request: Request<LabelNamesRequest>,
    ) -> Result<Response<LabelsResponse>, Status> {
        let LabelNamesRequest { context, selectors, limit } = request.into_inner();
        let answer = async {
            let Reading { pass, workspace, range } = self.begin_read(context).await?;
            let selectors = alternatives(&selectors)?;
            let values = self.storage()?.label_names(workspace, &selectors, range, limit as usize);
            Ok(LabelsResponse { state: Some(self.state(&pass, workspace)?), values })
        };
        self.counted("label_names", answer.await)
    }

    async fn label_values(
        &self,
        request: Request<LabelValuesRequest>,
    ) -> Result<Response<LabelsResponse>, Status> {
        let LabelValuesRequest { context, selectors, name, limit } = request.into_inner();
        let answer = async {
            let Reading { pass, workspace, range } = self.begin_read(context).await?;
            let selectors = alternatives(&selectors)?;
            let values = self.storage()?.label_values(workspace, &name, &selectors, range, limit as usize);
            Ok(LabelsResponse { state: Some(self.state(&pass, workspace)?), values })
        };
        self.counted("label_values", answer.await)
    }

    async fn series(&self, request: Request<SeriesRequest>) -> Result<Response<SeriesStream>, Status> {
        let SeriesRequest { context, selectors, limit } = request.into_inner();
        let answer = async {
            let Reading { pass, workspace, range } = self.begin_read(context).await?;
            let selectors = alternatives(&selectors)?;
            let series = self.storage()?.series(workspace, &selectors, range, limit as usize);
            let batches: Vec<_> = series
                .chunks(SERIES_BATCH)
                .map(|batch| {
                    let labels = batch.iter().map(|labels| labels.as_bytes().clone()).collect();
                    Part::Series(SeriesBatch { labels })
                })
                .collect();
            let parts = std::iter::once(Part::State(self.state(&pass, workspace)?)).chain(batches);
            let messages = parts.map(|part| Ok(SeriesResponse { part: Some(part) }));
            Ok(futures::stream::iter(messages).boxed())
        };
        self.counted("series", answer.await)
    }

    async fn metadata(
        &self,
        request: Request<MetadataRequest>,
    ) -> Result<Response<MetadataResponse>, Status> {
        let MetadataRequest { context, metric, limit } = request.into_inner();
        let answer = async {
            let Reading { pass, workspace, .. } = self.begin_read(context).await?;
            let metadata = self.own_metadata(workspace, &metric, limit as usize)?;
            Ok(MetadataResponse { state: Some(self.state(&pass, workspace)?), metadata })
        };
        self.counted("metadata", answer.await)
    }
}

impl IngesterService {
    async fn select_messages(&self, request: SelectRequest) -> Result<SelectStream, Status> {
        let matchers = matchers(&request.matchers)?;
        let SelectRequest { context, max_series, max_samples, max_bytes, buckets, .. } = request;
        let Reading { pass, workspace, range } = self.begin_read(context).await?;
        let budget = Budget { max_series, max_samples, max_bytes };
        let selected = self.storage()?.select(workspace, &matchers, range, budget);
        let mut selection = selected.map_err(|error| status_of(&error))?;
        if !buckets.is_empty() {
            let wanted: HashSet<u32> = buckets.into_iter().collect();
            selection.retain(|labels| wanted.contains(&bucket_of(labels.series_hash())));
        }
        let snapshot = pass.snapshot().ring.revision();
        let state = self.source_state(snapshot, pass.adopted().epoch, selection.acted_revision())?;
        Ok(stream(Messages::new(state, selection, budget)))
    }

    pub(crate) fn own_metadata(
        &self,
        workspace: WorkspaceId,
        metric: &str,
        limit: usize,
    ) -> Result<Vec<MetricMetadata>, Status> {
        let found = self.storage()?.metadata(workspace, metric, limit).into_iter();
        let wire = found.map(|entry| MetricMetadata {
            metric: entry.metric,
            r#type: entry.kind.to_wire() as i32,
            help: entry.help,
            unit: entry.unit,
        });
        Ok(wire.collect())
    }

    /// The state after data of a workspace was read.
    fn state(&self, pass: &Pass<'_>, workspace: WorkspaceId) -> Result<SourceState, Status> {
        let acted = self.storage()?.acted_revision(workspace);
        self.source_state(pass.snapshot().ring.revision(), pass.adopted().epoch, acted)
    }

    pub(super) fn source_state(
        &self,
        ring: RingRevision,
        epoch: Epoch,
        acted: ManifestRevision,
    ) -> Result<SourceState, Status> {
        Ok(SourceState {
            ring_revision: ring.0,
            epoch: epoch.0,
            manifest_revision: acted.0,
            incarnation: self.record()?.get().incarnation.0.to_be_bytes().to_vec().into(),
        })
    }

    pub(super) fn counted<T>(
        &self,
        method: &'static str,
        answer: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        self.count(method, answer.as_ref().map_or_else(Status::code, |_| tonic::Code::Ok));
        answer.map(Response::new)
    }
}

fn alternatives(selectors: &[LabelMatchers]) -> Result<Vec<Vec<Matcher>>, Status> {
    selectors.iter().map(|selector| matchers(&selector.matchers)).collect()
}

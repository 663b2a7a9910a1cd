//! The write side: phase, epoch and workspace are checked, then storage does the work.
//!
//! The pass of the epoch gate is held until the reply, so a push is stored in the epoch that it is answered with or not at all
//! (rule 3). A future that is dropped half-way may have stored the samples without saying so, which W-1 allows.

use narthex_cluster::WorkspaceStatus;
use narthex_model::{Epoch, RingRevision, TimestampMs, WorkspaceId};
use narthex_rpc::{
    frame::Frame,
    v1::{PushRequest, PushResponse, SampleRefusal, push_server::Push},
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    IngesterService,
    context::{known_workspace, own_partition},
    metrics::{Outcome, RequestLabels},
    phase::Phase,
    select::status_of,
};
use crate::{head::PushLimits, storage::StorageError};

#[async_trait]
impl Push for IngesterService {
    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        let result = self.store(request.into_inner()).await;
        self.count("push", result.as_ref().map_or_else(Status::code, |_| tonic::Code::Ok));
        result.map(Response::new)
    }
}

impl IngesterService {
    async fn store(&self, request: PushRequest) -> Result<PushResponse, Status> {
        let phase = self.phase();
        phase.check_writes().map_err(Status::unavailable)?;
        own_partition(self.partition(), request.partition)?;
        let workspace = WorkspaceId::from_slice(&request.workspace)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let frame =
            Frame::parse(request.frame).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let storage = self.storage()?;
        let pass = self.gate()?.enter(RingRevision(request.ring_revision)).await?;
        pass.adopted().accepts(Epoch(request.epoch)).map_err(Status::failed_precondition)?;
        let found = known_workspace(self.cluster(), pass.snapshot(), workspace).await?;
        if found.status == WorkspaceStatus::Deleting {
            return Err(Status::not_found(format!("workspace {workspace} is being deleted")));
        }
        let limits = PushLimits {
            out_of_order_window_ms: found.out_of_order_window_ms,
            max_age_ms: self.max_age_ms(),
            max_series: found.max_active_series.unwrap_or(u64::MAX),
            from_peer: false,
        };
        let received = TimestampMs(request.received_ms);
        let epoch = pass.adopted().epoch;
        let pushed = storage
            .push(workspace, epoch, received, frame, limits)
            .await
            .map_err(|error| self.failed(&error))?;
        let refusals = pushed
            .refusals
            .iter()
            .map(|refusal| SampleRefusal { sample: refusal.sample, reason: refusal.reason.into() });
        Ok(PushResponse {
            ring_revision: pass.snapshot().ring.revision().0,
            epoch: pass.adopted().epoch.0,
            refusals: refusals.collect(),
        })
    }

    /// What storage's failure means to a caller; a broken disk ends the owner's part (it never retries an fsync).
    fn failed(&self, error: &StorageError) -> Status {
        if let StorageError::Failed(reason) = error {
            self.phase().set(Phase::Broken(reason.clone()));
        }
        status_of(error)
    }

    pub(super) fn count(&self, method: &'static str, code: tonic::Code) {
        let labels = RequestLabels { method, outcome: Outcome::of(code) };
        self.metrics().requests.get_or_create(&labels).inc();
    }
}

//! What every call begins with: is this the partition, does the workspace exist, what is the time range.

use std::sync::Arc;

use narthex_cluster::{Cluster, Snapshot, Workspace};
use narthex_model::{MatchOp, Matcher, PartitionId, RingRevision, TimeRange, TimestampMs, WorkspaceId};
use narthex_rpc::v1::{LabelMatcher, ReadContext, label_matcher::Op};
use tonic::Status;

use super::{IngesterService, gate::Pass};

/// Fails unless the request is for the partition that this owner holds.
pub(super) fn own_partition(own: PartitionId, asked: u32) -> Result<(), Status> {
    if asked == own.0 {
        Ok(())
    } else {
        Err(Status::failed_precondition(format!(
            "partition {asked} is not held here, this owner holds {own}: go by a newer ring"
        )))
    }
}

/// The workspace, after one bounded catch-up if it is not known yet. UNAVAILABLE if its absence cannot be proven.
pub(super) async fn known_workspace(
    cluster: &Cluster,
    snapshot: &Snapshot,
    id: WorkspaceId,
) -> Result<Arc<Workspace>, Status> {
    if let Some(found) = snapshot.workspaces.get(&id) {
        return Ok(Arc::clone(found));
    }
    let newer = cluster.catch_up().await.map_err(|error| Status::unavailable(error.to_string()))?;
    newer
        .workspaces
        .get(&id)
        .cloned()
        .ok_or_else(|| Status::not_found(format!("workspace {id} does not exist")))
}

/// A read whose phase, partition and workspace are checked.
pub(super) struct Reading<'a> {
    pub(super) pass: Pass<'a>,
    pub(super) workspace: WorkspaceId,
    pub(super) range: TimeRange,
}

impl IngesterService {
    /// Checks a read. Phase and epoch are checked together: once a pass is given, all that was acknowledged before is there.
    pub(super) async fn begin_read(&self, context: Option<ReadContext>) -> Result<Reading<'_>, Status> {
        let context = context.ok_or_else(|| Status::invalid_argument("the read context is missing"))?;
        self.phase().check_reads().map_err(Status::unavailable)?;
        own_partition(self.partition(), context.partition)?;
        let workspace = WorkspaceId::from_slice(&context.workspace)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let pass = self.gate()?.enter(RingRevision(context.ring_revision)).await?;
        self.phase().check_reads().map_err(Status::unavailable)?;
        let range = TimeRange { min: TimestampMs(context.min_ms), max: TimestampMs(context.max_ms) };
        Ok(Reading { pass, workspace, range })
    }
}

/// The matchers of a request; a pattern that does not compile is the caller's fault.
pub(super) fn matchers(matchers: &[LabelMatcher]) -> Result<Vec<Matcher>, Status> {
    let one = |matcher: &LabelMatcher| {
        let op = match matcher.op() {
            Op::Equal => MatchOp::Equal,
            Op::NotEqual => MatchOp::NotEqual,
            Op::Regex => MatchOp::Regex,
            Op::NotRegex => MatchOp::NotRegex,
        };
        Matcher::new(&matcher.name, op, &matcher.value)
            .map_err(|error| Status::invalid_argument(error.to_string()))
    };
    matchers.iter().map(one).collect()
}

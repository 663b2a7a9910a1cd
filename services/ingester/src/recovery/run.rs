//! The shell of recovery: asks the other owners workspace by workspace, and tries again until all is copied.

use std::time::Duration;

use futures::StreamExt;
use narthex_cluster::{Snapshot, WorkspaceStatus};
use narthex_model::{RingRevision, TimeRange, WorkspaceId};
use narthex_rpc::{
    Peers, RpcError,
    v1::{MetadataRequest, ReadContext, SelectRequest},
};
use narthex_service::Components;

use super::{
    Doubt, RecordStanding,
    copy::{CopyError, Messages, Sink, Source, copy},
};
use crate::{
    service::{IngesterService, Phase},
    storage::Budget,
};

/// Longest time for one workspace's streams.
const COPY_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Longest time for a small call.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// Pause after a failed attempt: grows from the first to the last.
const PAUSES_MS: [u64; 5] = [100, 300, 1_000, 3_000, 5_000];

/// Makes a RECOVERING owner complete: copies, writes the new standing down, then serves. Returns early at shutdown.
///
/// Must be called when the snapshot has the registration of this incarnation: its ring is the fence that the other owners
/// adopt before they answer.
pub(crate) async fn recover(service: &IngesterService, peers: &Peers, doubt: Doubt, components: &Components) {
    let snapshot = service.cluster().snapshot();
    let fence = snapshot.ring.revision();
    let mut remaining: Vec<_> = snapshot
        .workspaces
        .values()
        .filter(|workspace| workspace.status != WorkspaceStatus::Deleting)
        .map(|workspace| workspace.id)
        .collect();
    remaining.sort_unstable();
    let metrics = service.metrics();
    metrics.recovering.set(1);
    tracing::warn!(doubt = doubt.as_str(), workspaces = remaining.len(), partition = %service.partition(),
        "RECOVERING: writes are taken, reads are refused until both other owners were copied");
    let mut failures = 0;
    loop {
        metrics.recovery_workspaces.set(remaining.len() as i64);
        let step = async {
            match remaining.last() {
                Some(workspace) => copy_workspace(service, peers, *workspace, fence).await.map(|()| true),
                // Also without a workspace both owners must prove that they are complete and have adopted the fence.
                None => prove_sources(service, peers, fence).await.map(|()| false),
            }
        };
        let outcome = tokio::select! {
            outcome = step => outcome,
            () = components.shutdown.cancelled() => return,
        };
        match outcome {
            Ok(true) => {
                failures = 0;
                remaining.pop();
                continue;
            }
            Ok(false) => match complete(service).await {
                Ok(()) => return,
                Err(reason) => tracing::error!(
                    reason,
                    "cannot write down that recovery is complete: check the data disk"
                ),
            },
            Err(error) => {
                metrics.recovery_failures.inc();
                tracing::warn!(%error, workspaces = remaining.len(), "recovery waits for the other owners and tries again");
            }
        }
        let pause = PAUSES_MS[failures.min(PAUSES_MS.len() - 1)];
        failures += 1;
        let pause = Duration::from_millis(pause / 2 + components.random.below(pause));
        tokio::select! {
            () = components.clock.sleep(pause) => {}
            () = components.shutdown.cancelled() => return,
        }
    }
}

async fn complete(service: &IngesterService) -> Result<(), String> {
    let record = service.record().map_err(|status| status.message().to_owned())?.clone();
    let written = tokio::task::spawn_blocking(move || {
        record.update(|record| record.standing = RecordStanding::Complete)
    });
    match written.await {
        Ok(Ok(_)) => {
            let metrics = service.metrics();
            metrics.recovering.set(0);
            service.phase().set(Phase::Serving);
            tracing::info!(
                series = metrics.recovery_series.get(),
                samples = metrics.recovery_samples.get(),
                "recovery is complete, reads are answered again"
            );
            Ok(())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Name and address of both other owners.
fn others(service: &IngesterService, snapshot: &Snapshot) -> Result<[(String, String); 2], CopyError> {
    let partition = service.partition();
    let found = snapshot.ring.partition(partition).ok_or_else(|| {
        CopyError::Owners(format!("partition {partition} is not in the ring, so nobody can say what it held"))
    })?;
    let own = service.record().map_err(RpcError::from)?.get().incarnation;
    let is_self = |owner: &&narthex_ring::Owner| {
        snapshot.instances.get(&owner.instance).is_some_and(|instance| instance.incarnation == Some(own))
    };
    let others: Vec<_> = found
        .owners
        .iter()
        .filter(|owner| !is_self(owner))
        .map(|owner| (owner.instance.to_string(), owner.address.clone()))
        .collect();
    others.try_into().map_err(|others: Vec<_>| {
        CopyError::Owners(format!("partition {partition} has {} other owners, 2 are needed", others.len()))
    })
}

fn context(service: &IngesterService, workspace: WorkspaceId, ring: RingRevision) -> ReadContext {
    ReadContext {
        workspace: workspace.to_bytes().to_vec().into(),
        partition: service.partition().0,
        ring_revision: ring.0,
        min_ms: i64::MIN,
        max_ms: i64::MAX,
        blocks: Vec::new(),
    }
}

async fn copy_workspace(
    service: &IngesterService,
    peers: &Peers,
    workspace: WorkspaceId,
    fence: RingRevision,
) -> Result<(), CopyError> {
    let snapshot = service.cluster().snapshot();
    let ring = snapshot.ring.revision();
    let [left, right] = others(service, &snapshot)?;
    let open = async |(name, address): &(String, String)| {
        let request =
            SelectRequest { context: Some(context(service, workspace, ring)), ..SelectRequest::default() };
        let answers = peers.select(address, request, COPY_LIMIT).await?;
        Source::open(name.clone(), answers.boxed(), fence).await
    };
    let (left_source, right_source) = futures::try_join!(open(&left), open(&right))?;
    let mut metadata = Vec::new();
    for (_, address) in [&left, &right] {
        let request = MetadataRequest {
            context: Some(context(service, workspace, ring)),
            ..MetadataRequest::default()
        };
        metadata.extend(peers.metadata(address, request, CALL_LIMIT).await?.metadata);
    }
    let storage = service.storage().map_err(RpcError::from)?;
    // What this disk sealed lacks what it lost: the cuts are to be sealed again with what is copied now.
    storage.void_seals(workspace).await?;
    let selection = storage.select(workspace, &[], TimeRange::ALL, Budget::default())?;
    let own = service.own_answer(selection).map_err(RpcError::from)?;
    let own: Messages = own.map(|message| message.map_err(RpcError::from)).boxed();
    let own = Source::open("this owner".to_owned(), own, RingRevision(0)).await?;
    let epoch = service.record().map_err(RpcError::from)?.get().adopted.epoch;
    let sink =
        Sink { workspace, storage, metrics: service.metrics(), now: service.data_clock().now(), epoch };
    let acted = left_source.acted().max(right_source.acted());
    copy(own, [left_source, right_source], metadata, &sink).await?;
    // What both forgot before is in blocks, and readers of this owner must be told by which revision.
    if acted > storage.acted_revision(workspace) {
        storage.act(workspace, acted).await?;
    }
    Ok(())
}

/// Both other owners answer reads of the partition on our ring: each is complete and has adopted our epoch.
async fn prove_sources(
    service: &IngesterService,
    peers: &Peers,
    fence: RingRevision,
) -> Result<(), CopyError> {
    let snapshot = service.cluster().snapshot();
    for (name, address) in others(service, &snapshot)? {
        let nothing = WorkspaceId::from_u128(0);
        let request = SelectRequest {
            context: Some(context(service, nothing, snapshot.ring.revision())),
            ..SelectRequest::default()
        };
        let answers = peers.select(&address, request, CALL_LIMIT).await?;
        Source::open(name, answers.boxed(), fence).await?;
    }
    Ok(())
}

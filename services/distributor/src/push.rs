//! One frame to all owners of its partition: the same bytes, at the same time, until the quorum has spoken.
//!
//! Each push is a task of its own, so that the owners that are not waited for still get the frame: once the request is answered
//! (or its client is gone) they have [`PushSettings::linger`] left. What counts as stored is decided by
//! [`WriteQuorum`] alone (W-1, rule 3).

use std::time::Duration;

use narthex_model::{RingRevision, TimestampMs, WorkspaceId, Zone};
use narthex_ring::{Owner, Partition, Replication, WriteQuorum};
use narthex_rpc::{
    Peers, RpcError, frame,
    v1::{PushRequest, PushResponse, sample_refusal::Reason},
};
use narthex_service::SharedClock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{metrics::Metrics, prepare::PartitionFrame};

/// Frames from this size in bytes on are compressed for owners in other processes.
const WORTH_COMPRESSING: usize = 4 << 10;

/// How long pushes may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushSettings {
    /// Longest wait for an owner's answer.
    pub timeout: Duration,
    /// How much longer a push goes on once nobody waits for it.
    pub linger: Duration,
}

/// What every push of a request shares.
#[derive(Debug, Clone)]
pub(crate) struct Pusher {
    pub(crate) peers: Peers,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) settings: PushSettings,
}

/// What a request says with each of its frames.
#[derive(Debug, Clone)]
pub(crate) struct PushContext {
    pub(crate) workspace: WorkspaceId,
    pub(crate) received: TimestampMs,
    pub(crate) replication: Replication,
    pub(crate) ring_revision: RingRevision,
    /// Cancelled when nobody waits for the request any more.
    pub(crate) answered: CancellationToken,
}

/// What became of a frame.
#[derive(Debug)]
pub(crate) struct PushOutcome {
    pub(crate) frame: PartitionFrame,
    pub(crate) quorum: WriteQuorum<Reason>,
    /// Owners that did not store, and why.
    pub(crate) failures: Vec<(Zone, RpcError)>,
    /// Newest ring revision that an owner spoke of.
    pub(crate) newest_ring: u64,
}

impl PushOutcome {
    /// Whether an owner's ring is another one than ours, so that a newer one may bring what is missing.
    pub(crate) fn is_stale(&self, ours: RingRevision) -> bool {
        let refused = self.failures.iter().any(|(_, error)| matches!(error, RpcError::StaleRing(_)));
        !self.quorum.is_decided() && (refused || self.newest_ring > ours.0)
    }

    /// Who is missing, in words.
    pub(crate) fn missing(&self, copies: usize, known: usize) -> String {
        let mut text = format!("partition {}", self.frame.partition);
        for (zone, error) in &self.failures {
            text.push_str(&format!(", {zone}: {error}"));
        }
        if known < copies {
            text.push_str(&format!(", {known} of {copies} owners registered"));
        }
        text
    }
}

impl Pusher {
    /// Pushes a frame and waits until its verdict is settled.
    pub(crate) async fn push(
        &self,
        context: &PushContext,
        partition: &Partition,
        frame: PartitionFrame,
    ) -> PushOutcome {
        let owners = &partition.owners[..partition.owners.len().min(context.replication.copies())];
        let quorum = WriteQuorum::new(context.replication, partition.epoch, frame.samples, owners.len());
        let mut outcome = PushOutcome { frame, quorum, failures: Vec::new(), newest_ring: 0 };
        let plain = outcome.frame.frame.clone();
        let mut packed = None;
        let (answers, mut answered) = mpsc::channel(owners.len().max(1));
        for owner in owners {
            let request = PushRequest {
                workspace: context.workspace.to_bytes().to_vec().into(),
                partition: partition.id.0,
                epoch: partition.epoch.0,
                ring_revision: context.ring_revision.0,
                received_ms: context.received.0,
                frame: if plain.len() < WORTH_COMPRESSING || self.peers.is_local(&owner.address) {
                    plain.clone()
                } else {
                    packed.get_or_insert_with(|| frame::compress(&plain)).clone()
                },
            };
            // At the level that is exported: a span below it would cut the owner off from the request's trace.
            let span = tracing::info_span!(
                "push",
                otel.kind = "client",
                zone = owner.zone.as_str(),
                partition = partition.id.0,
                samples = outcome.frame.samples
            );
            let (push, answers) = (self.clone(), answers.clone());
            let (owner, nobody_waits) = (owner.clone(), context.answered.clone());
            let task = async move {
                let result = push.push_one(&owner, request, nobody_waits).await;
                // Nobody listens once the quorum has spoken.
                let _ = answers.send((owner.zone, result)).await;
            };
            tokio::spawn(task.instrument(span));
        }
        drop(answers);
        while !outcome.quorum.is_settled() {
            let Some((zone, result)) = answered.recv().await else { break };
            outcome.take(zone, result);
        }
        outcome
    }

    async fn push_one(
        &self,
        owner: &Owner,
        request: PushRequest,
        nobody_waits: CancellationToken,
    ) -> Result<PushResponse, RpcError> {
        let began = self.clock.monotonic();
        let linger = async {
            nobody_waits.cancelled().await;
            self.clock.sleep(self.settings.linger).await;
        };
        let result = tokio::select! {
            result = self.peers.push(&owner.address, request, self.settings.timeout) => result,
            () = linger => Err(RpcError::DeadlineExceeded("the request was answered without this owner".into())),
        };
        self.metrics.pushed(
            owner.zone.as_str(),
            self.clock.monotonic().saturating_sub(began),
            result.as_ref().err(),
        );
        if let Err(error) = &result {
            tracing::debug!(address = owner.address, %error, "an owner did not take a push");
        }
        result
    }
}

impl PushOutcome {
    fn take(&mut self, zone: Zone, result: Result<PushResponse, RpcError>) {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                self.quorum.fail();
                self.failures.push((zone, error));
                return;
            }
        };
        self.newest_ring = self.newest_ring.max(response.ring_revision);
        let reasons = response.refusals.iter().map(|refusal| (refusal.sample, refusal.reason()));
        // What is sealed there may be stored in a later epoch, or by the other owners: never refused for good.
        let (sealed, refused): (Vec<_>, Vec<_>) = reasons.partition(|(_, reason)| *reason == Reason::Sealed);
        let sealed: Vec<u32> = sealed.into_iter().map(|(sample, _)| sample).collect();
        if !sealed.is_empty() {
            let text = format!("{} samples are of windows that are sealed there", sealed.len());
            self.failures.push((zone.clone(), RpcError::Unavailable(text)));
        }
        if !self.quorum.answer(narthex_model::Epoch(response.epoch), &refused, &sealed) {
            let text = format!("stored in epoch {}, or listed refusals that make no sense", response.epoch);
            self.failures.push((zone, RpcError::StaleRing(text)));
        }
    }
}

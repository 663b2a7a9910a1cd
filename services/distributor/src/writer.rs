//! The write path of one request: prepare, push, and once more on a newer ring where the ring has changed meanwhile.
//!
//! The reply is success only if every accepted sample has its quorum (W-1). A frame whose owners act on another ring is sharded
//! again on the ring that a bounded catch-up brings; what is written twice that way changes nothing (W-2).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use narthex_cluster::{Cluster, Workspace};
use narthex_ring::Ring;
use narthex_rpc::{Peers, frame::Frame};
use narthex_service::{Components, DataClock, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::Metrics,
    prepare::{PartitionFrame, PrepareError, Prepared, RequestLimits},
    push::{PushContext, PushOutcome, PushSettings, Pusher},
    refusals::Refusals,
    scratch::ScratchPool,
};

/// Compressed size in bytes from which on a body is decoded apart from the threads that serve requests.
const LARGE_BODY: usize = 256 << 10;

/// Pause before owners that do not know our ring yet are asked again.
const OWNERS_BEHIND: Duration = Duration::from_millis(100);

/// Samples that the newest ring has no place for.
type Lost = (PrepareError, u64);

/// How the write path behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterOptions {
    /// What a request may hold.
    pub limits: RequestLimits,
    /// How long pushes may take.
    pub push: PushSettings,
    /// Longest wait for a newer ring.
    pub catch_up_timeout: Duration,
}

/// Why a request is not, or not wholly, stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The body cannot be decoded; nothing of it is stored.
    #[error(transparent)]
    Malformed(#[from] narthex_remote_write::DecodeError),
    /// Some samples are refused for good; all others are stored.
    #[error("{0}")]
    Refused(String),
    /// Owners are missing: send all of it again.
    #[error("{0}")]
    Unavailable(String),
}

/// Writes requests. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cluster: Cluster,
    data_clock: DataClock,
    scratch: ScratchPool,
    pusher: Pusher,
    catch_up_timeout: Duration,
}

impl Writer {
    /// A write path to the owners that `cluster` knows, over `peers`.
    pub fn new(options: WriterOptions, cluster: Cluster, peers: Peers, components: &Components) -> Self {
        let metrics = Metrics::new(&components.registry);
        let pusher = Pusher { peers, clock: components.clock.clone(), metrics, settings: options.push };
        Self(Arc::new(Inner {
            cluster,
            data_clock: components.data_clock.clone(),
            scratch: ScratchPool::new(options.limits),
            pusher,
            catch_up_timeout: options.catch_up_timeout,
        }))
    }

    /// Stores a snappy-compressed write request of remote write 1.0.
    pub async fn write(&self, workspace: &Workspace, body: Bytes) -> Result<(), WriteError> {
        let inner = &self.0;
        let metrics = &inner.pusher.metrics;
        // Owners judge the age of samples by this one stamp.
        let received = inner.data_clock.now();
        metrics.request_bytes.inc_by(body.len() as u64);
        let ring = Arc::clone(&inner.cluster.snapshot().ring);
        let prepared = match self.prepare(Arc::clone(&ring), body).await {
            Ok(prepared) => prepared,
            Err(PrepareError::Decode(error)) => {
                metrics.reject("malformed");
                return Err(error.into());
            }
            Err(error @ PrepareError::NoPartition) => {
                metrics.reject("no_active_partition");
                return Err(WriteError::Unavailable(format!("{error}; retry later")));
            }
        };
        metrics
            .received
            .inc_by(prepared.samples + prepared.refused.counts().map(|(_, samples)| samples).sum::<u64>());
        metrics.exemplars.inc_by(prepared.exemplars);
        metrics.metadata.inc_by(prepared.metadata);
        metrics.metadata_dropped.inc_by(prepared.metadata_dropped);
        metrics.decoded_bytes.inc_by(prepared.decoded_bytes as u64);
        let answered = CancellationToken::new();
        // Also when the client goes away: the pushes then have their last two seconds.
        let _answered = answered.clone().drop_guard();
        let context = PushContext {
            workspace: workspace.id,
            received,
            replication: ring.replication(),
            ring_revision: ring.revision(),
            answered,
        };
        self.push(workspace, prepared, ring, context).await
    }

    async fn prepare(&self, ring: Arc<Ring>, body: Bytes) -> Result<Prepared, PrepareError> {
        let inner = Arc::clone(&self.0);
        let large = body.len() >= LARGE_BODY;
        let work = move || {
            inner.scratch.with(|scratch| {
                let prepared = scratch.prepare(&ring, &body);
                let decoded = prepared.as_ref().map_or(usize::MAX, |prepared| prepared.decoded_bytes);
                (prepared, decoded)
            })
        };
        if large {
            tokio::task::spawn_blocking(work).await.expect("preparing a request does not panic")
        } else {
            work()
        }
    }

    async fn push(
        &self,
        workspace: &Workspace,
        prepared: Prepared,
        ring: Arc<Ring>,
        mut context: PushContext,
    ) -> Result<(), WriteError> {
        let Prepared { frames, mut refused, .. } = prepared;
        let mut summary = Summary::default();
        let outcomes = self.push_frames(&ring, &context, frames, &mut summary).await;
        let (stale, done): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|o| o.is_stale(ring.revision()));
        done.iter().for_each(|outcome| summary.add(outcome, &ring, workspace, &mut refused));
        if !stale.is_empty() {
            self.0.pusher.metrics.ring_retries.inc();
            let (newer, frames) = self.retry(ring, stale).await;
            (context.ring_revision, context.replication) = (newer.revision(), newer.replication());
            match frames {
                Ok(frames) => {
                    let outcomes = self.push_frames(&newer, &context, frames, &mut summary).await;
                    outcomes.iter().for_each(|outcome| summary.add(outcome, &newer, workspace, &mut refused));
                }
                Err((error, samples)) => summary.lose(samples, error.to_string()),
            }
        }
        self.conclude(&summary, &refused)
    }

    async fn push_frames(
        &self,
        ring: &Ring,
        context: &PushContext,
        frames: Vec<PartitionFrame>,
        summary: &mut Summary,
    ) -> Vec<PushOutcome> {
        let mut pushes = Vec::with_capacity(frames.len());
        for frame in frames {
            match ring.partition(frame.partition) {
                Some(partition) => pushes.push(self.0.pusher.push(context, partition, frame)),
                // Cannot be: frames are sharded by this ring.
                None => summary.lose(frame.samples.into(), format!("partition {} is gone", frame.partition)),
            }
        }
        join_all(pushes).await
    }

    /// The newest ring that can be had in time, and the frames sharded by it. Where it is still the same ring it is the owners that
    /// are behind, by milliseconds as a rule; they get a moment.
    async fn retry(
        &self,
        ring: Arc<Ring>,
        stale: Vec<PushOutcome>,
    ) -> (Arc<Ring>, Result<Vec<PartitionFrame>, Lost>) {
        let inner = &self.0;
        let clock = inner.pusher.clock.as_ref();
        // Whether or not the control plane answers, the watch may have brought a newer ring.
        let _ = timeout(clock, inner.catch_up_timeout, inner.cluster.catch_up()).await;
        let newest = Arc::clone(&inner.cluster.snapshot().ring);
        if newest.revision() <= ring.revision() {
            clock.sleep(OWNERS_BEHIND).await;
            return (ring, Ok(stale.into_iter().map(|outcome| outcome.frame).collect()));
        }
        let frames = stale.iter().map(|outcome| Frame::parse(outcome.frame.frame.clone()));
        let frames: Vec<_> = frames.map(|frame| frame.expect("a frame that was built here")).collect();
        let resharded = inner.scratch.with(|scratch| (scratch.reshard(&newest, &frames), 0));
        let samples = || stale.iter().map(|outcome| u64::from(outcome.frame.samples)).sum();
        (newest, resharded.map_err(|error| (error, samples())))
    }

    fn conclude(&self, summary: &Summary, refused: &Refusals) -> Result<(), WriteError> {
        let metrics = &self.0.pusher.metrics;
        metrics.acknowledged.inc_by(summary.acknowledged);
        metrics.unavailable.inc_by(summary.unavailable);
        refused.counts().for_each(|(reason, samples)| metrics.refuse(reason, samples));
        if !summary.missing.is_empty() {
            metrics.reject("no_quorum");
            let missing = summary.missing.join("; ");
            tracing::warn!(
                samples = summary.unavailable,
                missing,
                "no quorum for a write; are its ingesters up?"
            );
            return Err(WriteError::Unavailable(format!("no quorum of owners, retry: {missing}")));
        }
        if refused.is_empty() { Ok(()) } else { Err(WriteError::Refused(refused.text())) }
    }
}

/// What became of all frames together.
#[derive(Debug, Default)]
struct Summary {
    acknowledged: u64,
    unavailable: u64,
    /// Partitions without a quorum and the zones that failed them.
    missing: Vec<String>,
}

impl Summary {
    fn add(&mut self, outcome: &PushOutcome, ring: &Ring, workspace: &Workspace, refused: &mut Refusals) {
        let acknowledged = u64::from(outcome.quorum.acknowledged());
        self.acknowledged += acknowledged;
        let mut refused_here = 0;
        if outcome.quorum.refused().next().is_some() {
            let frame = Frame::parse(outcome.frame.frame.clone()).expect("a frame that was built here");
            for (sample, reason) in outcome.quorum.refused() {
                refused.add_sample(reason, workspace, &frame, sample);
                refused_here += 1;
            }
        }
        let unavailable = u64::from(outcome.frame.samples) - acknowledged - refused_here;
        if unavailable > 0 {
            let known = ring.partition(outcome.frame.partition).map_or(0, |partition| partition.owners.len());
            self.lose(unavailable, outcome.missing(ring.replication().copies(), known));
        }
    }

    /// Metadata alone is not worth a retry (it comes again every minute), so frames without samples never get here.
    fn lose(&mut self, samples: u64, why: String) {
        self.unavailable += samples;
        self.missing.push(why);
    }
}

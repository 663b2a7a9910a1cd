//! Reads a group of blocks from its gateway, or from whichever gateway answers.
//!
//! A gateway that fails or is silent has its blocks spread over the next ones in order, each over its own. Hedging waits
//! longer from gateway to gateway, so that a slow bucket is not asked for the same bytes by all of them at once.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt};
use narthex_manifest::Entry;
use narthex_model::{BlockId, InstanceId};
use narthex_promql::SourceError;
use narthex_ring::Owner;
use narthex_service::SharedClock;
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
};
use tracing::Instrument;

use super::{
    Failure,
    ask::Target,
    block_plan::{BlockFailure, named_in},
    failure::OwnerError,
    gateways::{Gateways, Group},
    partition::{OwnerCall, Progress},
};
use crate::metrics::{Metrics, Reason};

/// Requests of one read to gateways at a time.
const IN_FLIGHT: usize = 16;

/// How much more patience the next gateway meets.
const PATIENCE: u32 = 4;

/// Makes the question for a target.
pub(crate) type Ask<T> = Arc<dyn Fn(Target) -> OwnerCall<T> + Send + Sync>;

/// Why blocks were not read.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The whole read is over.
    Fatal(SourceError),
    /// These blocks cannot be read.
    Blocks(Vec<BlockId>, BlockFailure),
}

/// Fetches the blocks of one read. Cloning shares everything.
pub(crate) struct Fetch<T> {
    pub(crate) gateways: Arc<Gateways>,
    pub(crate) ask: Ask<T>,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) hedge_after: Duration,
    slots: Arc<Semaphore>,
}

impl<T> Clone for Fetch<T> {
    fn clone(&self) -> Self {
        Self {
            gateways: Arc::clone(&self.gateways),
            ask: Arc::clone(&self.ask),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
            hedge_after: self.hedge_after,
            slots: Arc::clone(&self.slots),
        }
    }
}

/// What was tried for a group before.
#[derive(Debug, Clone, Default)]
struct Tried {
    gateways: Vec<InstanceId>,
    /// What they said.
    words: Vec<String>,
}

impl Tried {
    fn and(&self, gateway: &Owner, word: &Failure) -> Self {
        let mut tried = self.clone();
        tried.gateways.push(gateway.instance.clone());
        tried.words.push(format!("{} {word}", gateway.instance));
        tried
    }
}

type Fetched<T> = Result<Vec<T>, FetchError>;

impl<T: Send + 'static> Fetch<T> {
    pub(crate) fn new(
        gateways: Arc<Gateways>,
        ask: Ask<T>,
        clock: SharedClock,
        metrics: Metrics,
        hedge_after: Duration,
    ) -> Self {
        Self { gateways, ask, clock, metrics, hedge_after, slots: Arc::new(Semaphore::new(IN_FLIGHT)) }
    }

    /// The first choice for every block; each group is fetched by itself.
    pub(crate) fn groups(&self, blocks: &[Arc<Entry>]) -> Result<Vec<Group>, FetchError> {
        self.gateways.assign(blocks, &[]).ok_or_else(|| unreachable(blocks, &Tried::default()))
    }

    /// Everything in a group of blocks, in one answer or more.
    pub(crate) async fn group(self, group: Group) -> Fetched<T> {
        let slots = Arc::clone(&self.slots);
        let _slot = slots.acquire_owned().await.map_err(|_| lost("its slot is closed"))?;
        self.request(group, Tried::default(), 1).await
    }

    /// Asks one gateway, and others in its place where it fails or is silent.
    async fn request(self, group: Group, tried: Tried, patience: u32) -> Fetched<T> {
        let (gateway, blocks) = group;
        let progress = Progress::default();
        let mut first = JoinSet::new();
        let call = (self.ask)(Target::Blocks(blocks.clone()));
        self.metrics.blocks_asked.inc_by(blocks.len() as u64);
        first.spawn(call(gateway.clone(), progress.clone()).in_current_span());
        let mut others: Option<BoxFuture<'static, Fetched<T>>> = None;
        let mut said: Option<FetchError> = None;
        loop {
            let before = progress.count();
            let waiting = !first.is_empty();
            tokio::select! {
                biased;
                Some(done) = first.join_next(), if waiting => {
                    let failure = match done.map_err(joined)? {
                        Ok(answer) => return Ok(vec![answer.data]),
                        Err(OwnerError::Fatal(error)) => return Err(FetchError::Fatal(error)),
                        Err(OwnerError::Failed(failure)) => failure,
                    };
                    self.note(&gateway, &failure);
                    if let Some(error) = final_word(&blocks, &failure) {
                        return Err(error);
                    }
                    if let Some(FetchError::Blocks(blocks, BlockFailure::Unreachable(text))) = said {
                        let text = format!("{text}; then {} {failure}", gateway.instance);
                        return Err(FetchError::Blocks(blocks, BlockFailure::Unreachable(text)));
                    }
                    if others.is_none() {
                        let tried = tried.and(&gateway, &failure);
                        self.metrics.gateway_failovers.inc();
                        return self.others(blocks, tried, patience).await;
                    }
                }
                done = async { others.as_mut().expect("polled only while others are asked").await }, if others.is_some() => {
                    others = None;
                    match done {
                        // The first may still answer.
                        Err(error @ FetchError::Blocks(_, BlockFailure::Unreachable(_))) if waiting => {
                            said = Some(error);
                        }
                        done => return done,
                    }
                }
                () = self.clock.sleep(self.hedge_after.saturating_mul(patience)), if waiting && others.is_none() && said.is_none() => {
                    if progress.count() == before {
                        self.metrics.hedged_gateways.inc();
                        let tried = tried.and(&gateway, &Failure::Silent);
                        others = Some(self.clone().others(blocks.clone(), tried, patience.saturating_mul(PATIENCE)));
                    }
                }
            }
        }
    }

    /// Asks the next gateways for blocks that the tried ones did not give.
    fn others(self, blocks: Vec<Arc<Entry>>, tried: Tried, patience: u32) -> BoxFuture<'static, Fetched<T>> {
        async move {
            let groups = self.gateways.assign(&blocks, &tried.gateways);
            let groups = groups.ok_or_else(|| unreachable(&blocks, &tried))?;
            let mut tasks = JoinSet::new();
            for group in groups {
                tasks.spawn(self.clone().request(group, tried.clone(), patience).in_current_span());
            }
            let mut data = Vec::with_capacity(tasks.len());
            while let Some(done) = tasks.join_next().await {
                data.extend(done.map_err(joined)??);
            }
            Ok(data)
        }
        .boxed()
    }

    fn note(&self, gateway: &Owner, failure: &Failure) {
        self.metrics.gateway_failures.get_or_create(&Reason { reason: failure.as_str() }).inc();
        if !matches!(failure, Failure::BlockMissing(_) | Failure::BlockDamaged(_)) {
            self.gateways.failed(&gateway.instance);
        }
    }
}

/// What every gateway would say.
fn final_word(blocks: &[Arc<Entry>], failure: &Failure) -> Option<FetchError> {
    let failure = match failure {
        Failure::BlockMissing(text) => BlockFailure::Missing(text.clone()),
        Failure::BlockDamaged(text) => BlockFailure::Damaged(text.clone()),
        _ => return None,
    };
    let (BlockFailure::Missing(text) | BlockFailure::Damaged(text) | BlockFailure::Unreachable(text)) =
        &failure;
    Some(FetchError::Blocks(named_in(text, &ids(blocks)), failure))
}

fn unreachable(blocks: &[Arc<Entry>], tried: &Tried) -> FetchError {
    let said = match &tried.words[..] {
        [] => "no store-gateway is registered".to_owned(),
        words => words.join("; "),
    };
    let text = format!("{} cannot be read: {said}", names(&ids(blocks)));
    FetchError::Blocks(ids(blocks), BlockFailure::Unreachable(text))
}

pub(crate) fn ids(blocks: &[Arc<Entry>]) -> Vec<BlockId> {
    blocks.iter().map(|entry| entry.id).collect()
}

/// The first few blocks by name.
fn names(blocks: &[BlockId]) -> String {
    const FEW: usize = 3;
    let named: Vec<String> = blocks.iter().take(FEW).map(ToString::to_string).collect();
    let more = blocks.len().saturating_sub(FEW);
    match (blocks.len(), more) {
        (1, _) => format!("block {}", named.join("")),
        (_, 0) => format!("blocks {}", named.join(", ")),
        _ => format!("blocks {} and {more} more", named.join(", ")),
    }
}

fn joined(error: JoinError) -> FetchError {
    lost(&error.to_string())
}

fn lost(why: &str) -> FetchError {
    FetchError::Fatal(SourceError::Internal(format!("reading a gateway's answer failed: {why}")))
}

//! Drives [`ReadQuorum`] of one partition over tasks that ask owners.
//!
//! Every owner is asked in a task of its own, so that answers are decoded on several cores; dropping the read ends them
//! all. Silence longer than the hedging delay makes the next owner be asked too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use narthex_model::{ManifestRevision, RingRevision};
use narthex_promql::SourceError;
use narthex_ring::{Owner, Partition, Replication};
use narthex_service::SharedClock;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use super::{Answer, Failure, ReadQuorum, Step, failure::OwnerError};
use crate::metrics::{Metrics, Reason};

/// Counts messages from owners, so that a long answer is not taken for silence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// A message came.
    pub(crate) fn tick(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Asks one owner for its complete answer.
pub(crate) type OwnerCall<T> =
    Arc<dyn Fn(Owner, Progress) -> BoxFuture<'static, Result<Answer<T>, OwnerError>> + Send + Sync>;

/// The answers of one partition that count.
#[derive(Debug)]
pub(crate) struct Counted<T> {
    /// What they hold, at least a quorum of copies.
    pub(crate) copies: Vec<T>,
    /// The newest manifest that one of them acted on.
    pub(crate) manifest_revision: ManifestRevision,
}

/// Why a partition has no result.
#[derive(Debug)]
pub(crate) enum PartitionError {
    /// An owner knows a newer ring than the plan.
    NewerRing(RingRevision),
    /// Too few complete answers; `replan` where a newer ring may help.
    NoQuorum { text: String, replan: bool },
    /// The whole read is over.
    Fatal(SourceError),
}

/// The read of one partition.
pub(crate) struct PartitionRead<T> {
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) hedge_after: Duration,
    pub(crate) replication: Replication,
    pub(crate) partition: Partition,
    /// Set on the first plan only: what is older than an owner's ring must be planned again.
    pub(crate) planned: Option<RingRevision>,
    pub(crate) call: OwnerCall<T>,
    /// Whether complete answers contradict each other, so that a third is worth asking for.
    pub(crate) differ: fn(&[&T]) -> bool,
}

type Done<T> = Result<(usize, Result<Answer<T>, OwnerError>), JoinError>;

impl<T: Send + 'static> PartitionRead<T> {
    /// The counted answers, at least a quorum of them.
    pub(crate) async fn run(self) -> Result<Counted<T>, PartitionError> {
        let owners = &self.partition.owners;
        let mut quorum = ReadQuorum::new(self.replication, owners.len());
        let mut answers: Vec<Option<Answer<T>>> = owners.iter().map(|_| None).collect();
        let (mut tasks, progress, mut settling) = (JoinSet::new(), Progress::default(), false);
        let mut step = quorum.proceed();
        loop {
            match step {
                Step::Ask(owner) => {
                    let call = (self.call)(owners[owner].clone(), progress.clone());
                    tasks.spawn(async move { (owner, call.await) }.in_current_span());
                    step = quorum.proceed();
                    continue;
                }
                Step::Complete(counted) => {
                    if settling || !self.contradict(&answers, &counted) {
                        return Ok(taken(answers, &counted));
                    }
                    settling = true;
                    step = quorum.settle();
                    continue;
                }
                Step::Unreachable => return Err(self.no_quorum(&quorum)),
                Step::Wait => {}
            }
            let before = progress.count();
            step = tokio::select! {
                biased;
                Some(done) = tasks.join_next() => self.on_done(done, &mut quorum, &mut answers)?,
                () = self.clock.sleep(self.hedge_after) => {
                    if progress.count() != before {
                        Step::Wait
                    } else if settling {
                        return Ok(taken(answers, &quorum.settled()));
                    } else {
                        let step = quorum.slow();
                        self.metrics.hedged.inc_by(u64::from(matches!(step, Step::Ask(_))));
                        step
                    }
                }
            };
        }
    }

    fn on_done(
        &self,
        done: Done<T>,
        quorum: &mut ReadQuorum,
        answers: &mut [Option<Answer<T>>],
    ) -> Result<Step, PartitionError> {
        let fault =
            |error: JoinError| SourceError::Internal(format!("reading an owner's answer failed: {error}"));
        let (owner, result) = done.map_err(|error| PartitionError::Fatal(fault(error)))?;
        match result {
            Ok(answer) => {
                let state = answer.state;
                if self.planned.is_some_and(|planned| state.ring_revision > planned) {
                    return Err(PartitionError::NewerRing(state.ring_revision));
                }
                answers[owner] = Some(answer);
                Ok(quorum.answered(owner, state.epoch))
            }
            Err(OwnerError::Fatal(error)) => Err(PartitionError::Fatal(error)),
            Err(OwnerError::Failed(failure)) => {
                self.metrics.owner_failures.get_or_create(&Reason { reason: failure.as_str() }).inc();
                Ok(quorum.failed(owner, failure))
            }
        }
    }

    fn contradict(&self, answers: &[Option<Answer<T>>], counted: &[usize]) -> bool {
        let answer = |owner: &usize| answers[*owner].as_ref().map(|answer| &answer.data);
        let views: Vec<&T> = counted.iter().filter_map(answer).collect();
        views.len() == 2 && self.partition.owners.len() > 2 && (self.differ)(&views)
    }

    /// The error that a user reads: which partition, which owners, what each of them said.
    fn no_quorum(&self, quorum: &ReadQuorum) -> PartitionError {
        let Partition { id, state, owners, .. } = &self.partition;
        let failures = quorum.failures();
        let replan =
            failures.iter().flatten().any(|f| matches!(f, Failure::NotHeld(_) | Failure::OtherEpoch));
        let describe = |(owner, failure): (&Owner, &Option<Failure>)| match failure {
            Some(failure) => format!("{} {failure}", owner.instance),
            None => format!("{} answered", owner.instance),
        };
        let said: Vec<String> = owners.iter().zip(&failures).map(describe).collect();
        let said = if said.is_empty() { "no owner is known".to_owned() } else { said.join("; ") };
        let need = self.replication.quorum();
        let text = format!(
            "partition {id} ({}) cannot be read: {need} complete answer(s) are needed; {said}",
            state.as_str()
        );
        PartitionError::NoQuorum { text, replan }
    }
}

fn taken<T>(mut answers: Vec<Option<Answer<T>>>, counted: &[usize]) -> Counted<T> {
    let mut taken =
        Counted { copies: Vec::with_capacity(counted.len()), manifest_revision: ManifestRevision(0) };
    for Answer { state, data } in counted.iter().filter_map(|owner| answers[*owner].take()) {
        taken.manifest_revision = taken.manifest_revision.max(state.manifest_revision);
        taken.copies.push(data);
    }
    taken
}

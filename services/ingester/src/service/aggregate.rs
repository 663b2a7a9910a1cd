//! Aggregate: an aggregation of what is held here, or digests of it, made on the runtime's blocking threads.
//!
//! The selection is split into shares, one for each core. Where owners agreed on digests, a bucket of series is decoded
//! and compared before any of it counts, so that what is answered is what a quorum holds. The answer is refused, never wrong,
//! where a series may be held by another partition too. Dropping the answer ends the work.

use std::{
    num::NonZero,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use futures::StreamExt;
use narthex_model::{SeriesHash, TimeRange};
use narthex_promql::{Control, EvalError, Fragment, Memory, SourceError};
use narthex_pushdown::{Digests, Outcome, OwnerRun, Samples, bucket_of, parse_fragment};
use narthex_rpc::{
    AggregateStream,
    v1::{AggregateEnd, AggregateRequest, AggregateResponse, aggregate_response::Part},
};
use tonic::Status;

use super::{
    IngesterService,
    context::{Reading, matchers},
    select::status_of,
};
use crate::storage::{Budget, Selection};

/// The most that the states of one answer may occupy; what would be larger is read instead.
const MOST_BYTES: usize = 256 << 20;

/// Series that are worth a thread of their own.
const SHARE: usize = 2_000;

/// Series that are worth no thread at all.
const FEW: usize = 64;

/// What is asked of a selection.
struct Task {
    selection: Selection,
    range: TimeRange,
    fragment: Option<Fragment>,
    agreed: Option<Digests>,
    budget: Budget,
    scanned: Scanned,
    /// Bytes that states may occupy.
    states: usize,
    /// Hashes and places of the series, by bucket if buckets matter.
    series: Vec<(SeriesHash, usize)>,
}

/// What all shares together have looked at.
#[derive(Default)]
struct Scanned {
    samples: AtomicU64,
    bytes: AtomicU64,
}

impl Scanned {
    /// The totals with so many more.
    fn add(&self, samples: u64, bytes: u64) -> (u64, u64) {
        let add = |total: &AtomicU64, more| total.fetch_add(more, Ordering::Relaxed) + more;
        (add(&self.samples, samples), add(&self.bytes, bytes))
    }
}

/// Why there is no answer.
enum Failure {
    /// The samples are to be read.
    Refused,
    Status(Box<Status>),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::LimitExceeded(_) | EvalError::TooManySamples => Self::Refused,
            EvalError::Canceled => Status::cancelled(error.to_string()).into(),
            _ => Status::invalid_argument(error.to_string()).into(),
        }
    }
}

impl IngesterService {
    pub(super) async fn aggregate_messages(
        &self,
        request: AggregateRequest,
    ) -> Result<AggregateStream, Status> {
        let matchers = matchers(&request.matchers)?;
        let AggregateRequest { context, fragment, agreed, max_state_bytes, .. } = request;
        let AggregateRequest { max_series, max_samples, max_bytes, .. } = request;
        let fragment = fragment.map(|message| parse_fragment(message, matchers.clone())).transpose();
        let fragment = fragment.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let budget = Budget { max_series, max_samples, max_bytes };
        let states = usize::try_from(max_state_bytes).unwrap_or(usize::MAX);
        let states = if states == 0 { MOST_BYTES } else { states.min(MOST_BYTES) };
        let Reading { pass, workspace, range } = self.begin_read(context).await?;
        let selection =
            self.storage()?.select(workspace, &matchers, range, budget).map_err(|error| status_of(&error))?;
        let ring = pass.snapshot().ring.clone();
        let state = self.source_state(ring.revision(), pass.adopted().epoch, selection.acted_revision())?;
        drop(pass);
        let hashes: Vec<SeriesHash> = selection.labels().map(narthex_model::Labels::series_hash).collect();
        let own = Some(self.partition());
        let foreign = hashes.iter().any(|hash| ring.partition_for(*hash) != own);
        let mut end =
            AggregateEnd { series: hashes.len() as u64, refused: foreign, ..AggregateEnd::default() };
        let mut messages = vec![Part::State(state)];
        if !foreign {
            let agreed = agreed.map(Digests::from);
            let mut series: Vec<_> = hashes.into_iter().zip(0..).collect();
            if agreed.is_some() {
                series.sort_unstable_by_key(|(hash, place)| (bucket_of(*hash), *place));
            }
            let scanned = Scanned::default();
            let task = Arc::new(Task { selection, range, fragment, agreed, budget, scanned, states, series });
            match Task::run(&task).await {
                Ok(outcome) => {
                    let differing = task.agreed.as_ref().map(|agreed| outcome.differing(agreed));
                    let Outcome { answer, digests, samples, .. } = outcome;
                    messages.extend(answer.encode().into_iter().map(Part::Answer));
                    let differing = differing.unwrap_or_default();
                    let (_, bytes) = task.scanned.add(0, 0);
                    end = AggregateEnd { digests: Some((&digests).into()), differing, samples, bytes, ..end };
                }
                Err(Failure::Refused) => end.refused = true,
                Err(Failure::Status(status)) => return Err(*status),
            }
        }
        messages.push(Part::End(end));
        let messages = messages.into_iter().map(|part| Ok(AggregateResponse { part: Some(part) }));
        Ok(futures::stream::iter(messages).boxed())
    }
}

impl Task {
    async fn run(task: &Arc<Self>) -> Result<Outcome, Failure> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let shares = task.series.len().div_ceil(SHARE).clamp(1, cores);
        let control = Control::default()
            .with_memory(Arc::new(Bounded { taken: AtomicUsize::new(0), limit: task.states }));
        let _stop = Stop(control.clone());
        let bounds = task.bounds(shares);
        if task.series.len() < FEW {
            return task.share(0..task.series.len(), &control);
        }
        let share = |range: Range<usize>| {
            let (task, control) = (Arc::clone(task), control.clone());
            tokio::task::spawn_blocking(move || task.share(range, &control))
        };
        let running: Vec<_> = bounds.windows(2).map(|ends| share(ends[0]..ends[1])).collect();
        let mut all = Outcome::default();
        for share in running {
            let fault = |error| Status::internal(format!("a share of the aggregation failed: {error}"));
            all.merge(share.await.map_err(fault)??, task.fragment.as_ref());
        }
        Ok(all)
    }

    /// Where shares begin and end; no bucket is in two of them.
    fn bounds(&self, shares: usize) -> Vec<usize> {
        let mut bounds = vec![0];
        for share in 1..=shares {
            let mut end = self.series.len() * share / shares;
            let bucket = |at: usize| bucket_of(self.series[at].0);
            while self.agreed.is_some()
                && end > 0
                && end < self.series.len()
                && bucket(end) == bucket(end - 1)
            {
                end += 1;
            }
            bounds.push(end.max(*bounds.last().unwrap_or(&0)));
        }
        bounds
    }

    fn share(&self, range: Range<usize>, control: &Control) -> Result<Outcome, Failure> {
        /// Series that are read from storage at a time.
        const BATCH: usize = 64;
        let mut run = OwnerRun::new(self.fragment.as_ref(), self.agreed.as_ref(), control)?;
        for batch in self.series[range].chunks(BATCH) {
            control.check()?;
            let places: Vec<usize> = batch.iter().map(|(_, place)| *place).collect();
            let chunks = self.selection.chunks_at(&places).map_err(|error| status_of(&error))?;
            let (before, bytes) =
                (run.samples(), chunks.iter().flatten().map(|chunk| chunk.data.len() as u64).sum());
            for ((hash, place), chunks) in batch.iter().zip(chunks) {
                let labels = self.selection.labels_at(*place).clone();
                let mut samples = Samples::new(labels, self.range);
                for chunk in &chunks {
                    // Another owner has an undamaged copy.
                    samples.add(chunk).map_err(|fault| Status::unavailable(fault.to_string()))?;
                }
                run.add(*hash, *place, samples.finish())?;
            }
            let (samples, bytes) = self.scanned.add(run.samples() - before, bytes);
            self.budget.check(samples, bytes).map_err(|error| status_of(&error))?;
        }
        Ok(run.finish()?)
    }
}

/// Ends the shares that still run when nobody waits for them.
struct Stop(Control);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Memory of one answer.
#[derive(Debug)]
struct Bounded {
    taken: AtomicUsize,
    limit: usize,
}

impl Memory for Bounded {
    fn grow(&self, bytes: usize) -> Result<(), SourceError> {
        let used = self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used > self.limit {
            self.shrink(bytes);
            return Err(SourceError::LimitExceeded("the states of the aggregation are too large".into()));
        }
        Ok(())
    }

    fn shrink(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

//! Independent parts of an evaluation on all cores.
//!
//! Small work stays on the task, where it costs nothing to begin. Large work goes to the runtime's blocking threads, one share
//! of neighbouring items for each core, so that it holds up nobody else; results come back in the order of the items, which keeps
//! every answer the same. A share looks at the [`Control`] often, so that it ends soon when the query is dropped.

use std::{ops::Range, sync::Arc};

use super::{
    Control, EngineConfig,
    column::{Column, Steps},
    eval::{Evaluated, Evaluator},
    notes::Notes,
    stats::Stats,
};
use crate::{error::EvalError, memory::Reservation};

/// Work, in samples and rows, that is worth a thread.
const SHARE: usize = 200_000;

/// What a share of the work collects beside its result.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) notes: Notes,
    pub(super) stats: Stats,
    control: Control,
    memory: Reservation,
    limits: EngineConfig,
    held: usize,
    processed: u64,
}

impl Work {
    /// Work outside of an evaluation.
    pub(super) fn alone(steps: Steps, per_step: bool, control: &Control) -> Self {
        Self {
            notes: Notes::default(),
            stats: Stats::new(steps, per_step),
            control: control.clone(),
            memory: control.reservation(),
            limits: EngineConfig::default(),
            held: 0,
            processed: 0,
        }
    }

    /// Ends work that nobody waits for or that has gone beyond a limit.
    pub(super) fn check(&self) -> Evaluated<()> {
        self.control.check()?;
        let limit = self.limits.max_processed;
        if self.processed + self.stats.total > limit {
            return Err(EvalError::TooManyProcessed(limit));
        }
        Ok(())
    }

    /// Refuses columns that would take much more memory than the samples they may hold.
    pub(super) fn check_rows(&self, columns: usize, steps: Steps) -> Evaluated<()> {
        self.limits.check_rows(columns, steps)
    }

    /// Takes the memory of a column.
    pub(super) fn reserve(&self, steps: Steps) -> Evaluated<()> {
        self.reserve_bytes(Column::bytes_of(steps.count))
    }

    /// Takes memory; what a node took is settled when its value is there.
    pub(super) fn reserve_bytes(&self, bytes: usize) -> Evaluated<()> {
        Ok(self.memory.grow(bytes)?)
    }

    /// Gives back what was taken for a column that turned out empty.
    pub(super) fn discard(&self, steps: Steps) {
        self.memory.shrink(Column::bytes_of(steps.count));
    }

    /// Accounts for samples that are held from now on.
    pub(super) fn hold(&mut self, samples: usize) -> Evaluated<()> {
        self.held += samples;
        if self.held > self.limits.max_samples { Err(EvalError::TooManySamples) } else { Ok(()) }
    }
}

impl Evaluator<'_> {
    fn work(&self) -> Work {
        Work {
            notes: Notes::default(),
            stats: self.stats.fork(),
            control: self.control.clone(),
            memory: self.memory.clone(),
            limits: EngineConfig { max_processed: self.max_processed(), ..*self.config },
            held: self.held,
            processed: self.stats.total,
        }
    }

    /// Runs a job over all items, in shares; `cost` is that of all together.
    pub(super) async fn spread<T, F>(&mut self, items: usize, cost: usize, job: F) -> Evaluated<Vec<T>>
    where
        T: Send + 'static,
        F: Fn(Range<usize>, &mut Work) -> Evaluated<T> + Send + Sync + 'static,
    {
        self.tick(0).await?;
        if cost < SHARE {
            let mut work = self.work();
            let result = job(0..items, &mut work);
            self.collect(work);
            return Ok(vec![result?]);
        }
        let shares = (cost / SHARE).clamp(1, self.config.parallelism.max(1)).min(items.max(1));
        let job = Arc::new(job);
        let share = |at: usize| {
            let range = items * at / shares..items * (at + 1) / shares;
            let (job, mut work) = (Arc::clone(&job), self.work());
            tokio::task::spawn_blocking(move || {
                let result = job(range, &mut work);
                (result, work)
            })
        };
        let running: Vec<_> = (0..shares).map(share).collect();
        let mut results = Vec::with_capacity(shares);
        for share in running {
            let fault = |error| EvalError::Internal(format!("a part of the evaluation failed: {error}"));
            let (result, work) = share.await.map_err(fault)?;
            self.collect(work);
            results.push(result?);
        }
        Ok(results)
    }

    fn collect(&mut self, work: Work) {
        self.stats.absorb(&work.stats);
        self.notes.absorb(work.notes);
    }
}

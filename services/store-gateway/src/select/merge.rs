//! The samples of all blocks in the order of series, then time; those that overlap come together.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::queue::{Queue, Run};
use crate::blocks::ReadError;

/// The next run of each queue, the first of them on top.
#[derive(Debug)]
pub(super) struct Merge {
    queues: Vec<Queue>,
    heads: BinaryHeap<Reverse<Head>>,
}

/// A run by its place in the order.
#[derive(Debug)]
struct Head {
    run: Run,
    queue: usize,
}

impl Head {
    fn key(&self) -> (u32, i64, usize) {
        (self.run.series, self.run.first, self.queue)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Merge {
    /// Waits for the first run of every queue; all of them are reading already.
    pub(super) async fn begin(mut queues: Vec<Queue>) -> Result<Self, ReadError> {
        let mut heads = BinaryHeap::with_capacity(queues.len());
        for (queue, runs) in queues.iter_mut().enumerate() {
            if let Some(run) = runs.next().await? {
                heads.push(Reverse(Head { run, queue }));
            }
        }
        Ok(Self { queues, heads })
    }

    /// Puts the next samples of the next series in place of the runs: one, or several that overlap in time. None at the end.
    pub(super) async fn next(&mut self, runs: &mut Vec<Run>) -> Result<(), ReadError> {
        runs.clear();
        let Some(run) = self.take().await? else { return Ok(()) };
        let (series, mut last) = (run.series, run.last);
        runs.push(run);
        while let Some(Reverse(head)) = self.heads.peek()
            && head.run.series == series
            && head.run.first <= last
        {
            if let Some(run) = self.take().await? {
                last = last.max(run.last);
                runs.push(run);
            }
        }
        Ok(())
    }

    async fn take(&mut self) -> Result<Option<Run>, ReadError> {
        let Some(Reverse(Head { run, queue })) = self.heads.pop() else { return Ok(None) };
        if let Some(run) = self.queues[queue].next().await? {
            self.heads.push(Reverse(Head { run, queue }));
        }
        Ok(Some(run))
    }
}

//! All rows of all blocks in the order of series, then time; rows that overlap come together.

use std::{cmp::Reverse, collections::BinaryHeap};

use narthex_block::OwnedSamples;

use super::queue::{Queue, Row};
use crate::blocks::ReadError;

/// The next row of each queue, the first of them on top.
#[derive(Debug)]
pub(super) struct Merge {
    queues: Vec<Queue>,
    heads: BinaryHeap<Reverse<Head>>,
}

/// A row by its place in the order.
#[derive(Debug)]
struct Head {
    row: Row,
    queue: usize,
}

impl Head {
    fn key(&self) -> (u32, i64, usize) {
        (self.row.series, self.row.first, self.queue)
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
    /// Waits for the first row of every queue; all of them are reading already.
    pub(super) async fn begin(mut queues: Vec<Queue>) -> Result<Self, ReadError> {
        let mut heads = BinaryHeap::with_capacity(queues.len());
        for (queue, rows) in queues.iter_mut().enumerate() {
            if let Some(row) = rows.next().await? {
                heads.push(Reverse(Head { row, queue }));
            }
        }
        Ok(Self { queues, heads })
    }

    /// The next series and its next rows: one, or several that overlap in time.
    pub(super) async fn next(&mut self) -> Result<Option<(u32, Vec<OwnedSamples>)>, ReadError> {
        let Some(Row { series, last, samples, .. }) = self.take().await? else { return Ok(None) };
        let (mut last, mut rows) = (last, vec![samples]);
        while let Some(Reverse(head)) = self.heads.peek()
            && head.row.series == series
            && head.row.first <= last
        {
            if let Some(row) = self.take().await? {
                last = last.max(row.last);
                rows.push(row.samples);
            }
        }
        Ok(Some((series, rows)))
    }

    async fn take(&mut self) -> Result<Option<Row>, ReadError> {
        let Some(Reverse(Head { row, queue })) = self.heads.pop() else { return Ok(None) };
        if let Some(row) = self.queues[queue].next().await? {
            self.heads.push(Reverse(Head { row, queue }));
        }
        Ok(Some(row))
    }
}

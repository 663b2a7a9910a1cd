//! The rows of one block on their way: read ahead by a task of its own, taken in the order of series and time.

use std::{collections::VecDeque, sync::Arc};

use narthex_block::{BatchLimits, OwnedSamples, SampleReader, SeriesSlice};
use tokio::sync::mpsc;

use super::{encode::time_of, find::Source};
use crate::{
    blocks::{AskedBlock, Blocks, Bounds, ReadError},
    workers::{Lost, Task, Workers},
};

/// Batches are small because there are three of each block: taken, waiting and being read. Blocks are read side by side and
/// a batch mostly needs no more than what the page before it brought, so round trips do not add up.
pub(super) const BATCH: BatchLimits = BatchLimits { bytes: 512 << 10, samples: 1 << 15 };

/// A row: samples of one series in one window.
#[derive(Debug)]
pub(super) struct Row {
    /// Place of the series among all series.
    pub(super) series: u32,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) samples: OwnedSamples,
}

/// What the reading task says: rows, and at the end `None`, without which the end is a failure.
type Message = Result<Option<Vec<SeriesSlice>>, ReadError>;

#[derive(Debug)]
pub(super) struct Queue {
    messages: mpsc::Receiver<Message>,
    rows: VecDeque<SeriesSlice>,
    places: Vec<u32>,
    ended: bool,
    _reading: Task<()>,
}

impl Queue {
    /// Begins to read a block. One batch is read ahead of the one that is being taken.
    pub(super) fn begin(workers: &Workers, blocks: &Arc<Blocks>, source: Source, bounds: Bounds) -> Self {
        let Source { block, selection, places } = source;
        let (sender, messages) = mpsc::channel(1);
        let samples = selection.into_batches(BATCH);
        let reading = workers.spawn(read(Arc::clone(blocks), block, samples, bounds, sender));
        Self { messages, rows: VecDeque::new(), places, ended: false, _reading: reading }
    }

    /// The next row that has samples in the range.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, ReadError> {
        loop {
            while let Some(SeriesSlice { series, samples }) = self.rows.pop_front() {
                if let Some((first, last)) = time_of(&samples) {
                    let series = *self.places.get(series).ok_or(Lost)?;
                    return Ok(Some(Row { series, first, last, samples }));
                }
            }
            if self.ended {
                return Ok(None);
            }
            match self.messages.recv().await.unwrap_or(Err(Lost.into()))? {
                Some(batch) => self.rows = batch.into(),
                None => self.ended = true,
            }
        }
    }
}

async fn read(
    blocks: Arc<Blocks>,
    block: AskedBlock,
    mut samples: SampleReader,
    bounds: Bounds,
    sender: mpsc::Sender<Message>,
) {
    loop {
        let batch = samples.next_batch().await.map_err(|error| blocks.explain(block, error, bounds));
        let goes_on = matches!(batch, Ok(Some(_)));
        // Nobody takes it: the request is over.
        if sender.send(batch).await.is_err() || !goes_on {
            return;
        }
    }
}

//! The samples of one block on their way: read ahead by a task of its own, taken in the order of series and time. Where there are few, they
//! are read at once by the task that takes them: telling another one would take longer.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use narthex_block::{BatchLimits, SampleBatch, SampleReader, StoredSamples};
use tokio::sync::mpsc;

use super::find::Source;
use crate::{
    blocks::{AskedBlock, Blocks, Bounds, ReadError},
    workers::{Lost, Task, Workers},
};

/// Batches are small because there are three of each block: taken, waiting and being read. Blocks are read side by side and
/// a batch mostly needs no more than what the page before it brought, so round trips do not add up.
pub(super) const BATCH: BatchLimits = BatchLimits { bytes: 512 << 10, samples: 1 << 15 };

/// Samples, and bytes from objects, that are read at once: of a block, and of all of them.
pub(super) const FEW: BatchLimits = BatchLimits { bytes: 256 << 10, samples: 1 << 13 };

/// Samples of one series: of a window, or of several that follow each other.
#[derive(Debug)]
pub(super) struct Run {
    /// Place of the series among all series.
    pub(super) series: u32,
    pub(super) first: i64,
    pub(super) last: i64,
    batch: Arc<SampleBatch>,
    rows: Range<usize>,
}

impl Run {
    pub(super) fn samples(&self) -> StoredSamples<'_> {
        self.batch.slice(self.rows.clone()).samples
    }
}

/// What the reading task says: rows, and at the end `None`, without which the end is a failure.
type Message = Result<Option<SampleBatch>, ReadError>;

#[derive(Debug)]
pub(super) struct Queue {
    /// What is still to come, if anything is.
    reading: Option<(mpsc::Receiver<Message>, Task<()>)>,
    batches: VecDeque<Arc<SampleBatch>>,
    /// The next row of the first batch.
    row: usize,
    places: Vec<u32>,
}

impl Queue {
    /// Begins to read all blocks; of those with few samples, everything is there then.
    pub(super) async fn begin_all(
        workers: &Workers,
        blocks: &Arc<Blocks>,
        sources: Vec<Source>,
        bounds: Bounds,
    ) -> Result<Vec<Self>, ReadError> {
        let begin = |source: Source| async move {
            let few = source.selection.samples() <= FEW.samples && source.selection.bytes() <= FEW.bytes;
            if few {
                Self::read(blocks, source, bounds).await
            } else {
                Ok(Self::begin(workers, blocks, source, bounds))
            }
        };
        futures::future::try_join_all(sources.into_iter().map(begin)).await
    }

    async fn read(blocks: &Blocks, source: Source, bounds: Bounds) -> Result<Self, ReadError> {
        let Source { block, selection, places } = source;
        let (mut samples, mut batches) = (selection.into_batches(BATCH), VecDeque::new());
        let explain = |error| blocks.explain(block, error, bounds);
        while let Some(batch) = samples.next_batch().await.map_err(explain)? {
            batches.push_back(Arc::new(batch));
        }
        Ok(Self { reading: None, batches, row: 0, places })
    }

    /// Begins to read a block. One batch is read ahead of the one that is being taken.
    fn begin(workers: &Workers, blocks: &Arc<Blocks>, source: Source, bounds: Bounds) -> Self {
        let Source { block, selection, places } = source;
        let (sender, messages) = mpsc::channel(1);
        let samples = selection.into_batches(BATCH);
        let reading = workers.spawn(read(Arc::clone(blocks), block, samples, bounds, sender));
        Self { reading: Some((messages, reading)), batches: VecDeque::new(), row: 0, places }
    }

    /// The next samples of the range.
    pub(super) async fn next(&mut self) -> Result<Option<Run>, ReadError> {
        loop {
            while let Some(batch) = self.batches.front() {
                if self.row >= batch.len() {
                    self.batches.pop_front();
                    self.row = 0;
                    continue;
                }
                let rows = batch.run(self.row);
                self.row = rows.end;
                let slice = batch.slice(rows.clone());
                if let Some(time) = slice.samples.time_range() {
                    let series = *self.places.get(slice.series).ok_or(Lost)?;
                    let (first, last) = (time.min.0, time.max.0);
                    return Ok(Some(Run { series, first, last, batch: Arc::clone(batch), rows }));
                }
            }
            let Some((messages, _)) = &mut self.reading else { return Ok(None) };
            match messages.recv().await.unwrap_or(Err(Lost.into()))? {
                Some(batch) => self.batches.push_back(Arc::new(batch)),
                None => self.reading = None,
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

//! The rows of one block in their order, read ahead while others are written.

use std::vec;

use narthex_block::{BatchLimits, BlockError, BlockReader, Budget, OwnedSamples};
use narthex_model::{Labels, SeriesHash, Window, WindowLength};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_local},
};

use super::MergeError;

/// What is read at once. There are three such batches of each input: taken, waiting and being read.
const BATCH: BatchLimits = BatchLimits { bytes: 1 << 20, samples: 1 << 16 };

/// Samples of a series in a window; at least one.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) labels: Labels,
    pub(super) hash: SeriesHash,
    pub(super) window: Window,
    pub(super) samples: OwnedSamples,
}

/// Rows, and at the end `None`, without which the end is a failure.
type Message = Result<Option<Vec<Row>>, BlockError>;

/// One block.
#[derive(Debug)]
pub(super) struct Input {
    batches: mpsc::Receiver<Message>,
    rows: vec::IntoIter<Row>,
    samples: u64,
    ended: bool,
    reading: JoinHandle<()>,
}

impl Input {
    /// Begins to read, on the thread of the [`tokio::task::LocalSet`] that this is called in.
    pub(super) fn begin(reader: BlockReader, window: WindowLength) -> Self {
        let (sender, batches) = mpsc::channel(1);
        let reading = spawn_local(async move {
            let end = read(&reader, window, &sender).await.map(|()| None);
            // Nobody takes it where the merge is over.
            let _ = sender.send(end).await;
        });
        Self { batches, rows: Vec::new().into_iter(), samples: 0, ended: false, reading }
    }

    /// The next row.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, MergeError> {
        loop {
            if let Some(row) = self.rows.next() {
                self.samples += row.samples.len() as u64;
                return Ok(Some(row));
            }
            if self.ended {
                return Ok(None);
            }
            match self.batches.recv().await.ok_or(MergeError::Lost)?? {
                Some(rows) => self.rows = rows.into_iter(),
                None => self.ended = true,
            }
        }
    }

    /// Samples that were taken.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Sends all rows of a block, batch by batch.
async fn read(
    reader: &BlockReader,
    window: WindowLength,
    sender: &mpsc::Sender<Message>,
) -> Result<(), BlockError> {
    for slice in reader.footer().slices() {
        let mut selection = reader.select_slice(&slice, Budget::default()).await?;
        let series = selection.take_series();
        let mut batches = selection.into_batches(BATCH);
        while let Some(batch) = batches.next_batch().await? {
            let rows = batch.slices().filter_map(|slice| {
                let time = slice.samples.time_range()?;
                let series = &series[slice.series];
                Some(Row {
                    labels: series.labels.clone(),
                    hash: series.hash,
                    window: window.window(time.min),
                    samples: slice.samples.to_owned(),
                })
            });
            if sender.send(Ok(Some(rows.collect()))).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

//! One merge: the rows of several blocks as one sorted stream, written as the blocks that replace them.
//!
//! Every sample of the inputs is in an output (B-2): rows of one series and window become one, of values that compete for a timestamp
//! the one that `resolve` prefers stays, and the samples of every input are counted against what the manifest says of it before
//! anything is committed. Memory is bounded by a slice of label pages and two batches of samples for each input, and by the row
//! groups in progress of all outputs, which share one size. The outputs are orphans until the manifest names them, so a merge
//! may end at any point.

mod input;
mod output;

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use futures::{StreamExt, TryStreamExt};
use narthex_block::{BlockError, BlockReader, BlockSchema, OwnedSamples, SchemaSettings};
use narthex_bucket::layout;
use narthex_manifest::{Entry, ManifestError, Refused, Rewrite};
use narthex_model::{BlockId, WindowLength, WorkspaceId};
use object_store::ObjectStore;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use self::{
    input::{Input, Row},
    output::Outputs,
};
use crate::{metrics::MergeMetrics, plan::Job};

/// Footers that are read at a time.
const FOOTERS_AT_A_TIME: usize = 8;

/// Rows between two looks at whether to stop.
const LOOK_EVERY: u64 = 1024;

/// Why blocks were not merged. They stay as they are, and the next round tries again.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// An input cannot be read, or an output cannot be written.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// An input holds another number of samples than the manifest says.
    #[error("block {block} holds {found} samples, the manifest says {stated}: it is not merged")]
    Samples {
        /// The input.
        block: BlockId,
        /// What it holds.
        found: u64,
        /// What was committed.
        stated: u64,
    },
    /// The bucket did not take the commit.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Others changed the manifest meanwhile: another compactor merged the same blocks, or the workspace is gone.
    #[error("not committed, because {0}")]
    Refused(Refused),
    /// The outputs are too old to be committed.
    #[error("not committed, because {0}")]
    Late(Rewrite),
    /// The process ends.
    #[error("the compactor is stopping")]
    Stopping,
}

/// What a merge reads and writes, and how.
#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) window: WindowLength,
    pub(crate) job: Job,
    /// Names for the outputs, as many as the job asks for.
    pub(crate) names: Vec<BlockId>,
    pub(crate) metrics: MergeMetrics,
    pub(crate) stop: CancellationToken,
}

/// A row by its place in the order of the output.
struct Head {
    row: Row,
    input: usize,
}

impl Head {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let by_series = self.row.labels.cmp(&other.row.labels);
        by_series.then_with(|| (self.row.window, self.input).cmp(&(other.row.window, other.input)))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.order(other).is_eq()
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
        self.order(other)
    }
}

impl Merge {
    /// Writes the outputs, on this thread alone; reading goes on while it waits for the bucket. Nothing names them yet.
    pub(crate) async fn run(self) -> Result<Vec<Entry>, MergeError> {
        let local = LocalSet::new();
        local.run_until(self.merge()).await
    }

    async fn merge(self) -> Result<Vec<Entry>, MergeError> {
        let readers = self.readers().await?;
        let schema = BlockSchema::of_blocks(
            readers.iter().map(|reader| &**reader.footer()),
            &SchemaSettings::default(),
        );
        let mut outputs = Outputs::begin(&self, &schema)?;
        match self.rows(readers, &mut outputs).await {
            Ok(()) => outputs.finish().await,
            Err(error) => {
                outputs.abort().await;
                Err(error)
            }
        }
    }

    async fn readers(&self) -> Result<Vec<BlockReader>, MergeError> {
        let open = |entry: Arc<Entry>| {
            let path = layout::block_data(self.workspace, entry.id);
            BlockReader::open(Arc::clone(&self.store), path, entry.bytes, entry.footer_bytes.into())
        };
        let inputs: Vec<_> = self.job.inputs.iter().cloned().map(open).collect();
        Ok(futures::stream::iter(inputs).buffered(FOOTERS_AT_A_TIME).try_collect().await?)
    }

    /// Sends all rows to the outputs, in order.
    async fn rows(&self, readers: Vec<BlockReader>, outputs: &mut Outputs) -> Result<(), MergeError> {
        let mut inputs: Vec<Input> =
            readers.into_iter().map(|reader| Input::begin(reader, self.window)).collect();
        let mut heads = BinaryHeap::with_capacity(inputs.len());
        for (input, rows) in inputs.iter_mut().enumerate() {
            heads.extend(rows.next().await?.map(|row| Reverse(Head { row, input })));
        }
        let mut rows = 0u64;
        while let Some(Reverse(Head { row, input })) = heads.pop() {
            heads.extend(inputs[input].next().await?.map(|row| Reverse(Head { row, input })));
            let mut parts = vec![row.samples];
            while let Some(Reverse(next)) = heads.peek()
                && next.row.window == row.window
                && next.row.labels == row.labels
                && let Some(Reverse(Head { row, input })) = heads.pop()
            {
                heads.extend(inputs[input].next().await?.map(|row| Reverse(Head { row, input })));
                parts.push(row.samples);
            }
            let samples = OwnedSamples::merged(parts);
            self.metrics.samples.inc_by(samples.len() as u64);
            outputs.push(&row.labels, row.hash, &samples).await?;
            rows += 1;
            if rows.is_multiple_of(LOOK_EVERY) {
                if self.stop.is_cancelled() {
                    return Err(MergeError::Stopping);
                }
                // Lets the other inputs read ahead.
                tokio::task::yield_now().await;
            }
        }
        for (entry, input) in self.job.inputs.iter().zip(&inputs) {
            if input.samples() != entry.samples {
                let (found, stated) = (input.samples(), entry.samples);
                return Err(MergeError::Samples { block: entry.id, found, stated });
            }
        }
        Ok(())
    }
}

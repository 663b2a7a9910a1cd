//! One merge: the rows of several blocks as one sorted stream, written as the blocks that replace them.
//!
//! Every sample of the inputs is in an output (B-2): rows of one series and window become one, of values that compete for a timestamp
//! the one that `resolve` prefers stays, and the samples of every input are counted against what the manifest says of it before
//! anything is committed. Memory is bounded by a slice of label pages and two batches of samples for each input, and by the row
//! groups in progress of all outputs, which share one size. The outputs are orphans until the manifest names them, so a merge
//! may end at any point.

mod input;
mod output;
mod rows;

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use narthex_block::{BlockError, BlockReader, BlockSchema, SchemaSettings};
use narthex_bucket::layout;
use narthex_manifest::{Entry, ManifestError, Refused, Rewrite};
use narthex_model::{BlockId, WindowLength, WorkspaceId};
use object_store::ObjectStore;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use self::{input::Input, output::Outputs, rows::Rows};
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
    /// It panicked.
    #[error("the merge was given up in the middle")]
    Lost,
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
        let open = |entry: &Arc<Entry>| {
            let path = layout::block_data(self.workspace, entry.id);
            BlockReader::open(Arc::clone(&self.store), path, entry.bytes, entry.footer_bytes.into())
        };
        let inputs: Vec<_> = self.job.inputs.iter().map(open).collect();
        Ok(futures::stream::iter(inputs).buffered(FOOTERS_AT_A_TIME).try_collect().await?)
    }

    /// Sends all rows to the outputs, in order.
    async fn rows(&self, readers: Vec<BlockReader>, outputs: &mut Outputs) -> Result<(), MergeError> {
        let inputs = readers.into_iter().map(|reader| Input::begin(reader, self.window)).collect();
        let mut rows = Rows::begin(inputs).await?;
        let mut written = 0u64;
        while let Some(row) = rows.next().await? {
            self.metrics.samples.inc_by(row.samples.len() as u64);
            outputs.push(&row.labels, row.hash, &row.samples).await?;
            written += 1;
            if written.is_multiple_of(LOOK_EVERY) {
                if self.stop.is_cancelled() {
                    return Err(MergeError::Stopping);
                }
                // Lets the other inputs read ahead.
                tokio::task::yield_now().await;
            }
        }
        for (entry, found) in self.job.inputs.iter().zip(rows.taken()) {
            if found != entry.samples {
                return Err(MergeError::Samples { block: entry.id, found, stated: entry.samples });
            }
        }
        Ok(())
    }
}

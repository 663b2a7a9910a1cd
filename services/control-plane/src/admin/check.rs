//! Can a block be read? Everything in it is: its footer, its labels, and every page of samples.

use std::{fmt, sync::Arc};

use narthex_block::{BatchLimits, BlockError, BlockReader, Budget};
use narthex_bucket::layout;
use narthex_manifest::Entry;
use narthex_model::{TimeRange, WorkspaceId};
use object_store::{Error, ObjectStore};

/// What came of reading a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To the last sample.
    Readable,
    /// The bucket does not have it.
    Missing,
    /// It is not what was written.
    Damaged(String),
    /// The bucket did not answer, or the block is newer than this program: nothing is known.
    Open(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readable => f.write_str("can be read"),
            Self::Missing => f.write_str("missing: the bucket does not have the object"),
            Self::Damaged(reason) => write!(f, "damaged: {reason}"),
            Self::Open(reason) => write!(f, "cannot be judged now: {reason}"),
        }
    }
}

/// Reads a block to its end; nothing is kept.
pub(super) async fn check(store: Arc<dyn ObjectStore>, workspace: WorkspaceId, entry: &Entry) -> Verdict {
    match read(store, workspace, entry).await {
        Ok(samples) if samples == entry.samples => Verdict::Readable,
        Ok(samples) => {
            Verdict::Damaged(format!("it holds {samples} samples and the manifest counts {}", entry.samples))
        }
        Err(BlockError::Store { source: Error::NotFound { .. }, .. }) => Verdict::Missing,
        Err(BlockError::Damaged { reason, .. }) => Verdict::Damaged(reason),
        Err(error) => Verdict::Open(error.to_string()),
    }
}

async fn read(store: Arc<dyn ObjectStore>, workspace: WorkspaceId, entry: &Entry) -> Result<u64, BlockError> {
    let path = layout::block_data(workspace, entry.id);
    let block = BlockReader::open(store, path, entry.bytes, entry.footer_bytes.into()).await?;
    let mut batches =
        block.select(&[], TimeRange::ALL, Budget::default()).await?.into_batches(BatchLimits::default());
    let mut samples = 0;
    while let Some(batch) = batches.next_batch().await? {
        samples += batch.slices().map(|slice| slice.samples.len() as u64).sum::<u64>();
    }
    Ok(samples)
}

//! The blocks that a merge writes: one, or one for each equal part of the hash space.

use narthex_block::{BlockError, BlockSchema, BlockUpload, OwnedSamples, WriterSettings};
use narthex_bucket::layout;
use narthex_manifest::{CutSet, Entry};
use narthex_model::{BlockId, Labels, SeriesHash};

use super::{Merge, MergeError};

/// Blocks in progress, by the part of the hash space that each takes.
#[derive(Debug)]
pub(super) struct Outputs(Vec<Output>);

#[derive(Debug)]
struct Output {
    id: BlockId,
    upload: BlockUpload,
    samples: u64,
}

impl Outputs {
    pub(super) fn begin(merge: &Merge, schema: &BlockSchema) -> Result<Self, BlockError> {
        let settings = WriterSettings::default();
        // Row groups in progress are what takes memory: all outputs share the size of one.
        let row_group_bytes = settings.row_group_bytes / merge.names.len().max(1);
        let begin = |id: &BlockId| {
            let path = layout::block_data(merge.workspace, *id);
            let settings = WriterSettings { row_group_bytes, ..settings.clone() };
            let store = merge.store.clone();
            let upload = BlockUpload::new(store, path, schema.clone(), merge.window, settings)?;
            Ok(Output { id: *id, upload, samples: 0 })
        };
        merge.names.iter().map(begin).collect::<Result<_, _>>().map(Self)
    }

    /// Adds a row to the output that its series belongs to.
    pub(super) async fn push(
        &mut self,
        labels: &Labels,
        hash: SeriesHash,
        samples: &OwnedSamples,
    ) -> Result<(), BlockError> {
        let part = part_of(hash, self.0.len());
        let output = &mut self.0[part];
        output.samples += samples.len() as u64;
        output.upload.push(labels, hash, samples.as_samples()).await
    }

    /// Completes the outputs that hold something. The manifest gives them their level and their cuts.
    pub(super) async fn finish(self) -> Result<Vec<Entry>, MergeError> {
        let mut entries = Vec::new();
        for output in self.0 {
            if output.samples == 0 {
                output.upload.abort().await?;
                continue;
            }
            let meta = output.upload.finish().await?;
            entries.push(Entry::of_block(output.id, CutSet::default(), &meta));
        }
        Ok(entries)
    }

    /// Gives all of them up. What cannot be removed now is no object either.
    pub(super) async fn abort(self) {
        for output in self.0 {
            let _ = output.upload.abort().await;
        }
    }
}

/// Which of so many equal parts of the hash space a series is in.
fn part_of(hash: SeriesHash, parts: usize) -> usize {
    ((u128::from(hash.0) * parts as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_hash_space() {
        assert_eq!([0, u64::MAX].map(|hash| part_of(SeriesHash(hash), 1)), [0, 0]);
        let borders = [0, (1 << 62) - 1, 1 << 62, u64::MAX >> 1, 1 << 63, u64::MAX];
        assert_eq!(borders.map(|hash| part_of(SeriesHash(hash), 4)), [0, 0, 1, 1, 2, 3]);
    }
}

//! Writing the block of a cut: own series and fetched ones merged in order, streamed to the bucket.

use std::{collections::HashMap, sync::Arc};

use narthex_block::{BlockMeta, BlockSchema, BlockUpload, LabelCount, SchemaSettings, WriterSettings};
use narthex_bucket::layout;
use narthex_model::{BlockId, Cut, Labels, Sample, WorkspaceId};
use object_store::ObjectStore;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    FlushError,
    fetched::{Fetched, Holder},
    union::{columns, columns_of, samples_of, union},
};
use crate::storage::{CutView, StorageError};

/// Series whose chunks are read at a time.
const BATCH: usize = 256;

/// Everything that goes into a block.
pub(crate) struct Writing<'a> {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) cut: Cut,
    pub(crate) id: BlockId,
    pub(crate) view: &'a CutView,
    pub(crate) fetched: Fetched,
    /// Who decides between two values.
    pub(crate) third: Third,
    /// Competing values are settled by `resolve` where the third owner is silent; otherwise they wait for it.
    pub(crate) settle_alone: bool,
}

/// The owner that was not needed for the quorum.
#[derive(Debug)]
pub(crate) enum Third {
    /// There is none, or it need not be asked.
    None,
    /// It sealed the cut and can be asked.
    Sealed(Holder),
    /// It does not answer; this is why.
    Silent(String),
}

/// A block that was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) meta: BlockMeta,
    /// Series whose competing values were settled without the third owner.
    pub(crate) unsettled: usize,
}

impl Writing<'_> {
    /// Writes the block; `None` if there is not a single sample. A failed block leaves no object, unless this is dropped.
    pub(crate) async fn write(mut self) -> Result<Option<Written>, FlushError> {
        let schema = self.schema()?;
        let path = layout::block_data(self.workspace, self.id);
        let window = self.view.window_length();
        let mut upload =
            BlockUpload::new(self.store.clone(), path, schema, window, WriterSettings::default())?;
        match self.push_all(&mut upload).await {
            Ok((0, _)) => {
                upload.abort().await?;
                Ok(None)
            }
            Ok((_, series)) if series > 0 && !self.settle_alone => {
                upload.abort().await?;
                let why = match self.third {
                    Third::Silent(why) => why,
                    Third::None | Third::Sealed(_) => "it was not asked".to_owned(),
                };
                Err(FlushError::Contested { cut: self.cut, series, why })
            }
            Ok((_, unsettled)) => Ok(Some(Written { meta: upload.finish().await?, unsettled })),
            Err(error) => {
                // The parts that were sent are of no use; what cannot be removed now is not an object either.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    /// Pushes every series; returns how many, and how many of them were not settled.
    async fn push_all(&mut self, upload: &mut BlockUpload) -> Result<(u64, usize), FlushError> {
        let (mut pushed, mut unsettled) = (0, 0);
        for first in (0..self.view.len()).step_by(BATCH) {
            let places = first..self.view.len().min(first + BATCH);
            let chunks = self.view.chunks(places.clone())?;
            for (place, chunks) in places.zip(chunks) {
                let Some(labels) = self.view.label_set(place) else { break };
                while let Some((theirs, samples)) = self.fetched.next_before(Some(labels)).await? {
                    pushed += push(upload, &theirs, columns(samples)).await?;
                }
                let samples = match self.fetched.take(labels).await? {
                    None => columns_of(&chunks).map_err(StorageError::from)?,
                    Some(theirs) => {
                        let own = samples_of(&chunks).map_err(StorageError::from)?;
                        let (samples, settled) = self.settle(labels, &own, &theirs).await?;
                        unsettled += usize::from(!settled);
                        columns(samples)
                    }
                };
                pushed += push(upload, labels, samples).await?;
            }
        }
        while let Some((theirs, samples)) = self.fetched.next_before(None).await? {
            pushed += push(upload, &theirs, columns(samples)).await?;
        }
        Ok((pushed, unsettled))
    }

    /// The union of two owners' samples; the third is asked where they contradict each other, because an acknowledged value
    /// is on two of the three. Whether it decided, or nothing had to be decided.
    async fn settle(
        &self,
        labels: &Labels,
        own: &[Sample],
        theirs: &[Sample],
    ) -> Result<(Vec<Sample>, bool), FlushError> {
        let (samples, contested) = union([own, theirs, &[]]);
        match &self.third {
            Third::Sealed(holder) if contested => {
                let third = holder.fetch(std::slice::from_ref(labels)).await?.pop().unwrap_or_default();
                Ok((union([own, theirs, &third]).0, true))
            }
            Third::None | Third::Sealed(_) | Third::Silent(_) => Ok((samples, !contested)),
        }
    }

    /// Columns for the labels that most series have.
    fn schema(&self) -> Result<BlockSchema, FlushError> {
        let settings = SchemaSettings::default();
        let mut names: HashMap<&str, (u64, hashbrown::HashSet<u64>)> = HashMap::new();
        let mut series = 0;
        for labels in self.view.labels().chain(self.fetched.labels()) {
            series += 1;
            for (name, value) in labels.iter() {
                let (count, values) = names.entry(name).or_default();
                *count += 1;
                if (values.len() as u64) < settings.bloom_from_values {
                    values.insert(xxh3_64(value.as_bytes()));
                }
            }
        }
        let counts: Vec<LabelCount<'_>> = names
            .iter()
            .map(|(name, (series, values))| LabelCount { name, series: *series, values: values.len() as u64 })
            .collect();
        // Of what is still to be fetched nobody knows.
        let histograms = self.fetched.labels().next().is_some() || self.view.has_histograms()?;
        Ok(BlockSchema::choose(series, &counts, histograms, &settings))
    }
}

async fn push(
    upload: &mut BlockUpload,
    labels: &Labels,
    samples: narthex_block::OwnedSamples,
) -> Result<u64, FlushError> {
    if samples.is_empty() {
        return Ok(0);
    }
    upload.push(labels, labels.series_hash(), samples.as_samples()).await?;
    Ok(1)
}

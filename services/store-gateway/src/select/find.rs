//! The first half of a Select: which series match, read from label columns of all blocks side by side.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use narthex_block::{Budget, Selection};
use narthex_model::{Labels, TimeRange};

use super::{
    labels::{Merged, merge_labels},
    queue::{BATCH, FEW},
};
use crate::{
    admission::Admission,
    blocks::{AskedBlock, Blocks, Bounds, Question, ReadError},
    workers::Workers,
};

/// Blocks of one request that are searched at a time: enough that round trips to the bucket overlap.
pub(crate) const BLOCKS_AT_A_TIME: usize = 64;

/// What a series takes besides its labels' text, here and as an allocation.
const LABELS_OVERHEAD: u64 = 64;
/// A decoded sample.
const SAMPLE_BYTES: u64 = 16;
/// Bytes of a decoded page for each byte in the bucket.
const DECODED: u64 = 8;

/// What matched: all series, and where their samples are.
#[derive(Debug)]
pub(crate) struct Found {
    pub(super) labels: Vec<Labels>,
    pub(super) sources: Vec<Source>,
}

impl Found {
    /// Whether there is so little to read that no other task is asked to.
    pub(super) fn is_few(&self) -> bool {
        let (samples, bytes) = self.sources.iter().fold((0u64, 0u64), |(samples, bytes), source| {
            (
                samples.saturating_add(source.selection.samples()),
                bytes.saturating_add(source.selection.bytes()),
            )
        });
        samples <= FEW.samples && bytes <= FEW.bytes
    }

    /// About the memory that sending it takes: labels, three batches of rows for each block, and decoded pages.
    pub(crate) fn memory(&self) -> u64 {
        let labels = self.labels.iter().map(|labels| labels.as_bytes().len() as u64 + LABELS_OVERHEAD);
        let rows = |selection: &Selection| selection.samples().min(3 * BATCH.samples) * SAMPLE_BYTES;
        let pages = |selection: &Selection| selection.bytes().min(BATCH.bytes) * DECODED;
        let blocks = self.sources.iter().map(|source| rows(&source.selection) + pages(&source.selection));
        labels.sum::<u64>() + blocks.sum::<u64>()
    }
}

/// One block's part.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) block: AskedBlock,
    pub(super) selection: Selection,
    /// Places of its series among all series.
    pub(super) places: Vec<u32>,
}

/// Series of all blocks of a request, before the same ones are merged.
#[derive(Debug, Clone)]
struct Counted {
    series: Arc<AtomicU64>,
    limit: u64,
}

impl Counted {
    fn add(&self, selection: &Selection) -> Result<(), ReadError> {
        let series = selection.series().len() as u64;
        if self.series.fetch_add(series, Ordering::Relaxed).saturating_add(series) > self.limit {
            return Err(ReadError::OverBudget { what: "series of blocks", limit: self.limit });
        }
        Ok(())
    }
}

/// Finds the series of blocks that match and have samples in windows which the range touches.
pub(crate) async fn find(
    workers: &Workers,
    blocks: &Arc<Blocks>,
    admission: &Arc<Admission>,
    asked: Vec<AskedBlock>,
    question: &Arc<Question>,
    range: TimeRange,
    bounds: Bounds,
) -> Result<Found, ReadError> {
    // A row counts with all samples of its window, whatever the range takes of it: samples are counted when they are sent.
    let budget = Budget { series: bounds.series, samples: u64::MAX, bytes: bounds.read };
    let counted = Counted { series: Arc::default(), limit: bounds.block_series };
    // What is known of a block takes less time than giving it to another thread does.
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for block in asked {
        match blocks.select_known(block, question, range, budget) {
            Some(selection) => {
                let selection = selection.map_err(|error| blocks.explain(block, error, bounds))?;
                counted.add(&selection)?;
                found.push((block, selection));
            }
            None => unknown.push(block),
        }
    }
    let work = unknown.into_iter().map(|block| {
        let (blocks, question, counted) = (Arc::clone(blocks), Arc::clone(question), counted.clone());
        let admission = Arc::clone(admission);
        async move {
            let _search = admission.search().await?;
            let selection = blocks.select(block, &question, range, budget).await;
            let selection = selection.map_err(|error| blocks.explain(block, error, bounds))?;
            counted.add(&selection)?;
            Ok::<_, ReadError>((block, selection))
        }
    });
    found.extend(workers.all(work, BLOCKS_AT_A_TIME).await?);
    found.retain(|(_, selection)| !selection.series().is_empty());
    // Taken, so that what several blocks have stays in memory once.
    let labels = |selection: &mut Selection| selection.take_series().into_iter().map(|series| series.labels);
    let lists = found.iter_mut().map(|(_, selection)| labels(selection).collect()).collect();
    let Some(Merged { labels, places }) = merge_labels(lists, bounds.series) else {
        return Err(ReadError::OverBudget { what: "series", limit: bounds.series });
    };
    let sources = found.into_iter().zip(places);
    let sources = sources.map(|((block, selection), places)| Source { block, selection, places }).collect();
    Ok(Found { labels, sources })
}

//! Which blocks are merged: pure.
//!
//! Time is divided into spans of 6 windows and of 12 (12 h and a day, where windows are 2 h), aligned to the epoch. The blocks that
//! lie in one span become one, once the span is over; a longer span goes first, so that after a long pause nothing is
//! written twice. A span is over when every partition that has a cut in it has committed one behind it, or, because a partition may
//! fall silent, when anything lies a whole window behind it. No clock takes part: a block that comes late is merged like any
//! other, at the price of writing its span again.
//!
//! What would be larger than the limit becomes several blocks, each with a part of the hash space. So many blocks of one span are left
//! as they are; only more than that are merged, which ends, because every merge makes fewer of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use narthex_manifest::{Entry, Manifest};
use narthex_model::{BlockId, PartitionId, Window};

/// Windows of a span, the longest first.
const SPANS: [i64; 2] = [12, 6];

/// Most blocks of one merge: each takes memory while it is read.
const MAX_INPUTS: usize = 64;

/// Most blocks that one merge makes: each takes memory while it is written.
const MAX_OUTPUTS: u64 = 16;

/// Blocks that are to become fewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// At least two.
    pub(crate) inputs: Vec<Arc<Entry>>,
    /// First window of the span.
    pub(crate) first: Window,
    /// Last window of the span.
    pub(crate) last: Window,
    /// How many blocks they become.
    pub(crate) outputs: usize,
}

impl Job {
    /// Bytes of all inputs.
    pub(crate) fn bytes(&self) -> u64 {
        self.inputs.iter().map(|entry| entry.bytes).sum()
    }
}

/// What there is to merge, oldest first. No block is in two jobs.
pub(crate) fn jobs(manifest: &Manifest, block_bytes: u64) -> Vec<Job> {
    if manifest.is_deleted() {
        return Vec::new();
    }
    let progress = Progress::of(manifest);
    let (mut jobs, mut taken) = (Vec::new(), BTreeSet::<BlockId>::new());
    for length in SPANS {
        let mut spans: BTreeMap<i64, Vec<Arc<Entry>>> = BTreeMap::new();
        for entry in manifest.entries().filter(|entry| !taken.contains(&entry.id)) {
            let [first, last] = windows(manifest, entry).map(|window| window.0.div_euclid(length));
            if first == last {
                spans.entry(first).or_default().push(Arc::clone(entry));
            }
        }
        for (span, mut inputs) in spans {
            let first = Window(span.saturating_mul(length));
            let last = Window(first.0.saturating_add(length - 1));
            let bytes: u64 = inputs.iter().map(|entry| entry.bytes).sum();
            let outputs = bytes.div_ceil(block_bytes.max(1)).clamp(1, MAX_OUTPUTS) as usize;
            if inputs.len() <= outputs || !progress.is_over(first, last, &inputs) {
                continue;
            }
            inputs.sort_by_key(|entry| (entry.time.min, entry.id));
            inputs.truncate(MAX_INPUTS);
            taken.extend(inputs.iter().map(|entry| entry.id));
            jobs.push(Job { inputs, first, last, outputs });
        }
    }
    jobs.sort_by_key(|job| job.first);
    jobs
}

/// The windows of a block's first and last sample.
fn windows(manifest: &Manifest, entry: &Entry) -> [Window; 2] {
    [entry.time.min, entry.time.max].map(|at| manifest.window_length().window(at))
}

/// How far a workspace's blocks reach.
struct Progress {
    /// The latest committed window of each partition.
    partitions: BTreeMap<PartitionId, Window>,
    /// The latest window with a sample.
    newest: Window,
}

impl Progress {
    fn of(manifest: &Manifest) -> Self {
        let mut partitions = BTreeMap::new();
        for (partition, _, range) in manifest.committed().ranges() {
            let last = partitions.entry(partition).or_insert(range.last);
            *last = range.last.max(*last);
        }
        let newest = manifest.entries().map(|entry| windows(manifest, entry)[1]).max();
        Self { partitions, newest: newest.unwrap_or(Window(i64::MIN)) }
    }

    /// Whether no more blocks are to be expected of a span.
    fn is_over(&self, first: Window, last: Window, blocks: &[Arc<Entry>]) -> bool {
        if self.newest.0 > last.0.saturating_add(1) {
            return true;
        }
        let cuts = blocks.iter().flat_map(|entry| entry.cuts.ranges());
        let mut inside = cuts.filter(|(_, _, range)| range.first <= last && range.last >= first);
        inside.all(|(partition, _, _)| self.partitions.get(&partition).is_some_and(|own| *own > last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use narthex_manifest::{Attempt, BucketTime, CutSet, Edit, Limits, Nonce};
    use narthex_model::{Cut, Epoch, SeriesHash, TimeRange, TimestampMs, WindowLength, WorkspaceId};
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 1_000;

    /// A block of one cut.
    fn block(partition: u32, window: i64, bytes: u64) -> Entry {
        let length = WindowLength::DEFAULT;
        let cut = Cut { partition: PartitionId(partition), epoch: Epoch(1), window: Window(window) };
        let start = length.start(cut.window).0;
        Entry {
            id: BlockId::new(window.cast_unsigned(), u128::from(partition)),
            level: 0,
            time: TimeRange { min: TimestampMs(start), max: TimestampMs(start + 60_000) },
            min_hash: SeriesHash(0),
            max_hash: SeriesHash(u64::MAX),
            cuts: CutSet::from(cut),
            series: 1,
            samples: 1,
            bytes,
            footer_bytes: 1,
            columns: Box::default(),
        }
    }

    fn apply(manifest: &Manifest, edit: &Edit) -> Manifest {
        let attempt = Attempt {
            writer: Nonce(7),
            window_length: WindowLength::DEFAULT,
            limits: Limits::DEFAULT,
            put: Some(BucketTime(1)),
            segments_named: 0,
        };
        Arc::unwrap_or_clone(manifest.apply(edit, &attempt).expect("applies").manifest)
    }

    fn manifest(blocks: impl IntoIterator<Item = Entry>) -> Manifest {
        let empty = Manifest::empty(WorkspaceId::from_random(1 << 64), WindowLength::DEFAULT);
        blocks.into_iter().fold(empty, |manifest, block| apply(&manifest, &Edit::Commit(block)))
    }

    /// Windows of each job's inputs.
    fn found(manifest: &Manifest) -> Vec<Vec<i64>> {
        let windows = |job: Job| job.inputs.iter().map(|entry| windows(manifest, entry)[0].0).collect();
        jobs(manifest, LIMIT).into_iter().map(windows).collect()
    }

    #[test]
    fn a_span_is_merged_once_it_is_over() {
        assert_eq!(found(&manifest((0..6).map(|window| block(0, window, 1)))), Vec::<Vec<i64>>::new());
        let halves = manifest((0..7).map(|window| block(0, window, 1)));
        assert_eq!(found(&halves), [[0, 1, 2, 3, 4, 5]], "the window behind the first half is there");
        let days = manifest((0..20).map(|window| block(0, window, 1)));
        assert_eq!(found(&days), [(0..12).collect::<Vec<_>>(), (12..18).collect()], "a whole day at once");
    }

    #[test]
    fn a_partition_that_lags_is_waited_for_until_it_is_silent() {
        let lagging =
            |newest: i64| manifest((0..newest).map(|window| block(0, window, 1)).chain([block(1, 2, 1)]));
        assert!(found(&lagging(7)).is_empty(), "its cuts of this half may still come");
        assert_eq!(found(&lagging(8)), [[0, 1, 2, 2, 3, 4, 5]], "a window later it is not waited for");
    }

    #[test]
    fn a_block_that_comes_late_is_merged_too_and_a_lone_one_is_left() {
        let lone = manifest([block(0, 0, 1), block(0, 20, 1)]);
        assert!(found(&lone).is_empty());
        let late = apply(&lone, &Edit::Commit(block(1, 3, 1)));
        assert_eq!(found(&late), [[0, 3]]);
    }

    #[test]
    fn what_is_too_large_for_one_block_becomes_several_which_are_left() {
        let large = manifest((0..14).map(|window| block(0, window, LIMIT / 4)));
        let jobs = jobs(&large, LIMIT);
        assert_eq!((jobs[0].inputs.len(), jobs[0].outputs, jobs[0].bytes()), (12, 3, 3 * LIMIT));
        assert!(found(&manifest([block(0, 0, LIMIT), block(1, 0, LIMIT), block(0, 20, 1)])).is_empty());
    }

    #[test]
    fn nothing_of_a_deleted_workspace_is_merged() {
        let deleted = apply(&manifest((0..7).map(|window| block(0, window, 1))), &Edit::Delete);
        assert!(jobs(&deleted, LIMIT).is_empty());
    }

    proptest! {
        /// Whatever there is, merging ends, and at its end each past day has no more blocks than its size asks for.
        #[test]
        fn merging_comes_to_an_end(
            cuts in proptest::collection::btree_set((0u32..3, 0i64..40), 1..60),
            sizes in proptest::collection::vec(1u64..900, 60),
        ) {
            let blocks = cuts.iter().zip(sizes).map(|((partition, window), bytes)| block(*partition, *window, bytes));
            let mut manifest = manifest(blocks);
            let mut number = 1u128 << 100;
            for round in 0.. {
                let jobs = jobs(&manifest, LIMIT);
                let ids: Vec<_> = jobs.iter().flat_map(|job| &job.inputs).map(|entry| entry.id).collect();
                prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "a block in two jobs");
                if jobs.is_empty() {
                    break;
                }
                prop_assert!(round < 8, "no end");
                for job in jobs {
                    prop_assert!(job.inputs.len() > job.outputs);
                    let min = job.inputs.iter().map(|entry| entry.time.min).min().expect("inputs");
                    let max = job.inputs.iter().map(|entry| entry.time.max).max().expect("inputs");
                    let outputs = (0..job.outputs).map(|_| {
                        number += 1;
                        let bytes = job.bytes() / job.outputs as u64;
                        let time = TimeRange { min, max };
                        Entry { id: BlockId::from_u128(number), time, bytes, ..block(0, 0, 1) }
                    });
                    let inputs = job.inputs.iter().map(|entry| entry.id).collect();
                    manifest = apply(&manifest, &Edit::Compact { inputs, outputs: outputs.collect() });
                }
            }
            let newest = manifest.entries().map(|entry| windows(&manifest, entry)[1].0).max().expect("blocks");
            for day in 0..(newest - 1).div_euclid(12) {
                let of_day: Vec<_> = manifest
                    .entries()
                    .filter(|entry| windows(&manifest, entry)[0].0.div_euclid(12) == day)
                    .collect();
                let bytes: u64 = of_day.iter().map(|entry| entry.bytes).sum();
                prop_assert!(of_day.len() as u64 <= bytes.div_ceil(LIMIT).max(1), "{} blocks of {bytes}", of_day.len());
            }
        }
    }
}

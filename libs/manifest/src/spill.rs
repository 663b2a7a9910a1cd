//! Moving entries between the root and segments, so that a root stays small and few segments hold many blocks.
//!
//! The root keeps what changes: the newest blocks. When it grows beyond its bounds the older half moves out, packed together
//! with the last small segment. Entries that leave the manifest are noted beside the segment; once half of it is gone the rest
//! returns to the root, to be packed again.

use std::{collections::BTreeSet, sync::Arc};

use narthex_bucket::layout::SegmentId;

use crate::{
    Entry, Manifest, Object,
    apply::{Attempt, NewSegment},
    format,
    segment::{Segment, SegmentRef},
};

/// Brings a revision within the limits; returns the segments that must be written before it.
pub(crate) fn spill(manifest: &mut Manifest, attempt: &Attempt) -> Vec<NewSegment> {
    reclaim(manifest);
    let limits = attempt.limits;
    let bytes = |entries: &[Arc<Entry>]| entries.iter().map(|entry| entry.size()).sum::<usize>();
    if manifest.recent.len() <= limits.root_entries && bytes(&manifest.recent) <= limits.root_bytes {
        return Vec::new();
    }
    let mut moving = older_half(manifest, attempt);
    let room = |segment: &SegmentRef| {
        let live: Vec<Arc<Entry>> = segment.live().cloned().collect();
        let entries = live.len() + moving.len() <= limits.segment_entries;
        entries && bytes(&live) + bytes(&moving) <= limits.segment_bytes
    };
    if manifest.segments.last().is_some_and(room)
        && let Some(last) = manifest.segments.pop()
    {
        moving.extend(last.live().cloned());
        manifest.note_removal(Object::Segment(last.segment.id()));
    }
    moving.sort_unstable_by_key(|entry| (entry.time.max, entry.id));
    let mut new = Vec::new();
    for entries in pack(moving, attempt) {
        let number = u128::from(attempt.segments_named) + new.len() as u128;
        let segment = Arc::new(Segment::new(SegmentId(attempt.writer.0.wrapping_add(number)), entries));
        let (file, crc32c) = format::encode_segment(manifest.workspace, &segment);
        let dropped = Arc::new(BTreeSet::new());
        manifest.segments.push(SegmentRef { segment: Arc::clone(&segment), crc32c, dropped });
        new.push(NewSegment { segment, file });
    }
    new
}

/// Takes segments apart that have lost half of their entries or more.
fn reclaim(manifest: &mut Manifest) {
    let worn = |segment: &SegmentRef| segment.dropped.len() * 2 >= segment.segment.entries().len();
    let (worn, kept): (Vec<_>, Vec<_>) =
        std::mem::take(&mut manifest.segments).into_iter().partition(|segment| worn(segment));
    manifest.segments = kept;
    for segment in worn {
        manifest.recent.extend(segment.live().cloned());
        manifest.note_removal(Object::Segment(segment.segment.id()));
    }
}

/// Takes the older entries out of the root, until it is half as large as it may be.
fn older_half(manifest: &mut Manifest, attempt: &Attempt) -> Vec<Arc<Entry>> {
    let newest_first = |entry: &Arc<Entry>| std::cmp::Reverse((entry.time.max, entry.id));
    manifest.recent.sort_unstable_by_key(newest_first);
    let (mut kept, mut size) = (0, 0);
    for entry in &manifest.recent {
        size += entry.size();
        if kept == attempt.limits.root_entries / 2 || size > attempt.limits.root_bytes / 2 {
            break;
        }
        kept += 1;
    }
    manifest.recent.split_off(kept)
}

/// Groups entries, in their order, into segments within the limits.
fn pack(entries: Vec<Arc<Entry>>, attempt: &Attempt) -> Vec<Vec<Arc<Entry>>> {
    let mut segments: Vec<Vec<Arc<Entry>>> = Vec::new();
    let mut size = 0;
    for entry in entries {
        let full = |last: &Vec<Arc<Entry>>| {
            last.len() >= attempt.limits.segment_entries || size + entry.size() > attempt.limits.segment_bytes
        };
        match segments.last_mut().filter(|last| !full(last)) {
            Some(last) => {
                size += entry.size();
                last.push(entry);
            }
            None => {
                size = entry.size();
                segments.push(vec![entry]);
            }
        }
    }
    segments
}

//! From manifests to bytes.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use narthex_model::{BlockId, WorkspaceId};
use prost::Message;

use super::{FORMAT, v1};
use crate::{Column, CutSet, Entry, Manifest, Object, Removal, Segment, SegmentRef};

/// The file of a root.
pub(crate) fn encode_root(manifest: &Manifest) -> Bytes {
    let mut names = Names::default();
    let blocks = manifest.recent.iter().map(|entry| names.entry(entry)).collect();
    let root = v1::ManifestRoot {
        workspace: bytes16(manifest.workspace.as_u128()),
        revision: manifest.revision.0,
        parent: bytes16(manifest.parent.0),
        writer: bytes16(manifest.writer.0),
        window_millis: manifest.window_length.as_millis(),
        committed: cuts(&manifest.committed),
        floor: manifest.floor.map(|floor| floor.0),
        collected_before: Some(manifest.collected_before.0),
        deleted: manifest.deleted,
        columns: names.list,
        blocks,
        segments: manifest.segments.iter().map(reference).collect(),
        removals: manifest.removals.iter().map(removal).collect(),
        lost_revision: manifest.lost.0,
    };
    file(&root).0
}

/// The file of a segment, and the checksum of its body.
pub(crate) fn encode_segment(workspace: WorkspaceId, segment: &Segment) -> (Bytes, u32) {
    let mut names = Names::default();
    let blocks = segment.entries().iter().map(|entry| names.entry(entry)).collect();
    file(&v1::ManifestSegment {
        workspace: bytes16(workspace.as_u128()),
        id: bytes16(segment.id().0),
        columns: names.list,
        blocks,
    })
}

fn file(message: &impl Message) -> (Bytes, u32) {
    let body: Bytes = message.encode_to_vec().into();
    let crc32c = crc32c::crc32c(&body);
    (v1::ManifestFile { format: FORMAT, crc32c, body }.encode_to_vec().into(), crc32c)
}

fn bytes16(bits: u128) -> Bytes {
    Bytes::copy_from_slice(&bits.to_be_bytes())
}

fn cuts(set: &CutSet) -> Vec<v1::CutRanges> {
    let group = |((partition, epoch), ranges): (&(_, _), &Vec<crate::Range>)| {
        let mut windows = Vec::with_capacity(ranges.len() * 2);
        let mut end = 0i64;
        for range in ranges {
            // Distances between any two numbers fit if they may wrap, as they do when they are added up again.
            windows.push(range.first.0.wrapping_sub(end));
            windows.push(range.last.0.wrapping_sub(range.first.0));
            end = range.last.0;
        }
        let (narthex_model::PartitionId(partition), narthex_model::Epoch(epoch)) = (*partition, *epoch);
        v1::CutRanges { partition, epoch, windows }
    };
    set.groups().map(group).collect()
}

fn reference(segment: &SegmentRef) -> v1::SegmentReference {
    let dropped: Vec<u8> =
        segment.dropped.iter().flat_map(|id: &BlockId| id.as_u128().to_be_bytes()).collect();
    v1::SegmentReference {
        id: bytes16(segment.segment.id().0),
        crc32c: segment.crc32c,
        blocks: segment.segment.entries().len() as u32,
        dropped: dropped.into(),
    }
}

fn removal(removal: &Removal) -> v1::Removal {
    let object = match removal.object {
        Object::Block(id) => v1::removal::Object::Block(bytes16(id.as_u128())),
        Object::Segment(id) => v1::removal::Object::Segment(bytes16(id.0)),
    };
    v1::Removal { object: Some(object), revision: removal.revision.0 }
}

/// Column names, each said once in a file.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    places: HashMap<Arc<str>, u32>,
}

impl Names {
    fn place(&mut self, name: &Arc<str>) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.list.len() as u32;
        self.list.push(name.to_string());
        self.places.insert(Arc::clone(name), place);
        place
    }

    fn entry(&mut self, entry: &Entry) -> v1::BlockEntry {
        let column = |column: &Column| v1::LabelColumn {
            name: self.place(column.shared_name()),
            min: column.min().to_owned(),
            max: column.max().to_owned(),
            max_cut: column.max_is_cut(),
        };
        v1::BlockEntry {
            id: bytes16(entry.id.as_u128()),
            level: entry.level,
            min_time: entry.time.min.0,
            time_span: entry.time.max.0.wrapping_sub(entry.time.min.0) as u64,
            min_hash: entry.min_hash.0,
            max_hash: entry.max_hash.0,
            cuts: cuts(&entry.cuts),
            series: entry.series,
            samples: entry.samples,
            bytes: entry.bytes,
            footer_bytes: entry.footer_bytes,
            columns: entry.columns.iter().map(column).collect(),
        }
    }
}

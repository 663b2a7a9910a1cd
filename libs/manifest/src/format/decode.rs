//! From bytes to manifests, in two steps: a root names segments, and with their contents it is a manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use narthex_bucket::layout::SegmentId;
use narthex_model::{
    BlockId, Epoch, ManifestRevision, PartitionId, SeriesHash, TimeRange, TimestampMs, Window, WindowLength,
    WorkspaceId,
};
use prost::Message;

use super::{FORMAT, FormatError, MAX_FILE_BYTES, scan, v1};
use crate::{
    BucketTime, Column, CutSet, Entry, MAX_COLUMNS, MAX_TEXT, Manifest, Nonce, Object, Range, Removal,
    Segment, SegmentRef,
};

/// A root that was read, whose segments are still to be read.
#[derive(Debug)]
pub(crate) struct Root {
    manifest: Manifest,
    references: Vec<Reference>,
}

/// What a root says about a segment.
#[derive(Debug)]
struct Reference {
    id: SegmentId,
    crc32c: u32,
    blocks: u32,
    dropped: BTreeSet<BlockId>,
}

impl Root {
    /// Segments that the root names, with the checksums of their bodies.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (SegmentId, u32)> {
        self.references.iter().map(|reference| (reference.id, reference.crc32c))
    }
}

/// Reads the root of a workspace that lies under the name of `revision`.
pub(crate) fn decode_root(
    bytes: Bytes,
    workspace: WorkspaceId,
    revision: ManifestRevision,
) -> Result<Root, FormatError> {
    let (body, _) = open(bytes)?;
    scan::scan_root(&body)?;
    let root = v1::ManifestRoot::decode(body).map_err(|_| FormatError::Damaged("it is no root"))?;
    let found = WorkspaceId::from_u128(bits(&root.workspace)?);
    if found != workspace || root.revision != revision.0 {
        return Err(FormatError::Elsewhere { found, revision: ManifestRevision(root.revision) });
    }
    if matches!(root.revision, 0 | u64::MAX) {
        return Err(FormatError::Damaged("no root has this revision"));
    }
    let window_length = WindowLength::from_millis(root.window_millis)
        .map_err(|_| FormatError::Damaged("windows of an impossible length"))?;
    let manifest = Manifest {
        workspace,
        revision,
        parent: Nonce(bits(&root.parent)?),
        writer: Nonce(bits(&root.writer)?),
        window_length,
        committed: cuts(&root.committed)?,
        floor: root.floor.map(Window),
        collected_before: root.collected_before.map_or(BucketTime::MIN, BucketTime),
        deleted: root.deleted,
        recent: entries(root.blocks, root.columns)?,
        segments: Vec::new(),
        removals: root.removals.iter().map(removal).collect::<Result<_, _>>()?,
        lost: ManifestRevision(root.lost_revision),
    };
    unique(&mut manifest.recent.iter().map(|entry| entry.id).collect::<Vec<_>>())?;
    let references = root.segments.iter().map(reference).collect::<Result<Vec<_>, _>>()?;
    unique(&mut references.iter().map(|reference| reference.id).collect::<Vec<_>>())?;
    Ok(Root { manifest, references })
}

/// Reads a segment, whose body must have the checksum that the root says.
pub(crate) fn decode_segment(
    bytes: Bytes,
    workspace: WorkspaceId,
    id: SegmentId,
    crc32c: u32,
) -> Result<Segment, FormatError> {
    let (body, found) = open(bytes)?;
    if found != crc32c {
        return Err(FormatError::Checksum);
    }
    scan::scan_segment(&body)?;
    let segment = v1::ManifestSegment::decode(body).map_err(|_| FormatError::Damaged("it is no segment"))?;
    if bits(&segment.workspace)? != workspace.as_u128() || bits(&segment.id)? != id.0 {
        return Err(FormatError::Damaged("it is another segment"));
    }
    let entries = entries(segment.blocks, segment.columns)?;
    unique(&mut entries.iter().map(|entry| entry.id).collect::<Vec<_>>())?;
    Ok(Segment::new(id, entries))
}

/// A manifest from a root and all segments that it names.
pub(crate) fn resolve(
    root: Root,
    segments: &BTreeMap<SegmentId, Arc<Segment>>,
) -> Result<Manifest, FormatError> {
    let Root { mut manifest, references } = root;
    for Reference { id, crc32c, blocks, dropped } in references {
        let segment = segments.get(&id).ok_or(FormatError::SegmentMissing(id))?;
        let held = |id: &BlockId| segment.entries().binary_search_by_key(id, |entry| entry.id).is_ok();
        if segment.entries().len() != blocks as usize || !dropped.iter().all(held) {
            return Err(FormatError::Damaged("a segment does not hold what the root says"));
        }
        let (segment, dropped) = (Arc::clone(segment), Arc::new(dropped));
        manifest.segments.push(SegmentRef { segment, crc32c, dropped });
    }
    unique(&mut manifest.entries().map(|entry| entry.id).collect::<Vec<_>>())?;
    Ok(manifest)
}

/// The body of a file and its checksum.
fn open(bytes: Bytes) -> Result<(Bytes, u32), FormatError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(FormatError::Size(bytes.len()));
    }
    let file = v1::ManifestFile::decode(bytes).map_err(|_| FormatError::Damaged("it is no manifest file"))?;
    match file.format {
        0 => return Err(FormatError::Damaged("it has no format")),
        found if found > FORMAT => return Err(FormatError::Newer { found }),
        _ => {}
    }
    if crc32c::crc32c(&file.body) != file.crc32c {
        return Err(FormatError::Checksum);
    }
    Ok((file.body, file.crc32c))
}

fn bits(bytes: &[u8]) -> Result<u128, FormatError> {
    let bytes = bytes.try_into().map_err(|_| FormatError::Damaged("an id that is not 16 bytes long"))?;
    Ok(u128::from_be_bytes(bytes))
}

fn unique<T: Ord>(items: &mut [T]) -> Result<(), FormatError> {
    items.sort_unstable();
    if items.windows(2).all(|pair| pair[0] < pair[1]) {
        Ok(())
    } else {
        Err(FormatError::Damaged("a name comes twice"))
    }
}

fn cuts(groups: &[v1::CutRanges]) -> Result<CutSet, FormatError> {
    let mut set = CutSet::default();
    let mut before = None;
    for group in groups {
        let key = (PartitionId(group.partition), Epoch(group.epoch));
        let (pairs, rest) = group.windows.as_chunks::<2>();
        if !rest.is_empty() || pairs.is_empty() || before.replace(key).is_some_and(|before| key <= before) {
            return Err(FormatError::Damaged("ranges of cuts that are not as they are written"));
        }
        let mut last: Option<i64> = None;
        for [gap, length] in pairs {
            let first = last.unwrap_or(0).wrapping_add(*gap);
            let end = first.wrapping_add(*length);
            // In order, and apart: then adding one to the set takes no time worth mentioning.
            if end < first || last.is_some_and(|last| first <= last.saturating_add(1)) {
                return Err(FormatError::Damaged("ranges of cuts out of order"));
            }
            set.insert_range(key.0, key.1, Range { first: Window(first), last: Window(end) });
            last = Some(end);
        }
    }
    Ok(set)
}

fn entries(blocks: Vec<v1::BlockEntry>, names: Vec<String>) -> Result<Vec<Arc<Entry>>, FormatError> {
    if names.iter().any(|name| name.len() > MAX_TEXT) {
        return Err(FormatError::Damaged("a label name that is too long"));
    }
    let names: Vec<Arc<str>> = names.into_iter().map(Into::into).collect();
    blocks.into_iter().map(|block| entry(block, &names).map(Arc::new)).collect()
}

fn entry(block: v1::BlockEntry, names: &[Arc<str>]) -> Result<Entry, FormatError> {
    let column = |column: v1::LabelColumn| {
        let name = names.get(column.name as usize).ok_or(FormatError::Damaged("a label without a name"))?;
        if column.min.len() > MAX_TEXT || column.max.len() > MAX_TEXT {
            return Err(FormatError::Damaged("a label value that is too long"));
        }
        Ok(Column::exact(Arc::clone(name), &column.min, &column.max, column.max_cut))
    };
    debug_assert!(block.columns.len() <= MAX_COLUMNS, "scanned");
    let max_time = block.min_time.wrapping_add(block.time_span as i64);
    if max_time < block.min_time {
        return Err(FormatError::Damaged("a block that ends before it begins"));
    }
    Ok(Entry {
        id: BlockId::from_u128(bits(&block.id)?),
        level: block.level,
        time: TimeRange { min: TimestampMs(block.min_time), max: TimestampMs(max_time) },
        min_hash: SeriesHash(block.min_hash),
        max_hash: SeriesHash(block.max_hash),
        cuts: cuts(&block.cuts)?,
        series: block.series,
        samples: block.samples,
        bytes: block.bytes,
        footer_bytes: block.footer_bytes,
        columns: block.columns.into_iter().map(column).collect::<Result<_, _>>()?,
    })
}

fn reference(reference: &v1::SegmentReference) -> Result<Reference, FormatError> {
    let (ids, rest) = reference.dropped.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(FormatError::Damaged("half of a block id"));
    }
    let dropped: BTreeSet<BlockId> =
        ids.iter().map(|id| BlockId::from_u128(u128::from_be_bytes(*id))).collect();
    let id = SegmentId(bits(&reference.id)?);
    Ok(Reference { id, crc32c: reference.crc32c, blocks: reference.blocks, dropped })
}

fn removal(removal: &v1::Removal) -> Result<Removal, FormatError> {
    let object = match &removal.object {
        Some(v1::removal::Object::Block(id)) => Object::Block(BlockId::from_u128(bits(id)?)),
        Some(v1::removal::Object::Segment(id)) => Object::Segment(SegmentId(bits(id)?)),
        None => return Err(FormatError::Damaged("the removal of nothing")),
    };
    Ok(Removal { object, revision: ManifestRevision(removal.revision) })
}

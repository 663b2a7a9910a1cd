//! Round trips, and bytes that nobody wrote.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use narthex_model::{BlockId, Cut, Epoch, PartitionId, SeriesHash, TimeRange, Window, WindowLength};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::{
    BucketTime, Column, CutSet, Entry, Manifest, Nonce, Object, Removal, Segment, SegmentId, SegmentRef,
    model::{empty, entry, workspace},
};

fn cut_sets() -> impl Strategy<Value = CutSet> {
    let window = prop_oneof![-9i64..9, any::<i64>()];
    let cut = (any::<u32>(), 0u64..3, window);
    prop::collection::vec(cut, 0..12).prop_map(|cuts| {
        let cut = |(partition, epoch, window): (u32, u64, i64)| Cut {
            partition: PartitionId(partition % 3),
            epoch: Epoch(epoch),
            window: Window(window),
        };
        cuts.into_iter().map(cut).collect()
    })
}

fn entries() -> impl Strategy<Value = Vec<Arc<Entry>>> {
    let column = ("[a-z]{1,9}", "\\PC{0,90}", "\\PC{0,90}");
    let columns = prop::collection::vec(column, 0..4);
    let numbers = (any::<[u64; 5]>(), any::<u32>(), any::<u32>(), any::<(i64, i64)>());
    let entry = (any::<u128>(), numbers, cut_sets(), columns).prop_map(|(id, numbers, cuts, columns)| {
        let ([min_hash, max_hash, series, samples, bytes], level, footer_bytes, times) = numbers;
        let columns = columns.iter().filter_map(|(name, min, max)| Column::new(name.as_str(), min, max));
        Entry {
            id: BlockId::from_u128(id),
            level,
            time: TimeRange::from(times.0.min(times.1)..=times.0.max(times.1)),
            min_hash: SeriesHash(min_hash),
            max_hash: SeriesHash(max_hash),
            cuts,
            series,
            samples,
            bytes,
            footer_bytes,
            columns: columns.collect(),
        }
    });
    prop::collection::vec(entry, 0..5).prop_map(|mut entries| {
        entries.sort_by_key(|entry| entry.id);
        entries.dedup_by_key(|entry| entry.id);
        entries.into_iter().map(Arc::new).collect()
    })
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let plain =
        (1..u64::MAX, any::<[u128; 2]>(), any::<Option<i64>>(), any::<i64>(), any::<bool>(), any::<u64>());
    let removals = prop::collection::vec((any::<bool>(), any::<u128>(), any::<u64>()), 0..4);
    let parts = (plain, cut_sets(), entries(), entries(), 1_000i64..7_200_000, removals);
    parts.prop_map(|(plain, committed, recent, mut old, window, removals)| {
        let (revision, [parent, writer], floor, collected_before, deleted, lost) = plain;
        old.retain(|entry| recent.iter().all(|other| other.id != entry.id));
        let dropped = old.iter().take(1).map(|entry| entry.id).collect();
        let segment = Arc::new(Segment::new(SegmentId(5), old));
        let crc32c = encode_segment(workspace(), &segment).1;
        let removal = |(block, id, revision)| {
            let block_id = Object::Block(BlockId::from_u128(id));
            let object = if block { block_id } else { Object::Segment(SegmentId(id)) };
            Removal { object, revision: ManifestRevision(revision) }
        };
        Manifest {
            revision: ManifestRevision(revision),
            parent: Nonce(parent),
            writer: Nonce(writer),
            window_length: WindowLength::from_millis(window).expect("in range"),
            committed,
            floor: floor.map(Window),
            collected_before: BucketTime(collected_before),
            deleted,
            recent,
            segments: vec![SegmentRef { segment, crc32c, dropped: Arc::new(dropped) }],
            removals: removals.into_iter().map(removal).collect(),
            lost: ManifestRevision(lost),
            ..empty()
        }
    })
}

fn read(
    file: Bytes,
    revision: ManifestRevision,
    segments: &BTreeMap<SegmentId, Bytes>,
) -> Result<Manifest, FormatError> {
    Manifest::from_files(workspace(), revision, file, |id| segments.get(&id).cloned())
}

fn files(manifest: &Manifest) -> (Bytes, BTreeMap<SegmentId, Bytes>) {
    let segments = manifest.segments().iter().map(|segment| {
        let segment = segment.segment();
        (segment.id(), encode_segment(workspace(), segment).0)
    });
    (encode_root(manifest), segments.collect())
}

/// A file with any body and the checksum that belongs to it.
fn wrapped(body: impl Into<Bytes>) -> Bytes {
    let body = body.into();
    let crc32c = crc32c::crc32c(&body);
    v1::ManifestFile { format: FORMAT, crc32c, body }.encode_to_vec().into()
}

proptest! {
    #[test]
    fn what_is_written_is_read(manifest in manifests()) {
        let (root, segments) = files(&manifest);
        let read = read(root, manifest.revision(), &segments);
        prop_assert_eq!(read, Ok(manifest));
    }

    #[test]
    fn damage_is_noticed(manifest in manifests(), at: prop::sample::Index, bit in 0u8..8, cut: bool) {
        let (root, segments) = files(&manifest);
        let mut bytes = root.to_vec();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        let read = read(bytes.into(), manifest.revision(), &segments);
        prop_assert!(read.is_err() || read == Ok(manifest), "damage was read as another manifest");
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), manifest in manifests()) {
        let revision = manifest.revision();
        let (_, segments) = files(&manifest);
        let _ = decode_root(bytes.clone().into(), workspace(), revision);
        let _ = read(wrapped(bytes.clone()), revision, &segments);
        let _ = decode_segment(wrapped(bytes), workspace(), SegmentId(5), 0);
        // Nearly a manifest, with a checksum that fits.
        let file = v1::ManifestFile::decode(encode_root(&manifest)).expect("written");
        let mut body = file.body.to_vec();
        for (at, byte) in noise {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = read(wrapped(body), revision, &segments);
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let file = v1::ManifestFile { format: FORMAT + 1, crc32c: 0, body: Bytes::from_static(b"\xFFwhatever") };
    let error =
        decode_root(file.encode_to_vec().into(), workspace(), ManifestRevision(1)).expect_err("newer");
    assert_eq!(error, FormatError::Newer { found: FORMAT + 1 });
    assert!(error.to_string().contains("upgrade"), "{error}");
}

#[test]
fn a_root_under_another_name_is_refused() {
    let manifest = Manifest { revision: ManifestRevision(3), ..empty() };
    let file = encode_root(&manifest);
    let elsewhere = FormatError::Elsewhere { found: workspace(), revision: ManifestRevision(3) };
    assert_eq!(decode_root(file.clone(), workspace(), ManifestRevision(4)).err(), Some(elsewhere.clone()));
    let other = WorkspaceId::from_random(8);
    assert_eq!(decode_root(file, other, ManifestRevision(3)).err(), Some(elsewhere));
}

#[test]
fn tiny_messages_without_end_are_refused_before_they_cost_memory() {
    // Two bytes an entry: a file of 16 MiB would cost gigabytes.
    let body = [0x5A, 0x00].repeat(4 << 20);
    let error = decode_root(wrapped(body), workspace(), ManifestRevision(1)).err();
    assert_eq!(error, Some(FormatError::Damaged("it holds more elements than any that is written")));
    let columns = vec![v1::LabelColumn::default(); 65];
    let block = v1::BlockEntry { id: vec![0; 16].into(), columns, ..Default::default() };
    let root = v1::ManifestRoot { blocks: vec![block], ..Default::default() };
    let error = decode_root(wrapped(root.encode_to_vec()), workspace(), ManifestRevision(1)).err();
    assert_eq!(error, Some(FormatError::Damaged("it holds more elements than any that is written")));
    let error = decode_root(vec![0; MAX_FILE_BYTES + 1].into(), workspace(), ManifestRevision(1)).err();
    assert_eq!(error, Some(FormatError::Size(MAX_FILE_BYTES + 1)));
}

#[test]
fn sizes_are_estimated_from_above_and_not_by_far() {
    let entries: Vec<Arc<Entry>> = (0..500)
        .map(|id| {
            let cuts = (0..4).map(|window| crate::model::cut(id % 7, i64::from(id) * 4 + window));
            let mut entry = entry(u128::from(id), cuts);
            let column = |at| Column::new(format!("label_{at}"), "a-value-like-others", "some-other-value");
            entry.columns = (0..12).filter_map(column).collect();
            Arc::new(entry)
        })
        .collect();
    let estimate: usize = entries.iter().map(|entry| entry.size()).sum();
    let segment = Segment::new(SegmentId(1), entries);
    let exact = encode_segment(workspace(), &segment).0.len();
    assert!(exact <= estimate && estimate <= exact * 3 / 2, "{exact} bytes, estimated {estimate}");
}

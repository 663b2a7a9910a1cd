//! Segments on disk: what comes back, what does not, and bounds.

use std::{fs, path::PathBuf, sync::Arc};

use narthex_model::{Labels, ManifestRevision, TimestampMs, WorkspaceId};
use narthex_promql::Notes;
use narthex_service::Components;
use proptest::prelude::*;

use super::{
    cache::Key,
    disk::Disk,
    extent::{Extent, Floats, Ground, Kept},
    file::{decode, encode},
    stretch::Stretch,
};
use crate::{metrics::Metrics, reads::History};

const WORKSPACE: WorkspaceId = WorkspaceId::from_u128(1);
const MOST: u64 = 1 << 20;

fn key(segment: i64) -> Key {
    Key { text: Arc::from("up"), lookback_ms: 1, step_ms: 10, phase_ms: 0, ends: None, segment }
}

fn extent(values: &[(u32, u64)]) -> Arc<Extent> {
    let mut floats = Floats::default();
    values.iter().for_each(|(step, bits)| floats.push(*step, f64::from_bits(*bits)));
    let series =
        vec![Kept { labels: Labels::from_pairs([("__name__", "up")]), floats, histograms: Vec::new() }];
    let history = History { lost: ManifestRevision(7), retained_from: TimestampMs(-5) };
    let ground = Ground { reads_from: TimestampMs(-40), history };
    let steps = Stretch { start: 0, step: 10, count: 100 };
    Arc::new(Extent::whole(steps, (0..100).collect(), 9, Notes::default(), series, ground))
}

fn text(extents: &[Arc<Extent>]) -> String {
    format!("{extents:?}")
}

fn disk(folder: &tempfile::TempDir, all: u64) -> (Disk, Metrics) {
    let metrics = Metrics::register(&mut Components::from_system(None).registry.lock());
    (Disk::open(folder.path(), all, all, &metrics).expect("a folder"), metrics)
}

fn files(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let of = fs::read_dir(folder.path().join(WORKSPACE.to_string())).into_iter().flatten().flatten();
    of.map(|entry| entry.path()).collect()
}

/// Writes and waits for it.
async fn put(disk: &Disk, folder: &tempfile::TempDir, segment: i64, extents: &[Arc<Extent>]) {
    let before = files(folder).len();
    disk.put(WORKSPACE, key(segment), extents.into());
    while files(folder).iter().filter(|path| path.extension().is_some_and(|ending| ending == "range")).count()
        <= before
    {
        tokio::task::yield_now().await;
    }
    while disk.get(WORKSPACE, &key(segment), MOST).await.is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let extents = [extent(&[(0, 1), (1, 2), (5, f64::NAN.to_bits())]), extent(&[(3, 9)])];
    put(&disk(&folder, MOST).0, &folder, 4, &extents).await;
    let (again, metrics) = disk(&folder, MOST);
    let found = again.get(WORKSPACE, &key(4), MOST).await.expect("it is there");
    assert_eq!(text(&found), text(&extents));
    assert!(metrics.range_disk_bytes.get() > 0 && metrics.range_disk_hits.get() == 1);
    assert!(again.get(WORKSPACE, &key(5), MOST).await.is_none());
    assert!(again.get(WorkspaceId::from_u128(2), &key(4), MOST).await.is_none(), "of another workspace");
    again.retain(|_| false);
    assert!(again.get(WORKSPACE, &key(4), MOST).await.is_none() && files(&folder).is_empty());
}

#[tokio::test]
async fn a_file_that_cannot_be_believed_is_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (disk, metrics) = disk(&folder, MOST);
    put(&disk, &folder, 4, &[extent(&[(0, 1)])]).await;
    let path = files(&folder).pop().expect("a file");
    let mut bytes = fs::read(&path).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).expect("written");
    assert!(disk.get(WORKSPACE, &key(4), MOST).await.is_none());
    assert!(files(&folder).is_empty() && metrics.range_disk_damaged.get() == 1);
    assert_eq!(metrics.range_disk_bytes.get(), 0);
}

#[tokio::test]
async fn files_stay_within_their_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let values: Vec<(u32, u64)> =
        (0..100).map(|step| (step, u64::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let size = encode(WORKSPACE, &key(0), &[extent(&values)]).expect("floats").len() as u64;
    let (disk, metrics) = disk(&folder, 5 * size + size / 2);
    for segment in 0..20 {
        disk.put(WORKSPACE, key(segment), [extent(&values)].into());
    }
    while metrics.range_evictions.get() < 15 {
        tokio::task::yield_now().await;
    }
    let kept = files(&folder);
    assert!((4..=5).contains(&kept.len()), "{} files", kept.len());
    assert!(metrics.range_disk_bytes.get() as u64 <= 5 * size + size / 2);
}

proptest! {
    #[test]
    fn no_bytes_pass_for_what_they_are_not(
        values in prop::collection::btree_map(0u32..100, any::<u64>(), 0..60),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        cut in any::<prop::sample::Index>(),
    ) {
        let extents = [extent(&values.into_iter().collect::<Vec<_>>())];
        let file = encode(WORKSPACE, &key(3), &extents).expect("floats");
        let found = decode(&file, WORKSPACE, &key(3), MOST).expect("as it was written");
        prop_assert_eq!(text(&found), text(&extents));
        prop_assert!(decode(&file, WORKSPACE, &key(4), MOST).is_none(), "another segment");
        prop_assert!(decode(&file, WorkspaceId::from_u128(2), &key(3), MOST).is_none(), "another workspace");
        prop_assert!(decode(&file, WORKSPACE, &key(3), 10).is_none(), "more than may be unpacked");
        prop_assert!(decode(&file[..cut.index(file.len())], WORKSPACE, &key(3), MOST).is_none());
        let mut damaged = file.clone();
        damaged[at.index(file.len())] ^= flip;
        // All but the length, which the bytes themselves tell as well, is under the checksum or compared.
        if let Some(found) = decode(&damaged, WORKSPACE, &key(3), MOST) {
            prop_assert_eq!(text(&found), text(&extents));
        }
    }
}

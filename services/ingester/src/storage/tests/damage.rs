//! Bytes that changed or vanished under a stopped storage.

use std::fs;

use super::*;

/// Two segments and more, everything synced; returns what was written.
fn filled(directory: &Path) -> Content {
    let (storage, _) = open(directory);
    let expected = fill(&storage, 0..150);
    storage.close();
    expected
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("file");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("file");
}

fn quarantining(directory: &Path) -> StorageConfig {
    StorageConfig { on_damage: OnDamage::Quarantine, ..config(directory) }
}

#[test]
fn a_torn_end_is_cut_off() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    let expected = fill(&storage, 0..4);
    storage.abandon();
    drop(storage);
    // A record that was being written when the power went: its frame is there, its end is not.
    let path = wal_segments(directory.path()).pop().expect("segment");
    let mut bytes = fs::read(&path).expect("segment");
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let torn = end.next_multiple_of(8) + 8;
    bytes[torn..torn + 4].copy_from_slice(b"nrec");
    bytes[torn + 4] = 60;
    bytes[torn + 30] = 7;
    fs::write(&path, bytes).expect("segment");
    let (storage, report) = open(directory.path());
    assert!(report.truncated_bytes > 0 && report.damaged.is_empty(), "{report:?}");
    assert_eq!(content(&storage), expected);
    drop(storage);
    let (_, report) = open(directory.path());
    assert_eq!(report.truncated_bytes, 0, "once is enough");
}

#[test]
fn damage_in_the_middle_refuses_to_open_without_other_copies() {
    for (segment, at) in [(0, 300), (1, 30), (1, 5)] {
        let directory = TempDir::new().expect("directory");
        let expected = filled(directory.path());
        let path = &wal_segments(directory.path())[segment];
        flip(path, at);
        let error = open_with(config(directory.path()), disk()).expect_err("damaged");
        let OpenError::Damaged { path: named, .. } = &error else { panic!("{error}") };
        assert_eq!(named, path);
        flip(path, at);
        assert_eq!(content(&open(directory.path()).0), expected, "refusing changed nothing");
    }
}

#[test]
fn damage_in_the_middle_is_set_aside_where_there_are_other_copies() {
    let directory = TempDir::new().expect("directory");
    let expected = filled(directory.path());
    flip(&wal_segments(directory.path())[1], 60);
    let (storage, report) = open_with(quarantining(directory.path()), disk()).expect("opens");
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    let found = content(&storage);
    for (series, samples) in &found {
        assert!(
            samples.iter().all(|(at, bits)| expected[series].get(at) == Some(bits)),
            "nothing is made up"
        );
    }
    let count = |content: &Content| content.values().map(BTreeMap::len).sum::<usize>();
    assert!(count(&expected) - count(&found) <= 14, "only the damaged record is lost");
    drop(storage);
    let (storage, report) = open(directory.path());
    assert!(report.damaged.is_empty(), "{report:?}");
    assert_eq!(report.quarantined_files, 1);
    assert_eq!(content(&storage), found);
}

#[test]
fn a_missing_segment_is_damage() {
    let directory = TempDir::new().expect("directory");
    filled(directory.path());
    fs::remove_file(&wal_segments(directory.path())[1]).expect("segment");
    assert!(matches!(open_with(config(directory.path()), disk()), Err(OpenError::Damaged { .. })));
    let (_, report) = open_with(quarantining(directory.path()), disk()).expect("opens");
    assert!(!report.damaged.is_empty());
}

#[test]
fn damaged_checkpoints_snapshots_and_chunk_files_are_found() {
    let files = |directory: &Path, extension: &str| {
        let heads = directory.join("heads").join(workspace(0).to_string());
        let mut paths: Vec<_> =
            fs::read_dir(heads).expect("heads").map(|entry| entry.expect("entry").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|found| found == extension));
        paths.sort();
        paths.remove(0)
    };
    for kind in ["checkpoint", "snap", "chunks"] {
        let directory = TempDir::new().expect("directory");
        let (storage, _) = open(directory.path());
        let mut expected = fill(&storage, 0..500);
        storage.checkpoint().expect("checkpoint");
        merge(&mut expected, fill(&storage, 500..520));
        storage.close();
        drop(storage);
        let path =
            if kind == "checkpoint" { directory.path().join(kind) } else { files(directory.path(), kind) };
        flip(&path, 40);
        let refused = open_with(config(directory.path()), disk()).expect_err("damaged");
        assert!(
            matches!(&refused, OpenError::Damaged { path: named, .. } if *named == path),
            "{kind}: {refused}"
        );
        let (storage, report) = open_with(quarantining(directory.path()), disk()).expect("opens");
        assert!(!report.damaged.is_empty() && report.quarantined_files >= 1, "{kind}: {report:?}");
        let found = content(&storage);
        for (series, samples) in &found {
            assert!(
                samples.iter().all(|(at, bits)| expected[series].get(at) == Some(bits)),
                "{kind}: nothing is made up"
            );
        }
        merge(&mut expected, fill(&storage, 520..530));
        let before = content(&storage);
        drop(storage);
        let (storage, report) = open(directory.path());
        assert!(report.damaged.is_empty(), "{kind}: {report:?}");
        assert_eq!(content(&storage), before, "{kind}");
    }
}

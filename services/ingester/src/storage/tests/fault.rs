//! Writes and syncs that fail, and a disk that is full.

use super::{
    faulty_disk::{Faults, FaultyDisk},
    *,
};

fn open_faulty(directory: &Path, faults: &Arc<Faults>) -> Storage {
    open_with(config(directory), Arc::new(FaultyDisk(faults.clone()))).expect("opens").0
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_no_sync_is_tried_again() {
    let directory = TempDir::new().expect("directory");
    let faults = Faults::none();
    let storage = open_faulty(directory.path(), &faults);
    let expected = fill(&storage, 0..5);
    faults.syncs_fail.store(true, Ordering::SeqCst);
    let failed = push(&storage, workspace(0), &[(0, NOW + 3_600_000, 1.0)]);
    assert!(matches!(failed, Err(StorageError::Failed(_))), "{failed:?}");
    assert!(storage.failure().is_some_and(|reason| reason.contains("sync")));
    faults.syncs_fail.store(false, Ordering::SeqCst);
    let syncs = faults.syncs.load(Ordering::SeqCst);
    let failed = push(&storage, workspace(0), &[(0, NOW + 3_700_000, 1.0)]);
    assert!(matches!(failed, Err(StorageError::Failed(_))), "{failed:?}");
    assert!(matches!(storage.checkpoint(), Err(StorageError::Failed(_))));
    storage.close();
    assert_eq!(faults.syncs.load(Ordering::SeqCst), syncs, "a failed sync is never tried again");
    drop(storage);
    let (storage, _) = open(directory.path());
    let mut found = content(&storage);
    // The sample whose sync failed may or may not be there: it was never acknowledged.
    found.get_mut(&(workspace(0), labels(0))).expect("series").remove(&(NOW + 3_600_000));
    assert_eq!(found, expected);
}

#[test]
fn after_a_failed_write_the_restart_has_what_was_acknowledged() {
    let directory = TempDir::new().expect("directory");
    let faults = Faults::none();
    let storage = open_faulty(directory.path(), &faults);
    let expected = fill(&storage, 0..5);
    faults.writes_fail.store(true, Ordering::SeqCst);
    assert!(matches!(
        push(&storage, workspace(0), &[(0, NOW + 3_600_000, 1.0)]),
        Err(StorageError::Failed(_))
    ));
    storage.close();
    drop(storage);
    let (storage, report) = open(directory.path());
    assert!(report.truncated_bytes > 0 && report.damaged.is_empty(), "{report:?}");
    assert_eq!(content(&storage), expected);
}

#[test]
fn a_full_disk_refuses_pushes_until_there_is_space() {
    let directory = TempDir::new().expect("directory");
    let faults = Faults::none();
    let storage = open_faulty(directory.path(), &faults);
    let mut expected = fill(&storage, 0..3);
    faults.full.store(true, Ordering::SeqCst);
    let mut refused = None;
    for round in 3..400i64 {
        let samples = [(1, NOW + round * 15_000, round as f64)];
        match push(&storage, workspace(0), &samples) {
            Ok(_) => note(&mut expected, workspace(0), &samples),
            Err(StorageError::Full(_)) => {
                refused = Some(samples);
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let refused = refused.expect("the reserved space runs out");
    assert_eq!(content(&storage), expected, "what was refused is not in memory");
    assert_eq!(storage.failure(), None);
    faults.full.store(false, Ordering::SeqCst);
    assert_eq!(push(&storage, workspace(0), &refused).expect("there is space again").stored, 1);
    note(&mut expected, workspace(0), &refused);
    storage.abandon();
    drop(storage);
    assert_eq!(content(&open(directory.path()).0), expected);
}

#[test]
fn a_disk_that_goes_away_at_any_operation_loses_nothing_acknowledged() {
    for left in 0..60 {
        let directory = TempDir::new().expect("directory");
        let faults = Faults::none();
        let storage = open_faulty(directory.path(), &faults);
        let mut expected = fill(&storage, 0..160);
        faults.operations_left.store(left, Ordering::SeqCst);
        let mut doubtful = Vec::new();
        for round in 160..170i64 {
            if round == 163 {
                let _ = storage.checkpoint();
            }
            let samples = [(2, NOW + round * 15_000, round as f64), (9, NOW + round * 15_000, 1.0)];
            match push(&storage, workspace(1), &samples) {
                Ok(_) => note(&mut expected, workspace(1), &samples),
                Err(_) => doubtful.extend(samples),
            }
        }
        storage.abandon();
        drop(storage);
        let (storage, report) = open(directory.path());
        assert!(report.damaged.is_empty(), "after {left} operations: {report:?}");
        let mut found = content(&storage);
        for (series, at, _) in doubtful {
            found.entry((workspace(1), labels(series))).or_default().remove(&at);
        }
        found.retain(|_, samples| !samples.is_empty());
        assert_eq!(found, expected, "after {left} operations");
    }
}

//! Sealing: what is in a cut, who is refused, and what a restart keeps of it.

use narthex_model::{Window, WindowLength, resolve};
use narthex_rpc::v1::sample_refusal::Reason;

use super::*;

/// The window of `NOW`, and its first millisecond.
const WINDOW: Window = WindowLength::DEFAULT.window(TimestampMs(NOW));
const START: i64 = WindowLength::DEFAULT.start(WINDOW).0;

fn seal(storage: &Storage, epoch: Epoch, window: Window) -> Sealed {
    runtime().block_on(storage.seal(workspace(0), epoch, window)).expect("sealed")
}

fn push_in(storage: &Storage, epoch: Epoch, received: i64, samples: &[(u32, i64, f64)]) -> Pushed {
    let pushed = storage.push(
        workspace(0),
        epoch,
        TimestampMs(received),
        frame(samples),
        PushLimits { out_of_order_window_ms: 3_600_000, ..PushLimits::default() },
    );
    runtime().block_on(pushed).expect("stored")
}

fn reasons(pushed: &Pushed) -> Vec<Reason> {
    pushed.refusals.iter().map(|refusal| refusal.reason).collect()
}

type Cut = BTreeMap<Labels, BTreeMap<i64, u64>>;

fn cut(storage: &Storage, epoch: Epoch, window: Window) -> Cut {
    let view = storage.cut(workspace(0), epoch, window).expect("sealed");
    let labels: Vec<_> = view.labels().cloned().collect();
    assert!(labels.is_sorted_by(|a, b| a < b));
    let digests = view.digests(0..view.len()).expect("reads");
    let hashes: Vec<_> = view.series_hashes(0..view.len()).collect();
    let mut cut = Cut::new();
    for (at, chunks) in view.chunks(0..view.len()).expect("reads").iter().enumerate() {
        let samples = cut.entry(labels[at].clone()).or_default();
        for (time, value) in chunks.iter().flat_map(|chunk| chunk.samples().expect("intact")) {
            let Value::Float(value) = value else { panic!("only floats are written") };
            assert_eq!(WindowLength::DEFAULT.window(TimestampMs(time)), window);
            let kept = samples.entry(time).or_insert(value.to_bits());
            if resolve(&Value::Float(value), &Value::Float(f64::from_bits(*kept))).is_gt() {
                *kept = value.to_bits();
            }
        }
        let mut digest = narthex_chunk::SetHash::default();
        samples.iter().for_each(|(time, bits)| digest.add_float(*time, f64::from_bits(*bits)));
        assert_eq!((digests[at], hashes[at]), (digest, labels[at].series_hash()));
    }
    cut
}

fn expected(samples: &[(u32, i64, f64)]) -> Cut {
    let mut cut = Cut::new();
    for (series, at, value) in samples {
        cut.entry(labels(*series)).or_default().insert(*at, value.to_bits());
    }
    cut
}

#[test]
fn a_sealed_cut_never_changes_and_refuses_its_epoch() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    let held = [(1, NOW, 1.0), (2, NOW + 1, 2.0), (1, NOW - 60_000, 0.5)];
    push_in(&storage, EPOCH, NOW, &held);
    let before = storage.open_windows(workspace(0));
    assert_eq!((before.len(), before[0].window, before[0].chunks), (1, WINDOW, 3));
    assert!(matches!(storage.cut(workspace(0), EPOCH, WINDOW), Err(StorageError::NotSealed)));
    let sealed = seal(&storage, EPOCH, WINDOW);
    assert_eq!((sealed.series, sealed.samples), (2, 3));
    assert_eq!(seal(&storage, EPOCH, WINDOW), sealed, "sealing again changes nothing");
    let more = [(1, NOW + 10, 3.0), (3, NOW + 10, 3.0), (1, NOW, 1.0), (2, NOW + 1, 9.0)];
    let pushed = push_in(&storage, EPOCH, NOW, &more);
    assert_eq!(reasons(&pushed), [Reason::Sealed, Reason::Sealed, Reason::NewValueForTimestamp]);
    assert_eq!((pushed.known, pushed.created), (1, 0), "what is in the cut is a success");
    let too_old = push_in(&storage, EPOCH, NOW + 4_000_000, &[(1, NOW + 10, 3.0)]);
    assert_eq!(reasons(&too_old), [Reason::TooOld], "age is asked first");
    let next = START + WindowLength::DEFAULT.as_millis();
    assert_eq!(reasons(&push_in(&storage, EPOCH, next, &[(1, next, 3.0)])), []);
    assert_eq!(cut(&storage, EPOCH, WINDOW), expected(&held));
    assert_eq!(storage.open_windows(workspace(0))[0].sealed, [EPOCH]);
}

#[test]
fn a_later_epoch_stores_apart_and_again() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    let held = [(1, NOW, 1.0), (2, NOW + 1, 2.0)];
    push_in(&storage, EPOCH, NOW, &held);
    let first = seal(&storage, EPOCH, WINDOW);
    let later = Epoch(EPOCH.0 + 1);
    let again = [(1, NOW, 1.0), (2, NOW + 1, 7.0), (3, NOW + 2, 1.0)];
    let pushed = push_in(&storage, later, NOW, &again);
    assert_eq!((reasons(&pushed), pushed.stored, pushed.known), (vec![], 3, 0));
    assert_eq!(push_in(&storage, later, NOW, &again).known, 3, "what is above the boundary counts");
    assert_eq!(cut(&storage, EPOCH, WINDOW), expected(&held));
    let second = seal(&storage, later, WINDOW);
    assert!(second.boundary > first.boundary);
    assert_eq!((second.series, second.samples), (3, 5), "cuts are cumulative");
    assert_eq!(cut(&storage, EPOCH, WINDOW), expected(&held));
    let all = [(1, NOW, 1.0), (2, NOW + 1, 7.0), (3, NOW + 2, 1.0)];
    assert_eq!(cut(&storage, later, WINDOW).keys().count(), expected(&all).keys().count());
    assert_eq!(reasons(&push_in(&storage, later, NOW, &[(1, NOW + 9, 1.0)])), [Reason::Sealed]);
}

#[test]
fn seals_survive_crashes_with_and_without_checkpoints() {
    for checkpoint in [false, true] {
        let directory = TempDir::new().expect("directory");
        let (storage, _) = open(directory.path());
        let held: Vec<_> =
            (0..9u32).flat_map(|s| (0..200).map(move |n| (s, START + n * 1_000, n as f64))).collect();
        held.chunks(9).for_each(|samples| drop(push_in(&storage, EPOCH, NOW, samples)));
        let sealed = seal(&storage, EPOCH, WINDOW);
        if checkpoint {
            storage.checkpoint().expect("checkpoint");
        }
        let later = Epoch(EPOCH.0 + 4);
        push_in(&storage, later, NOW, &[(1, START, 5.0), (1, NOW + 5, 5.0)]);
        storage.abandon();
        drop(storage);
        let (storage, report) = open(directory.path());
        assert!(report.damaged.is_empty());
        assert_eq!(seal(&storage, EPOCH, WINDOW), sealed);
        assert_eq!(cut(&storage, EPOCH, WINDOW), expected(&held));
        assert_eq!(reasons(&push_in(&storage, EPOCH, NOW, &[(1, NOW + 77, 1.0)])), [Reason::Sealed]);
        assert_eq!(push_in(&storage, later, NOW, &[(1, NOW + 5, 5.0)]).known, 1);
    }
}

#[test]
fn a_window_without_samples_is_closed_by_its_seal() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    assert_eq!(seal(&storage, EPOCH, WINDOW).series, 0);
    assert_eq!(reasons(&push_in(&storage, EPOCH, NOW, &[(1, NOW, 1.0)])), [Reason::Sealed]);
    assert!(storage.cut(workspace(0), EPOCH, WINDOW).expect("sealed").is_empty());
    assert!(storage.open_windows(workspace(0)).is_empty());
    storage.abandon();
    drop(storage);
    let (storage, _) = open(directory.path());
    assert_eq!(reasons(&push_in(&storage, EPOCH, NOW, &[(1, NOW, 1.0)])), [Reason::Sealed]);
}

#[test]
fn copies_from_peers_go_above_and_voided_seals_are_sealed_again() {
    let directory = TempDir::new().expect("directory");
    let (storage, _) = open(directory.path());
    push_in(&storage, EPOCH, NOW, &[(1, NOW, 1.0)]);
    let first = seal(&storage, EPOCH, WINDOW);
    runtime().block_on(storage.void_seals(workspace(0))).expect("voided");
    assert!(matches!(storage.cut(workspace(0), EPOCH, WINDOW), Err(StorageError::NotSealed)));
    let copied = [(1, NOW + 1, 2.0), (2, NOW, 3.0)];
    let copy = storage.push(workspace(0), EPOCH, TimestampMs(NOW), frame(&copied), PushLimits::FROM_PEER);
    assert_eq!(runtime().block_on(copy).expect("stored").stored, 2);
    assert_eq!(
        reasons(&push_in(&storage, EPOCH, NOW, &[(1, NOW + 7, 1.0)])),
        [Reason::Sealed],
        "still closed"
    );
    let second = seal(&storage, EPOCH, WINDOW);
    assert!(second.boundary > first.boundary);
    assert_eq!(cut(&storage, EPOCH, WINDOW), expected(&[(1, NOW, 1.0), (1, NOW + 1, 2.0), (2, NOW, 3.0)]));
}

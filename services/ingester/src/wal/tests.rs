use narthex_model::{Epoch, ManifestRevision, MetricType, Window, WorkspaceId};
use proptest::prelude::*;

use super::{survey::Damage, *};
use crate::head::{Boundary, Log, Seal};

fn segment(payloads: &[Vec<u8>], synced: impl Fn(usize) -> u32) -> Vec<u8> {
    let mut bytes = header(7).to_vec();
    for (number, payload) in payloads.iter().enumerate() {
        let position = LogPosition::new(7, bytes.len() as u32);
        frame(&mut bytes, position, LogPosition::new(7, synced(number)), |out| {
            out.extend_from_slice(payload)
        });
    }
    bytes.resize(bytes.len() + 256, 0);
    bytes
}

fn survey(bytes: &[u8]) -> Survey {
    let mut survey = Survey::new(7);
    survey.segment(7, bytes);
    survey.finish()
}

#[test]
fn an_intact_segment_reads_back() {
    let payloads = vec![vec![1; 5], vec![], vec![3; 100]];
    let bytes = segment(&payloads, |_| 0);
    let read: Vec<_> = records(&bytes, 7).map(|record| record.expect("intact").payload.to_vec()).collect();
    assert_eq!(read, payloads);
    assert_eq!((survey(&bytes).damages, survey(&bytes).torn_at), (vec![], None));
    assert!(
        records(&bytes, 8).next().is_some_and(|record| record.is_err()),
        "another segment's bytes do not pass"
    );
}

#[test]
fn damage_in_what_was_synced_is_loss_and_damage_behind_it_a_torn_end() {
    let payloads = vec![vec![1; 50]; 4];
    let starts: Vec<_> =
        records(&segment(&payloads, |_| 0), 7).flatten().map(|r| r.position.offset()).collect();
    let synced_at_third = |number: usize| if number < 3 { starts[1] } else { starts[2] };
    let damaged = |at: u32| {
        let mut bytes = segment(&payloads, synced_at_third);
        bytes[at as usize + 30] ^= 1;
        survey(&bytes)
    };
    for lost in [starts[0], starts[1]] {
        let survey = damaged(lost);
        assert_eq!(survey.damages, [Damage { at: LogPosition::new(7, lost) }]);
    }
    for torn in [starts[2], starts[3]] {
        let survey = damaged(torn);
        assert_eq!((survey.damages, survey.torn_at), (vec![], Some(LogPosition::new(7, torn))));
    }
}

#[test]
fn a_missing_segment_is_loss() {
    let mut survey = Survey::new(6);
    survey.segment(7, &segment(&[], |_| 0));
    assert_eq!(survey.finish().damages, [Damage { at: LogPosition::new(6, 0) }]);
}

#[test]
fn steps_read_back() {
    let workspace = WorkspaceId::from_random(9);
    let (window, boundary) = (Window(-3), Boundary(7));
    let seal = Seal { epoch: Epoch(u64::MAX), boundary, series: 5, samples: u64::MAX };
    let mut steps = StepsBuilder::new(workspace);
    steps.close(Epoch(4), Epoch(3), window);
    steps.end_chunks(window, 5, u32::MAX);
    steps.sealed(window, &seal);
    steps.void_seals();
    steps.act(ManifestRevision(8));
    steps.forget_chunks(window, boundary, 0, 9);
    steps.leave(&[0, 3, 4, u32::MAX]);
    steps.forgotten(window, boundary, true);
    steps.clear_metadata();
    steps.drop_workspace();
    let mut changes = Vec::new();
    read_record(steps.bytes(), |change| changes.push(change)).expect("own bytes");
    let expected = [
        Change::Close { epoch: Epoch(4), adopted: Epoch(3), window },
        Change::EndChunks { window, first: 5, end: u32::MAX },
        Change::Sealed { window, seal },
        Change::VoidSeals,
        Change::Act { revision: ManifestRevision(8) },
        Change::ForgetChunks { window, boundary, first: 0, end: 9 },
        Change::Leave { id: 0 },
        Change::Leave { id: 3 },
        Change::Leave { id: 4 },
        Change::Leave { id: u32::MAX },
        Change::Forgotten { window, boundary, gone: true },
        Change::ClearMetadata,
        Change::Drop,
    ];
    assert_eq!(changes, expected);
    assert_eq!(workspace_of(steps.bytes()), Ok(workspace));
    let cut = &steps.bytes()[..steps.bytes().len() - 8];
    assert_eq!(read_record(cut, |_| {}), Err(RecordError::Malformed));
    assert_eq!(read_record(&[3, 0], |_| {}), Err(RecordError::Version(3)));
}

#[test]
fn changes_read_back() {
    let workspace = WorkspaceId::from_random(9);
    let mut builder = RecordBuilder::default();
    builder.begin(1_000_000);
    builder.series(4, 99, b"a\xFFb\xFF");
    builder.float(4, 999_000, 7);
    builder.float(2, i64::MAX, u64::MAX);
    builder.float(3, i64::MIN, 0);
    builder.histogram(u32::MAX, 5, b"h");
    builder.metadata("m", MetricType::Counter, "help", "");
    let mut payload = Vec::new();
    builder.write_to(workspace, &mut payload);
    let mut changes = Vec::new();
    read_record(&payload, |change| changes.push(change)).expect("own bytes");
    let expected = [
        Change::Begin { workspace, received_ms: 1_000_000 },
        Change::Series { id: 4, hash: 99, labels: b"a\xFFb\xFF" },
        Change::Float { id: 4, timestamp: 999_000, bits: 7 },
        Change::Float { id: 2, timestamp: i64::MAX, bits: u64::MAX },
        Change::Float { id: 3, timestamp: i64::MIN, bits: 0 },
        Change::Histogram { id: u32::MAX, timestamp: 5, bytes: b"h" },
        Change::Metadata { metric: "m", kind: MetricType::Counter, help: "help", unit: "" },
    ];
    assert_eq!(changes, expected);
    builder.begin(0);
    assert!(builder.is_empty());
}

proptest! {
    #[test]
    fn outside_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..300) {
        read_any(&bytes);
        read_any(&[&[2; 17][..], &bytes].concat());
        let mut bytes = [segment(&[bytes.clone(), bytes], |n| n as u32), vec![]].concat();
        let at = at % bytes.len();
        bytes[at] ^= 0x5A;
        read_any(&bytes);
        survey(&bytes);
    }

    #[test]
    fn a_cut_log_keeps_every_record_before_the_cut(sizes in proptest::collection::vec(0usize..60, 1..12), cut in 24usize..900) {
        let payloads: Vec<_> = sizes.iter().enumerate().map(|(n, size)| vec![n as u8; *size]).collect();
        let mut bytes = segment(&payloads, |_| 0);
        let ends: Vec<_> = records(&bytes, 7).flatten().map(|record| record.end).collect();
        bytes.truncate(cut);
        let kept = records(&bytes, 7).flatten().count();
        prop_assert!(kept >= ends.iter().filter(|end| **end <= cut).count());
        prop_assert!(survey(&bytes).damages.is_empty());
    }
}

use std::sync::Arc;

use narthex_model::{
    BootId, Epoch, Histogram, Incarnation, RingRevision, Sample, TimestampMs, Value, stale_marker,
};
use narthex_ring::Replication;
use proptest::{collection::btree_map, option, prelude::*};

use super::*;

fn doubt() -> impl Strategy<Value = Doubt> {
    prop::sample::select(vec![
        Doubt::NewDisk,
        Doubt::LostFiles,
        Doubt::Quarantined,
        Doubt::UnsyncedWrites,
        Doubt::Superseded,
    ])
}

fn record() -> impl Strategy<Value = Record> {
    let standing = prop_oneof![Just(RecordStanding::Complete), doubt().prop_map(RecordStanding::Recovering)];
    let adopted = (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(revision, epoch, active)| Adopted {
        ring_revision: RingRevision(revision),
        epoch: Epoch(epoch),
        active,
    });
    (any::<u128>(), standing, 0u128..3, any::<bool>(), any::<bool>(), any::<u64>(), adopted).prop_map(
        |(incarnation, standing, boot, unsynced, clean, quarantined, adopted)| Record {
            incarnation: Incarnation(incarnation),
            standing,
            boot: BootId(boot),
            unsynced,
            clean,
            quarantined,
            adopted,
        },
    )
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0u8..4).prop_map(|value| Value::Float(f64::from(value))),
        Just(Value::Float(stale_marker())),
        (0u8..2).prop_map(|sum| Value::Histogram(Arc::new(Histogram {
            sum: sum.into(),
            ..Histogram::default()
        }))),
    ]
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    btree_map(0i64..12, value(), 0..10).prop_map(|samples| {
        samples.into_iter().map(|(at, value)| Sample { timestamp: TimestampMs(at), value }).collect()
    })
}

fn at(samples: &[Sample], timestamp: i64) -> Option<&Value> {
    samples.iter().find(|sample| sample.timestamp == TimestampMs(timestamp)).map(|sample| &sample.value)
}

proptest! {
    /// F-5 as a table: an owner of three that does not copy is one whose disk is beyond doubt, or was there first, or was
    /// waved through by an operator.
    #[test]
    fn only_a_disk_beyond_doubt_counts_without_a_copy(
        record in option::of(record()), empty: bool, quarantined: bool, boot in 0u128..3, place in 0u8..3,
        first: bool, accept: bool,
    ) {
        let own = record.as_ref().map(|record| record.incarnation);
        let registered = match place {
            0 => own,
            1 => own.map(|own| Incarnation(own.0.wrapping_add(1))),
            _ => None,
        };
        let found = Found { record: record.as_ref(), empty, quarantined, boot: BootId(boot), registered };
        let assessment = assess(&found);
        let lost = record.as_ref().is_none_or(|record| {
            let unsynced = record.unsynced && !record.clean && (record.boot != found.boot || boot == 0);
            empty || quarantined || unsynced || place != 0
        });
        let complete = record.as_ref().is_some_and(|record| record.standing == RecordStanding::Complete);
        prop_assert_eq!(matches!(assessment, Assessment::Doubtful(_)), lost, "what may lack anything begins anew");
        prop_assert_eq!(assessment == Assessment::Intact, !lost && complete);
        let of_three = standing(assessment, Replication::Three, first, accept);
        prop_assert_eq!(of_three == Standing::Complete, (!lost && complete) || first || accept);
        prop_assert_eq!(standing(assessment, Replication::One, first, accept), Standing::Complete);

        let fresh = Incarnation(own.map_or(0, |own| own.0.wrapping_add(7)));
        let (next, _) = begin(&found, fresh, false, 0);
        prop_assert_eq!(next.incarnation == fresh, lost, "doubt always begins a new incarnation");
        prop_assert_eq!(next.standing == RecordStanding::Complete, !lost && complete);
    }

    /// A recovering owner that restarts is still recovering; nothing but a copy, the control plane or an operator ends it.
    #[test]
    fn recovery_survives_restarts(record in record(), empty: bool, quarantined: bool, boot in 0u128..3) {
        let registered = Some(record.incarnation);
        let found = Found { record: Some(&record), empty, quarantined, boot: BootId(boot), registered };
        if matches!(record.standing, RecordStanding::Recovering(_)) {
            let standing = standing(assess(&found), Replication::Three, false, false);
            prop_assert!(matches!(standing, Standing::Recovering(_)));
        }
    }

    #[test]
    fn records_read_back(record in record()) {
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn outside_bytes_are_no_record(bytes: Vec<u8>) {
        prop_assert!(Record::decode(&bytes).is_err());
    }

    /// After the copy the owner holds every timestamp of the union, and where two owners agreed it agrees with them.
    #[test]
    fn a_copy_is_the_union_and_never_outvotes_two(own in samples(), left in samples(), right in samples()) {
        let written = missing(&own, [&left, &right]);
        prop_assert!(written.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp));
        for time in 0..12 {
            let held = [at(&own, time), at(&left, time), at(&right, time)];
            let after = at(&written, time).or(held[0]);
            prop_assert_eq!(after.is_some(), held.iter().any(Option::is_some));
            if held[1].is_some() && held[1] == held[2] {
                prop_assert_eq!(after, held[1]);
            }
            if held[0].is_some() && (held[0] == held[1] || held[0] == held[2]) {
                prop_assert_eq!(after, held[0], "an own value that a second owner holds stays");
                prop_assert_eq!(at(&written, time), None, "nothing that it had is written again");
            }
        }
    }

    /// It does not matter which of the two others is asked first.
    #[test]
    fn both_sources_are_alike(own in samples(), left in samples(), right in samples()) {
        prop_assert_eq!(missing(&own, [&left, &right]), missing(&own, [&right, &left]));
    }
}

#[test]
fn overlapping_chunks_become_one_ascending_run() {
    let sample = |at, value| Sample { timestamp: TimestampMs(at), value: Value::Float(value) };
    let mut samples = vec![sample(2, 1.0), sample(1, 1.0), sample(2, 3.0), sample(2, stale_marker())];
    normalise(&mut samples);
    assert_eq!(samples, vec![sample(1, 1.0), sample(2, 3.0)]);
}

#[test]
fn the_record_is_replaced_on_disk_and_damage_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(RecordFile::read(directory.path()).expect("readable").is_none());
    let record = Record {
        incarnation: Incarnation(7),
        standing: RecordStanding::Recovering(Doubt::NewDisk),
        boot: BootId(1),
        unsynced: true,
        clean: false,
        quarantined: 0,
        adopted: Adopted::default(),
    };
    let file = RecordFile::create(directory.path(), record).expect("written");
    file.update(|record| record.standing = RecordStanding::Complete).expect("written");
    assert_eq!(RecordFile::read(directory.path()).expect("readable"), Some(file.get()));
    std::fs::write(directory.path().join("owner.json"), b"{").expect("written");
    let error = RecordFile::read(directory.path()).expect_err("damaged");
    assert!(error.to_string().contains("owner.json"), "{error}");
}

use narthex_model::stale_marker;
use proptest::prelude::*;

use super::*;

fn read(data: &[u8]) -> Vec<(i64, u64)> {
    FloatIter::new(data)
        .map(|sample| sample.map(|(at, value)| (at, value.to_bits())).expect("well-formed"))
        .collect()
}

fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|(at, value)| (*at, value.to_bits())).collect()
}

#[test]
fn special_values_keep_every_bit() {
    let nan_with_payload = f64::from_bits(0xfff8_0000_dead_beef);
    let values = [
        1.5,
        stale_marker(),
        nan_with_payload,
        -0.0,
        0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e300,
        0.1,
        5e-324,
    ];
    let samples: Vec<_> =
        values.iter().chain(&values).enumerate().map(|(n, v)| (n as i64 * 15_000, *v)).collect();
    let data = encode_floats(samples.clone()).expect("ascends");
    assert_eq!(read(&data), bits(&samples));
}

#[test]
fn common_series_are_small() {
    let size = |value: &dyn Fn(i64) -> f64| {
        let samples = (0..120).map(|n| (1_700_000_000_000 + n * 15_000 + n * 7 % 5, value(n)));
        encode_floats(samples).expect("ascends").len() as f64 / 120.0
    };
    assert!(size(&|_| 42.0) < 2.2, "a constant");
    assert!(size(&|n| (n * 150 + n % 7) as f64) < 4.2, "a counter");
    assert!(size(&|n| 20.0 + (n * 37 % 91) as f64 / 100.0) < 4.2, "two decimal places");
    assert!(size(&|n| (n as f64 + 0.1).sin()) < 10.5, "whole mantissas");
}

#[test]
fn samples_that_do_not_continue_are_refused_and_change_nothing() {
    let (mut state, mut record) = (FloatState::default(), [0; MAX_RECORD_BYTES]);
    state.append(1_000, 0, &mut record).expect("first");
    let before = state;
    for timestamp in [1_000, 999, i64::MIN, i64::MAX, 1_000 + (1 << 32)] {
        assert_eq!(state.append(timestamp, 0, &mut record), Err(Refused));
        assert_eq!(state, before);
    }
}

fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let step = prop_oneof![Just(15_000i64), 1..200i64, 1..(1i64 << 32)];
    let value = prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1000i64..1000).prop_map(|n| n as f64),
        (-100_000i64..100_000, 0..6i32).prop_map(|(n, e)| n as f64 / 10f64.powi(e)),
        Just(stale_marker()),
        Just(-0.0)
    ];
    (-(1i64 << 50)..(1i64 << 50), proptest::collection::vec((step, value), 0..150)).prop_map(
        |(start, steps)| {
            steps
                .into_iter()
                .scan(start, |at, (step, value)| {
                    *at += step;
                    Some((*at, value))
                })
                .collect()
        },
    )
}

proptest! {
    #[test]
    fn every_sample_reads_back(samples in samples()) {
        let data = encode_floats(samples.clone()).expect("ascends");
        prop_assert_eq!(read(&data), bits(&samples));
    }

    #[test]
    fn a_saved_state_continues_the_chunk(samples in samples(), cut in 0usize..150) {
        let whole = encode_floats(samples.clone()).expect("ascends");
        let (mut state, mut data, mut record) = (FloatState::default(), Vec::new(), [0; MAX_RECORD_BYTES]);
        for (at, (timestamp, value)) in samples.iter().enumerate() {
            if at == cut {
                state = FloatState::from_bytes(state.to_bytes());
            }
            let length = state.append(*timestamp, value.to_bits(), &mut record).expect("ascends");
            data.extend_from_slice(&record[..length]);
        }
        prop_assert_eq!(data, whole);
    }

    #[test]
    fn hostile_bytes_end_in_an_error_and_ascend_until_then(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut last = None;
        for sample in FloatIter::new(&data) {
            let Ok((timestamp, _)) = sample else { break };
            prop_assert!(last.is_none_or(|last| last < timestamp));
            last = Some(timestamp);
        }
    }
}

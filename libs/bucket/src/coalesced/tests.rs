#![allow(clippy::single_range_in_vec_init, reason = "lists of ranges are what this module is about")]

use object_store::memory::InMemory;
use proptest::prelude::*;

use super::*;
use crate::{
    Operation,
    faulty::{Faulty, Keys},
};

fn ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
    prop::collection::vec((0u64..2000, 0u64..300).prop_map(|(start, length)| start..start + length), 0..20)
}

proptest! {
    #[test]
    fn a_plan_covers_every_range_and_joins_only_what_is_near(ranges in ranges(), gap in 0u64..200, size in 0u64..800) {
        let reads = plan_reads(&ranges, gap, size);
        prop_assert!(reads.len() <= ranges.len());
        for range in ranges.iter().filter(|range| range.start < range.end) {
            let read = read_of(&reads, range).map(|at| &reads[at]);
            prop_assert!(read.is_some_and(|read| read.start <= range.start && range.end <= read.end), "{range:?} {reads:?}");
        }
        for read in &reads {
            prop_assert!(read.end - read.start <= size || ranges.contains(read), "{read:?} is too long");
            // Every byte read is asked for or lies in a gap that is worth reading.
            let mut inside: Vec<_> = ranges.iter().filter(|r| r.start < r.end && r.start >= read.start && r.end <= read.end).collect();
            inside.sort_by_key(|range| range.start);
            let mut end = read.start;
            for range in inside {
                prop_assert!(range.start <= end + gap, "a gap before {range:?} in {read:?}");
                end = end.max(range.end);
            }
            prop_assert_eq!(end, read.end);
        }
    }
}

#[test]
fn near_ranges_are_one_read_and_far_or_large_ones_are_not() {
    assert_eq!(plan_reads(&[100..200, 0..50], 50, 1000), [0..200]);
    assert_eq!(plan_reads(&[100..200, 0..50], 49, 1000), [0..50, 100..200]);
    assert_eq!(plan_reads(&[0..60, 70..120], 50, 100), [0..60, 70..120]);
    assert_eq!(plan_reads(&[0..500, 100..200], 0, 100), [0..500], "a long range holds what lies in it");
    assert_eq!(plan_reads(&[5..5], 0, 100), [], "an empty range needs no read");
    assert_eq!(plan_reads(&[u64::MAX - 1..u64::MAX, 0..1], u64::MAX, u64::MAX), [0..u64::MAX]);
}

#[tokio::test]
async fn ranges_are_read_together_and_handed_out_apart() {
    let body: Bytes = (0..=255).cycle().take(10_000).collect();
    let (store, faults) = Faulty::new(
        Arc::new(InMemory::new()),
        narthex_service::SystemClock::shared(),
        narthex_service::Random::from_seed(1),
    );
    let key = Path::from("a");
    store.put(&key, body.clone().into()).await.expect("written");
    let coalesced = Coalesced::new(store, 100, 1000);
    let ranges = [9000..9010, 0..10, 50..60, 5..8, 400..400];
    let parts = coalesced.get_ranges(&key, &ranges).await.expect("read");
    for (range, part) in ranges.iter().zip(&parts) {
        assert_eq!(part, &body.slice(range.start as usize..range.end as usize), "{range:?}");
    }
    assert_eq!(faults.count(Operation::Get, &Keys::Any), 2);
    let over = coalesced.get_ranges(&key, &[9_990..10_001]).await.expect_err("the object ends before");
    assert!(over.to_string().contains("9990..10001"), "{over}");
}

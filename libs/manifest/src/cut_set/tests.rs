//! Sets of ranges against plain sets of cuts.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let cut = (0u32..3, 1u64..3, prop_oneof![-6i64..7, Just(i64::MIN), Just(i64::MAX), Just(i64::MAX - 1)]);
    let cut = cut.prop_map(|(partition, epoch, window)| Cut {
        partition: PartitionId(partition),
        epoch: Epoch(epoch),
        window: Window(window),
    });
    prop::collection::vec(cut, 0..24)
}

fn assert_canonical(set: &CutSet) {
    for ranges in set.ranges.values() {
        assert!(!ranges.is_empty());
        assert!(ranges.iter().all(|range| range.first <= range.last));
        assert!(ranges.windows(2).all(|pair| pair[0].last < pair[1].first && !pair[0].joins(pair[1])));
    }
}

proptest! {
    #[test]
    fn a_set_of_ranges_is_the_set_of_its_cuts(first in cuts(), second in cuts(), floor in -8i64..9) {
        let mut plain = BTreeSet::new();
        let mut set = CutSet::default();
        for cut in &first {
            prop_assert_eq!(set.insert(*cut), plain.insert(*cut));
            assert_canonical(&set);
        }
        let other: CutSet = second.iter().copied().collect();
        let plain_other: BTreeSet<Cut> = second.iter().copied().collect();
        prop_assert_eq!(set.first_common(&other).is_some(), !plain.is_disjoint(&plain_other));
        if let Some(cut) = set.first_common(&other) {
            prop_assert!(plain.contains(&cut) && plain_other.contains(&cut));
        }
        prop_assert_eq!(set.first_missing(&other).is_some(), !plain_other.is_subset(&plain));
        if let Some(cut) = set.first_missing(&other) {
            prop_assert!(!plain.contains(&cut) && plain_other.contains(&cut));
        }
        set.extend(&other);
        plain.extend(plain_other);
        assert_canonical(&set);
        prop_assert_eq!(set.earliest().map(|cut| cut.window), plain.iter().map(|cut| cut.window).min());
        set.drop_before(Window(floor));
        plain.retain(|cut| cut.window.0 >= floor);
        assert_canonical(&set);
        for cut in first.iter().chain(&second) {
            prop_assert_eq!(set.contains(cut), plain.contains(cut));
        }
        prop_assert_eq!(set, plain.into_iter().collect::<CutSet>(), "equal sets look equal");
    }
}

#[test]
fn cuts_in_order_stay_one_range() {
    let cut = |window| Cut { partition: PartitionId(1), epoch: Epoch(7), window: Window(window) };
    let mut set: CutSet = (0..10_000).map(cut).collect();
    assert_eq!(set.ranges().count(), 1);
    assert!(set.insert(cut(10_001)));
    assert_eq!(set.ranges().count(), 2);
    assert!(set.insert(cut(10_000)));
    assert_eq!(set.ranges().count(), 1);
}

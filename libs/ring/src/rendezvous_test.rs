use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::btree_set, prelude::*};

use super::*;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("store-gateway-{number}")).collect()
}

fn order(key: u128, names: &[String]) -> Vec<&String> {
    rendezvous(key, names, |name| name)
}

fn some_names() -> impl Strategy<Value = Vec<String>> {
    btree_set("[a-z]{1,6}(-[0-9]{1,3})?", 1..12).prop_map(|names| names.into_iter().collect())
}

#[test]
fn keys_spread_evenly_also_when_they_count_up() {
    const KEYS: u128 = 20_000;
    for count in [2, 3, 5, 12] {
        let names = names(count);
        let mut shares = BTreeMap::<&String, u64>::new();
        for key in 0..KEYS {
            // Identifiers of blocks begin with the time: near ones differ in few bits.
            *shares.entry(order(key << 80 | key, &names)[0]).or_default() += 1;
        }
        let fair = KEYS as f64 / count as f64;
        assert_eq!(shares.len(), count);
        for (name, share) in shares {
            let off = (share as f64 - fair).abs() / fair;
            assert!(off < 0.1, "{name} of {count} has {share} keys, fair were {fair}");
        }
    }
}

#[test]
fn the_keys_of_one_that_fails_spread_over_all_others() {
    let names = names(5);
    let mut heirs = BTreeMap::<&String, u64>::new();
    for key in 0..10_000 {
        if let [first, second, ..] = order(key, &names)[..]
            && *first == names[0]
        {
            *heirs.entry(second).or_default() += 1;
        }
    }
    assert_eq!(heirs.len(), 4);
    let total: u64 = heirs.values().sum();
    assert!(heirs.values().all(|share| share * 4 > total * 8 / 10), "{heirs:?}");
}

#[test]
fn weights_never_change() {
    // From the specification of XXH3, not from this crate: caches on disk depend on where blocks are read.
    assert_eq!(weight(0, "store-gateway-0"), 0x3342_12e9_fdde_f735);
    assert_eq!(weight(u128::MAX - 5, "gateway"), 0xe6b8_fa6d_5b53_9cd1);
}

#[test]
fn every_zone_has_its_server_and_the_near_one_comes_first() {
    let candidates: Vec<(String, Zone)> = (0..9)
        .map(|number| (format!("gateway-{number}"), Zone::from(format!("zone-{}", number % 3))))
        .collect();
    let near = Zone::from("zone-1".to_owned());
    for key in 0..200 {
        let order = rendezvous_by_zone(key, &candidates, |(name, _)| name, |(_, zone)| zone, &near);
        assert_eq!(order.len(), 9);
        for rank in order.chunks(3) {
            assert_eq!(rank[0].1, near);
            assert_eq!(rank.iter().map(|(_, zone)| zone).collect::<BTreeSet<_>>().len(), 3);
        }
        // The server of a zone is the one that readers of the zone ask first.
        for (name, zone) in order[..3].iter().copied() {
            let at_home = rendezvous_by_zone(key, &candidates, |(name, _)| name, |(_, zone)| zone, zone);
            assert_eq!(&at_home[0].0, name);
        }
    }
}

#[test]
fn readers_outside_of_every_zone_go_by_weight() {
    let candidates = [("a", Zone::from("x".to_owned())), ("b", Zone::from("y".to_owned()))];
    let nowhere = Zone::from(String::new());
    for key in 0..50 {
        let zoned = rendezvous_by_zone(key, &candidates, |(name, _)| name, |(_, zone)| zone, &nowhere);
        assert_eq!(zoned, rendezvous(key, &candidates, |(name, _)| name));
    }
}

proptest! {
    #[test]
    fn the_order_does_not_depend_on_who_is_listed_first(key: u128, names in some_names(), turn in 0usize..12) {
        let mut turned = names.clone();
        turned.rotate_left(turn % names.len());
        prop_assert_eq!(order(key, &names), order(key, &turned));
    }

    #[test]
    fn one_that_leaves_moves_nobody_else(key: u128, names in some_names(), gone: prop::sample::Index) {
        let leaver = gone.get(&names).clone();
        let stay: Vec<String> = names.iter().filter(|name| **name != leaver).cloned().collect();
        let before: Vec<_> = order(key, &names).into_iter().filter(|name| **name != leaver).collect();
        prop_assert_eq!(before, order(key, &stay));
    }

    #[test]
    fn by_zone_too_one_that_leaves_moves_only_its_zone(key: u128, names in some_names(), gone: prop::sample::Index) {
        let zone = |name: &String| Zone::from(format!("zone-{}", name.len() % 3));
        let all: Vec<(String, Zone)> = names.iter().map(|name| (name.clone(), zone(name))).collect();
        let leaver = gone.get(&all).clone();
        let stay: Vec<_> = all.iter().filter(|candidate| **candidate != leaver).cloned().collect();
        let near = Zone::from("zone-0".to_owned());
        let of_zone = |candidates: &[(String, Zone)], zone: &Zone| -> Vec<String> {
            rendezvous_by_zone(key, candidates, |(name, _)| name, |(_, zone)| zone, &near)
                .into_iter()
                .filter(|(_, its)| its == zone)
                .map(|(name, _)| name.clone())
                .collect()
        };
        for number in 0..3 {
            let zone = Zone::from(format!("zone-{number}"));
            let before: Vec<_> = of_zone(&all, &zone).into_iter().filter(|name| *name != leaver.0).collect();
            prop_assert_eq!(before, of_zone(&stay, &zone));
        }
    }
}

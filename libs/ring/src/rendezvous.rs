//! Rendezvous (highest random weight) hashing: who serves a key that any instance could serve.
//!
//! Every candidate has a weight for every key, computed from its name and the key alone; the heaviest serves. So callers that
//! know the same candidates agree without talking, a candidate that leaves gives its keys to all others alike and moves no other
//! key, and one that joins takes only keys that become its own. Weights are the same on every machine and in every release: caches
//! on disk depend on them.

use std::cmp::Reverse;
use std::collections::HashMap;

use narthex_model::Zone;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The candidates for a key, best first: the second takes over when the first fails, and so on. `name` identifies a candidate;
/// two with one name stay in the order given.
pub fn rendezvous<T>(key: u128, candidates: &[T], name: impl Fn(&T) -> &str) -> Vec<&T> {
    let mut order: Vec<_> =
        candidates.iter().map(|candidate| (weight(key, name(candidate)), candidate)).collect();
    // A tie of weights is settled by name, so that the order of the candidates never shows.
    order.sort_by(|(a, left), (b, right)| b.cmp(a).then_with(|| name(left).cmp(name(right))));
    order.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The candidates for a key where each zone has a server of its own for it: first the best of every zone, that of the zone `near`
/// foremost and the others by weight, then the second best of every zone in the same manner, and so on. A reader in any zone so
/// finds the key at home, and falls back to a server in another zone that serves the key there anyway.
pub fn rendezvous_by_zone<'a, T>(
    key: u128,
    candidates: &'a [T],
    name: impl Fn(&T) -> &str,
    zone: impl Fn(&T) -> &Zone,
    near: &Zone,
) -> Vec<&'a T> {
    let mut places = HashMap::<&Zone, usize>::new();
    let mut order: Vec<_> = rendezvous(key, candidates, name)
        .into_iter()
        .map(|candidate| {
            let zone = zone(candidate);
            let place = places.entry(zone).or_default();
            *place += 1;
            ((*place, Reverse(zone == near)), candidate)
        })
        .collect();
    // Stable: within a rank and outside of the near zone the weight decides.
    order.sort_by_key(|(rank, _)| *rank);
    order.into_iter().map(|(_, candidate)| candidate).collect()
}

fn weight(key: u128, name: &str) -> u64 {
    xxh3_64_with_seed(&key.to_le_bytes(), xxh3_64(name.as_bytes()))
}

#[cfg(test)]
#[path = "rendezvous_test.rs"]
mod tests;

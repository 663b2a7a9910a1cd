//! Interned label pairs with their postings: the symbol table and the index of a head in one.
//!
//! A pair is kept once, as the bytes `name 0xFF value 0xFF` that canonical labels are made of. So a series is a list of pair
//! ids, its canonical bytes are the pairs one after the other, comparing them with a frame's labels is one `memcmp` a pair, and
//! a pair's id leads straight to its postings. Pairs are never removed while the head lives.

use hashbrown::{HashMap, HashTable};
use narthex_model::SEPARATOR;
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    arena::{Paged, Slices},
    postings::Postings,
};

#[derive(Debug)]
struct Pair {
    at: u32,
    length: u32,
    hash: u32,
    postings: Postings,
}

/// All label pairs of a head.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    index: HashTable<u32>,
    pairs: Paged<Pair>,
    bytes: Slices<u8>,
    names: HashMap<Box<[u8]>, Vec<u32>>,
}

impl Pairs {
    /// Number of pairs.
    pub(super) fn len(&self) -> u32 {
        self.pairs.len()
    }

    /// Whether no further pair fits (4 GiB of label text).
    pub(super) fn is_full(&self) -> bool {
        self.bytes.is_full()
    }

    /// The bytes of a pair: `name 0xFF value 0xFF`.
    pub(super) fn bytes(&self, pair: u32) -> &[u8] {
        let pair = self.pairs.at(pair);
        self.bytes.get(pair.at, pair.length as usize)
    }

    /// Series with the pair.
    pub(super) fn postings(&self, pair: u32) -> &Postings {
        &self.pairs.at(pair).postings
    }

    /// Notes that a series has the pair; series come in ascending order.
    pub(super) fn add(&mut self, pair: u32, series: u32) {
        self.pairs.at_mut(pair).postings.push(series);
    }

    /// The pair with these bytes, new if need be.
    pub(super) fn intern(&mut self, bytes: &[u8]) -> u32 {
        let hash = xxh3_64(bytes);
        if let Some(pair) = self.find_hashed(bytes, hash) {
            return pair;
        }
        let name = name_of(bytes);
        let at = self.bytes.push(bytes);
        let entry = Pair { at, length: bytes.len() as u32, hash: hash as u32, postings: Postings::default() };
        let pair = self.pairs.push(entry);
        let pairs = &self.pairs;
        self.index.insert_unique(spread(hash as u32), pair, |other| spread(pairs.at(*other).hash));
        match self.names.get_mut(name) {
            Some(ids) => ids.push(pair),
            None => drop(self.names.insert(name.into(), vec![pair])),
        }
        pair
    }

    /// The pair with these bytes.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<u32> {
        self.find_hashed(bytes, xxh3_64(bytes))
    }

    fn find_hashed(&self, bytes: &[u8], hash: u64) -> Option<u32> {
        let hash = hash as u32;
        let is_it = |pair: &u32| {
            let entry = self.pairs.at(*pair);
            entry.hash == hash && self.bytes.get(entry.at, entry.length as usize) == bytes
        };
        self.index.find(spread(hash), is_it).copied()
    }

    /// Makes room for pairs that a snapshot brings.
    pub(super) fn reserve(&mut self, more: usize) {
        let pairs = &self.pairs;
        self.index.reserve(more, |other| spread(pairs.at(*other).hash));
    }

    /// Pairs with a label name, in the order in which they appeared.
    pub(super) fn of_name(&self, name: &[u8]) -> &[u32] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// All label names, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = (&[u8], &[u32])> {
        self.names.iter().map(|(name, pairs)| (&**name, pairs.as_slice()))
    }

    /// The value of a pair.
    pub(super) fn value(&self, pair: u32) -> &str {
        let bytes = self.bytes(pair);
        let start = name_of(bytes).len() + 1;
        std::str::from_utf8(&bytes[start..bytes.len() - 1]).unwrap_or_default()
    }

    /// Series with a label name whose value satisfies `keep`.
    pub(super) fn union(&self, name: &str, mut keep: impl FnMut(&str) -> bool) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for pair in self.of_name(name.as_bytes()) {
            if keep(self.value(*pair)) {
                self.postings(*pair).add_to(&mut union);
            }
        }
        union
    }
}

/// The stored hash has 32 bits; hashbrown takes its tag from the highest of 64.
fn spread(hash: u32) -> u64 {
    u64::from(hash) | u64::from(hash.rotate_left(16)) << 32
}

/// The name in a pair's bytes.
pub(super) fn name_of(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|byte| *byte == SEPARATOR).unwrap_or(pair.len());
    &pair[..end]
}

/// Splits canonical bytes into their pairs; bytes that are cut off end the iteration early.
pub(super) fn split(mut canonical: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut ends = canonical.iter().enumerate().filter(|(_, byte)| **byte == SEPARATOR).map(|(at, _)| at);
        let end = ends.nth(1)? + 1;
        let (pair, rest) = canonical.split_at(end);
        canonical = rest;
        Some(pair)
    })
}

#[cfg(test)]
mod tests {
    use narthex_model::Labels;

    use super::*;

    #[test]
    fn pairs_are_kept_once_and_lead_to_their_series() {
        let mut pairs = Pairs::default();
        for series in 0..500u32 {
            let labels =
                Labels::from_pairs([("__name__", "up"), ("pod", &format!("pod-{}", series % 7)), ("ß", "x")]);
            for bytes in split(labels.as_bytes()) {
                let pair = pairs.intern(bytes);
                assert_eq!(pairs.bytes(pair), bytes);
                pairs.add(pair, series);
            }
        }
        assert_eq!(pairs.len(), 9);
        let pair = pairs.find(b"pod\xFFpod-3\xFF").expect("interned");
        assert_eq!(pairs.value(pair), "pod-3");
        assert!(pairs.postings(pair).to_bitmap().iter().all(|series| series % 7 == 3));
        assert_eq!(pairs.union("pod", |value| value > "pod-4").len(), 142);
        assert_eq!(pairs.find(b"pod\xFFpod-9\xFF"), None);
        assert_eq!(pairs.names().count(), 3);
    }
}

//! Interned label pairs with their postings: the symbol table and the index of a head in one.
//!
//! A pair is kept once, as the bytes `name 0xFF value 0xFF` that canonical labels are made of. So a series is a list of pair
//! ids, its canonical bytes are the pairs one after the other, comparing them with a frame's labels is one `memcmp` a pair, and
//! a pair's id leads straight to its postings. A pair leaves with its last series; its id and its text's place are used again,
//! the id not while a snapshot is written, which refers to it.

use hashbrown::{HashMap, HashTable};
use narthex_model::SEPARATOR;
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    arena::{Slices, Slots},
    postings::Postings,
};

#[derive(Debug, Clone, Default)]
struct Pair {
    at: u32,
    length: u32,
    hash: u32,
    /// Place in the list of its name.
    place: u32,
    postings: Postings,
}

/// All label pairs of a head.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    index: HashTable<u32>,
    pairs: Slots<Pair>,
    bytes: Slices<u8>,
    names: HashMap<Box<[u8]>, Vec<u32>>,
    /// A snapshot is being written: ids are not used again.
    pinned: bool,
}

impl Pairs {
    /// Number of pairs.
    pub(super) fn len(&self) -> u32 {
        self.pairs.len()
    }

    /// Ids are below this.
    pub(super) fn bound(&self) -> u32 {
        self.pairs.bound()
    }

    /// Whether there is a pair with this id.
    pub(super) fn is_held(&self, pair: u32) -> bool {
        !self.pairs.is_free(pair)
    }

    /// Keeps ids from being used again, or no longer.
    pub(super) fn pin(&mut self, pinned: bool) {
        self.pinned = pinned;
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

    /// Notes that a series has the pair.
    pub(super) fn add(&mut self, pair: u32, series: u32) {
        self.pairs.at_mut(pair).postings.insert(series);
    }

    /// Notes that a series with the pair left; the pair goes with its last one.
    pub(super) fn remove(&mut self, pair: u32, series: u32) {
        if !self.is_held(pair) {
            return;
        }
        let postings = &mut self.pairs.at_mut(pair).postings;
        postings.remove(series);
        if postings.len() == 0 {
            self.release(pair);
        }
    }

    /// Lets go of a pair without series.
    fn release(&mut self, pair: u32) {
        let Pair { at, length, hash, place, .. } = *self.pairs.at(pair);
        let name = name_of(self.bytes.get(at, length as usize));
        if let Some(ids) = self.names.get_mut(name) {
            ids.swap_remove(place as usize);
            if let Some(moved) = ids.get(place as usize) {
                self.pairs.at_mut(*moved).place = place;
            }
            if ids.is_empty() {
                self.names.remove(name);
            }
        }
        if let Ok(entry) = self.index.find_entry(spread(hash), |other| *other == pair) {
            entry.remove();
        }
        self.bytes.remove(at, length as usize);
        self.pairs.remove(pair);
    }

    /// Lets go of pairs without series, as a snapshot may bring them.
    pub(super) fn release_unused(&mut self) {
        for pair in 0..self.pairs.bound() {
            if self.is_held(pair) && self.pairs.at(pair).postings.len() == 0 {
                self.release(pair);
            }
        }
    }

    /// Adds a free id, as it was in a snapshot.
    pub(super) fn push_free(&mut self) {
        self.pairs.push_free(Pair::default());
    }

    /// Returns memory, unless a snapshot is being written.
    pub(super) fn trim(&mut self) {
        self.bytes.trim();
        if !self.pinned {
            self.pairs.trim();
        }
        let pairs = &self.pairs;
        shrink(&mut self.index, |pair| spread(pairs.at(*pair).hash));
        self.names.values_mut().filter(|ids| ids.capacity() > 4 * ids.len()).for_each(Vec::shrink_to_fit);
        if self.names.capacity() > 4 * self.names.len() {
            self.names.shrink_to_fit();
        }
    }

    /// The pair with these bytes, new if need be.
    pub(super) fn intern(&mut self, bytes: &[u8]) -> u32 {
        let hash = xxh3_64(bytes);
        if let Some(pair) = self.find_hashed(bytes, hash) {
            return pair;
        }
        self.add_new(bytes, hash, !self.pinned)
    }

    /// Adds a pair that is not there behind all others.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.add_new(bytes, xxh3_64(bytes), false);
    }

    fn add_new(&mut self, bytes: &[u8], hash: u64, reuse: bool) -> u32 {
        let name = name_of(bytes);
        let at = self.bytes.push(bytes);
        let ids = match self.names.get_mut(name) {
            Some(ids) => ids,
            None => self.names.entry(name.into()).or_default(),
        };
        let (length, place) = (bytes.len() as u32, ids.len() as u32);
        let entry = Pair { at, length, hash: hash as u32, place, postings: Postings::default() };
        let pair = self.pairs.insert(entry, reuse);
        ids.push(pair);
        let pairs = &self.pairs;
        self.index.insert_unique(spread(hash as u32), pair, |other| spread(pairs.at(*other).hash));
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

    /// Pairs with a label name, in no order.
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

/// Gives back a table's memory once it is mostly empty.
pub(super) fn shrink(table: &mut HashTable<u32>, hasher: impl Fn(&u32) -> u64) {
    if table.capacity() > 4 * table.len() {
        table.shrink_to(table.len(), hasher);
    }
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
        for series in (0..500u32).filter(|series| series % 7 != 3) {
            let labels =
                Labels::from_pairs([("__name__", "up"), ("pod", &format!("pod-{}", series % 7)), ("ß", "x")]);
            for bytes in split(labels.as_bytes()) {
                pairs.remove(pairs.find(bytes).expect("held"), series);
            }
        }
        assert_eq!((pairs.len(), pairs.find(b"pod\xFFpod-3\xFF")), (3, Some(pair)));
        assert_eq!(pairs.union("pod", |_| true).len(), 71);
        assert_eq!(pairs.find(b"pod\xFFpod-4\xFF"), None);
        pairs.pin(true);
        assert_eq!(pairs.intern(b"pod\xFFpod-4\xFF"), 9, "no id is used again");
        pairs.pin(false);
        assert!(pairs.intern(b"pod\xFFpod-5\xFF") < 9);
    }
}

//! The series that carry a label pair: up to three ids in place, a sorted list above, a roaring bitmap from 256 on.
//!
//! Ids mostly come in ascending order, since a new series has the greatest id unless it takes the place of one that left. Most pairs of a head belong to few series
//! (a pod, an instance and a path), for which a bitmap would cost ten times the ids.

use roaring::RoaringBitmap;

const FEW: usize = 3;
const MANY: usize = 256;

/// A set of series ids; 16 bytes besides what it points to.
#[derive(Debug, Clone)]
pub(super) enum Postings {
    Few {
        length: u8,
        ids: [u32; FEW],
    },
    #[allow(clippy::box_collection, reason = "a thin pointer keeps the common case at 16 bytes")]
    List(Box<Vec<u32>>),
    Bitmap(Box<RoaringBitmap>),
}

impl Default for Postings {
    fn default() -> Self {
        Self::Few { length: 0, ids: [0; FEW] }
    }
}

impl Postings {
    /// Adds an id that is not there.
    pub(super) fn insert(&mut self, id: u32) {
        match self {
            Self::Few { length, ids } if usize::from(*length) < FEW => {
                ids[usize::from(*length)] = id;
                *length += 1;
            }
            Self::Few { ids, .. } => {
                let mut list = Vec::with_capacity(2 * FEW);
                list.extend_from_slice(ids);
                list.push(id);
                list.sort_unstable();
                *self = Self::List(Box::new(list));
            }
            Self::List(list) if list.len() < MANY => match list.last() {
                Some(last) if *last > id => list.insert(list.partition_point(|other| *other < id), id),
                _ => list.push(id),
            },
            Self::List(list) => {
                list.push(id);
                let bitmap = list.iter().copied().collect();
                *self = Self::Bitmap(Box::new(bitmap));
            }
            Self::Bitmap(bitmap) => {
                // Not `push`, which searches the bitmap for its greatest id each time.
                bitmap.insert(id);
            }
        }
    }

    /// Removes an id. A set that became much smaller takes its smaller form again.
    pub(super) fn remove(&mut self, id: u32) {
        match self {
            Self::Few { length, ids } => {
                if let Some(at) = ids[..usize::from(*length)].iter().position(|other| *other == id) {
                    *length -= 1;
                    ids[at] = ids[usize::from(*length)];
                }
            }
            Self::List(list) => {
                if let Ok(at) = list.binary_search(&id) {
                    list.remove(at);
                }
                if list.len() <= FEW {
                    let mut ids = [0; FEW];
                    ids[..list.len()].copy_from_slice(list);
                    *self = Self::Few { length: list.len() as u8, ids };
                }
            }
            Self::Bitmap(bitmap) => {
                bitmap.remove(id);
                if bitmap.len() <= MANY as u64 / 2 {
                    *self = Self::List(Box::new(bitmap.iter().collect()));
                }
            }
        }
    }

    /// Number of ids.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Few { length, .. } => u64::from(*length),
            Self::List(list) => list.len() as u64,
            Self::Bitmap(bitmap) => bitmap.len(),
        }
    }

    /// The ids as a bitmap.
    pub(super) fn to_bitmap(&self) -> RoaringBitmap {
        let mut bitmap = RoaringBitmap::new();
        self.add_to(&mut bitmap);
        bitmap
    }

    /// Adds all ids to a bitmap.
    pub(super) fn add_to(&self, bitmap: &mut RoaringBitmap) {
        match self {
            Self::Few { length, ids } => bitmap.extend(ids[..usize::from(*length)].iter().copied()),
            Self::List(list) => bitmap.extend(list.iter().copied()),
            Self::Bitmap(own) => *bitmap |= &**own,
        }
    }

    /// Keeps in `bitmap` only the ids of this set.
    pub(super) fn intersect(&self, bitmap: &mut RoaringBitmap) {
        match self {
            Self::Bitmap(own) => *bitmap &= &**own,
            _ => *bitmap &= self.to_bitmap(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_size_holds_the_same_ids() {
        assert_eq!(size_of::<Postings>(), 16);
        let mut postings = Postings::default();
        for n in 0..1000u32 {
            assert_eq!(postings.len(), u64::from(n));
            postings.insert(n * 3);
        }
        let all: RoaringBitmap = (0..1000).map(|n| n * 3).collect();
        assert_eq!(postings.to_bitmap(), all);
        let mut even: RoaringBitmap = (0..3000).filter(|n| n % 2 == 0).collect();
        postings.intersect(&mut even);
        assert_eq!(even, (0..500).map(|n| n * 6).collect());
    }

    proptest! {
        #[test]
        fn ids_come_and_go_in_any_order(steps in proptest::collection::vec((any::<bool>(), 0u32..600), 1..1500), grow in any::<bool>()) {
            let mut postings = Postings::default();
            let mut expected = RoaringBitmap::new();
            for (insert, id) in steps {
                if insert || (grow && id % 3 > 0) {
                    if expected.insert(id) {
                        postings.insert(id);
                    }
                } else {
                    expected.remove(id);
                    postings.remove(id);
                }
                prop_assert_eq!(postings.len(), expected.len());
            }
            prop_assert_eq!(postings.to_bitmap(), expected);
        }
    }
}

//! The series that carry a label pair: up to three ids in place, a sorted list above, a roaring bitmap from 256 on.
//!
//! Ids are added in ascending order only, since a new series has the greatest id. Most pairs of a head belong to few series
//! (a pod, an instance and a path), for which a bitmap would cost ten times the ids.

use roaring::RoaringBitmap;

const FEW: usize = 3;
const MANY: usize = 256;

/// A set of series ids; 16 bytes besides what it points to.
#[derive(Debug)]
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
    /// Adds an id that is greater than all others.
    pub(super) fn push(&mut self, id: u32) {
        match self {
            Self::Few { length, ids } if usize::from(*length) < FEW => {
                ids[usize::from(*length)] = id;
                *length += 1;
            }
            Self::Few { ids, .. } => {
                let mut list = Vec::with_capacity(2 * FEW);
                list.extend_from_slice(ids);
                list.push(id);
                *self = Self::List(Box::new(list));
            }
            Self::List(list) if list.len() < MANY => list.push(id),
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
    use super::*;

    #[test]
    fn every_size_holds_the_same_ids() {
        assert_eq!(size_of::<Postings>(), 16);
        let mut postings = Postings::default();
        for n in 0..1000u32 {
            assert_eq!(postings.len(), u64::from(n));
            postings.push(n * 3);
        }
        let all: RoaringBitmap = (0..1000).map(|n| n * 3).collect();
        assert_eq!(postings.to_bitmap(), all);
        let mut even: RoaringBitmap = (0..3000).filter(|n| n % 2 == 0).collect();
        postings.intersect(&mut even);
        assert_eq!(even, (0..500).map(|n| n * 6).collect());
    }
}

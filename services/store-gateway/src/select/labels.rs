//! The series of several blocks as one list: pure.

use std::{cmp::Reverse, collections::BinaryHeap};

use narthex_model::Labels;

/// One list of all series and, for each block, the place of each of its series in that list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) labels: Vec<Labels>,
    pub(super) places: Vec<Vec<u32>>,
}

/// Merges lists that ascend by `cmp_series`. A series is kept once, however many blocks have it. `None` if there are more than
/// `limit`.
pub(super) fn merge_labels(lists: Vec<Vec<Labels>>, limit: u64) -> Option<Merged> {
    let limit = limit.min(u64::from(u32::MAX));
    let mut places: Vec<Vec<u32>> = lists.iter().map(|list| Vec::with_capacity(list.len())).collect();
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    let mut heads: BinaryHeap<_> = lists
        .iter_mut()
        .enumerate()
        .filter_map(|(number, list)| Some(Reverse((list.next()?, number))))
        .collect();
    let mut labels: Vec<Labels> = Vec::new();
    while let Some(Reverse((series, number))) = heads.pop() {
        if labels.last() != Some(&series) {
            if labels.len() as u64 >= limit {
                return None;
            }
            labels.push(series);
        }
        places[number].push(labels.len() as u32 - 1);
        if let Some(next) = lists[number].next() {
            heads.push(Reverse((next, number)));
        }
    }
    Some(Merged { labels, places })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    fn series() -> impl Strategy<Value = Labels> {
        ("[ab]{0,2}", "[xy]{0,2}")
            .prop_map(|(name, job)| Labels::from_pairs([("__name__", name), ("job", job)]))
    }

    proptest! {
        #[test]
        fn every_series_is_there_once_and_every_place_is_right(lists in proptest::collection::vec(btree_set(series(), 0..12), 0..6)) {
            let all: BTreeSet<Labels> = lists.iter().flatten().cloned().collect();
            let lists: Vec<Vec<Labels>> = lists.into_iter().map(|list| list.into_iter().collect()).collect();
            let merged = merge_labels(lists.clone(), all.len() as u64).expect("within the limit");
            prop_assert!(merged.labels.iter().eq(&all));
            for (list, places) in lists.iter().zip(&merged.places) {
                prop_assert!(places.is_sorted());
                prop_assert!(list.iter().eq(places.iter().map(|place| &merged.labels[*place as usize])));
            }
            if !all.is_empty() {
                prop_assert_eq!(merge_labels(lists, all.len() as u64 - 1), None);
            }
        }
    }
}

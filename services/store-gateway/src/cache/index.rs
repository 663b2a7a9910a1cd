//! Which page lies in which slot, and which slot is used next: the clock algorithm, as a pure state machine.
//!
//! A page that was read since the hand last passed is spared once; one that was never read again goes first, so that one large
//! scan does not push out what dashboards read every minute. A slot that is being written is neither read nor given away.

use std::collections::HashMap;

use super::PageKey;

/// What is known of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) slot: u32,
    pub(super) length: u32,
    pub(super) checksum: u64,
}

/// A slot for a page that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) slot: u32,
    /// Another page had to go for it.
    pub(super) evicted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Empty,
    Writing,
    Full { length: u32, checksum: u64, read: bool },
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: PageKey,
    content: Use,
}

#[derive(Debug)]
pub(super) struct Index {
    capacity: u32,
    slots: Vec<Slot>,
    empty: Vec<u32>,
    by_key: HashMap<PageKey, u32>,
    hand: usize,
}

impl Index {
    pub(super) fn new(capacity: u32) -> Self {
        Self { capacity, slots: Vec::new(), empty: Vec::new(), by_key: HashMap::new(), hand: 0 }
    }

    /// Puts what was found on disk into the next slot; `None` leaves the slot empty. Not more than there is room for.
    pub(super) fn restore(&mut self, found: Option<(PageKey, u32, u64)>) {
        let slot = self.slots.len() as u32;
        if slot >= self.capacity {
            return;
        }
        match found {
            Some((key, length, checksum)) if !self.by_key.contains_key(&key) => {
                self.by_key.insert(key, slot);
                self.slots.push(Slot { key, content: Use::Full { length, checksum, read: false } });
            }
            _ => {
                self.slots.push(Slot { key: PageKey(0), content: Use::Empty });
                self.empty.push(slot);
            }
        }
    }

    /// Finds a page and notes that it is read.
    pub(super) fn read(&mut self, key: PageKey) -> Option<Stored> {
        let slot = *self.by_key.get(&key)?;
        match &mut self.slots[slot as usize].content {
            Use::Full { length, checksum, read } => {
                *read = true;
                Some(Stored { slot, length: *length, checksum: *checksum })
            }
            Use::Empty | Use::Writing => None,
        }
    }

    /// Gives a slot to a page; `None` if the page is there or on its way, or every slot is being written.
    pub(super) fn claim(&mut self, key: PageKey) -> Option<Claim> {
        if self.by_key.contains_key(&key) {
            return None;
        }
        let (slot, evicted) = match self.empty.pop() {
            Some(slot) => (slot, false),
            None if self.slots.len() < self.capacity as usize => {
                self.slots.push(Slot { key, content: Use::Empty });
                (self.slots.len() as u32 - 1, false)
            }
            None => (self.evict()?, true),
        };
        self.slots[slot as usize] = Slot { key, content: Use::Writing };
        self.by_key.insert(key, slot);
        Some(Claim { slot, evicted })
    }

    /// The claimed slot holds its page now.
    pub(super) fn commit(&mut self, slot: u32, length: u32, checksum: u64) {
        let slot = &mut self.slots[slot as usize];
        debug_assert_eq!(slot.content, Use::Writing);
        slot.content = Use::Full { length, checksum, read: false };
    }

    /// The claimed slot could not be written.
    pub(super) fn give_up(&mut self, slot: u32) {
        debug_assert_eq!(self.slots[slot as usize].content, Use::Writing);
        self.free(slot);
    }

    /// Forgets a page, if it is still where it was found.
    pub(super) fn forget(&mut self, key: PageKey, found: Stored) -> bool {
        let same = self.read(key) == Some(found);
        if same {
            self.free(found.slot);
        }
        same
    }

    /// Pages that are there.
    pub(super) fn pages(&self) -> usize {
        self.by_key.len()
    }

    fn free(&mut self, slot: u32) {
        let freed = &mut self.slots[slot as usize];
        freed.content = Use::Empty;
        self.by_key.remove(&freed.key);
        self.empty.push(slot);
    }

    fn evict(&mut self) -> Option<u32> {
        // Two rounds: the first may only take away what spares.
        for _ in 0..2 * self.slots.len() {
            let at = self.hand;
            self.hand = (at + 1) % self.slots.len();
            let slot = &mut self.slots[at];
            match &mut slot.content {
                Use::Full { read, .. } if *read => *read = false,
                Use::Full { .. } => {
                    self.by_key.remove(&slot.key);
                    return Some(at as u32);
                }
                Use::Empty | Use::Writing => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn put(index: &mut Index, key: u128) -> Option<Claim> {
        let claim = index.claim(PageKey(key))?;
        index.commit(claim.slot, 9, key as u64);
        Some(claim)
    }

    #[test]
    fn what_is_read_again_stays_and_a_scan_passes_by() {
        let mut index = Index::new(4);
        (0..4).for_each(|key| assert!(put(&mut index, key).is_some_and(|claim| !claim.evicted)));
        for scanned in 100..200 {
            assert!(index.read(PageKey(0)).is_some() && index.read(PageKey(1)).is_some(), "{scanned}");
            assert!(put(&mut index, scanned).is_some_and(|claim| claim.evicted));
        }
        assert_eq!(index.pages(), 4);
    }

    #[test]
    fn slots_that_are_written_are_nobodys() {
        let mut index = Index::new(1);
        let claim = index.claim(PageKey(7)).expect("empty");
        assert_eq!(index.read(PageKey(7)), None, "not there yet");
        assert_eq!((index.claim(PageKey(7)), index.claim(PageKey(8))), (None, None));
        index.give_up(claim.slot);
        assert_eq!(index.claim(PageKey(8)), Some(Claim { slot: 0, evicted: false }));
    }

    #[test]
    fn of_two_slots_with_one_page_the_first_counts_and_no_more_than_fit_are_restored() {
        let mut index = Index::new(3);
        let found = |key, checksum| Some((PageKey(key), 5, checksum));
        for found in [found(1, 10), None, found(1, 11), found(2, 12)] {
            index.restore(found);
        }
        assert_eq!(index.read(PageKey(1)), Some(Stored { slot: 0, length: 5, checksum: 10 }));
        assert_eq!((index.read(PageKey(2)), index.pages()), (None, 1));
        assert!(put(&mut index, 3).is_some_and(|claim| claim.slot > 0 && !claim.evicted));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Claim(u8),
        Commit(u8),
        GiveUp(u8),
        Read(u8),
        Forget(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0u8..12;
        prop_oneof![
            4 => key.clone().prop_map(Step::Claim),
            4 => key.clone().prop_map(Step::Commit),
            1 => key.clone().prop_map(Step::GiveUp),
            2 => key.clone().prop_map(Step::Read),
            1 => key.prop_map(Step::Forget),
        ]
    }

    proptest! {
        #[test]
        fn no_two_pages_share_a_slot(capacity in 1u32..6, steps in proptest::collection::vec(step(), 0..200)) {
            let mut index = Index::new(capacity);
            let mut writing = BTreeMap::<u8, u32>::new();
            for step in steps {
                match step {
                    Step::Claim(key) => {
                        if let Some(claim) = index.claim(PageKey(key.into())) {
                            prop_assert!(writing.insert(key, claim.slot).is_none());
                        }
                    }
                    Step::Commit(key) => {
                        if let Some(slot) = writing.remove(&key) {
                            index.commit(slot, 1, key.into());
                        }
                    }
                    Step::GiveUp(key) => {
                        if let Some(slot) = writing.remove(&key) {
                            index.give_up(slot);
                        }
                    }
                    Step::Read(key) => {
                        let found = index.read(PageKey(key.into()));
                        prop_assert!(found.is_none_or(|found| found.checksum == u64::from(key)));
                    }
                    Step::Forget(key) => {
                        if let Some(found) = index.read(PageKey(key.into())) {
                            prop_assert!(index.forget(PageKey(key.into()), found));
                            prop_assert!(!index.forget(PageKey(key.into()), found));
                        }
                    }
                }
                let held = (0u8..12).filter_map(|key| index.read(PageKey(key.into()))).map(|found| found.slot);
                let slots: Vec<u32> = held.chain(writing.values().copied()).collect();
                let apart: BTreeSet<u32> = slots.iter().copied().collect();
                prop_assert_eq!(apart.len(), slots.len());
                prop_assert!(apart.iter().all(|slot| *slot < capacity));
                prop_assert_eq!(slots.len(), index.pages());
            }
        }
    }
}

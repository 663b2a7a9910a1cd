//! Growing storage whose elements never move: pages instead of one vector, so that a head with millions of series never copies
//! them all at once nor holds twice the memory while it grows. The first page grows like a vector, because most heads are small.
//!
//! What is given back is used again first; `trim` returns the memory of pages that are unused as a whole. Both keep addresses.

use hashbrown::HashMap;
use roaring::RoaringBitmap;

/// Elements of a page of [`Paged`].
pub(super) const PAGE: u32 = 4096;
/// Elements of a page of [`Slices`].
const SLICE_PAGE: usize = 1 << SLICE_BITS;
const SLICE_BITS: u32 = 14;

/// A vector of fixed-size elements addressed by `u32`. A page whose elements are all unused may have no memory.
#[derive(Debug)]
pub(super) struct Paged<T> {
    pages: Vec<Vec<T>>,
    len: u32,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T> Paged<T> {
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn push(&mut self, element: T) -> u32 {
        let id = self.len;
        if id.is_multiple_of(PAGE) {
            let capacity = if self.pages.is_empty() { 0 } else { PAGE as usize };
            self.pages.push(Vec::with_capacity(capacity));
        }
        self.pages.last_mut().expect("a page was just made").push(element);
        self.len += 1;
        id
    }

    /// The element, unless it is beyond the end or its page has no memory.
    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.pages.get((id / PAGE) as usize)?.get((id % PAGE) as usize)
    }

    #[inline]
    pub(super) fn at(&self, id: u32) -> &T {
        &self.pages[(id / PAGE) as usize][(id % PAGE) as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, id: u32) -> &mut T {
        &mut self.pages[(id / PAGE) as usize][(id % PAGE) as usize]
    }

    /// Returns the memory of pages all of whose elements are in `unused`.
    pub(super) fn vacate(&mut self, unused: &RoaringBitmap) {
        for (number, page) in self.pages.iter_mut().enumerate().take((self.len / PAGE) as usize) {
            let first = number as u32 * PAGE;
            if !page.is_empty() && unused.range_cardinality(first..first + PAGE) == u64::from(PAGE) {
                *page = Vec::new();
            }
        }
    }

    /// Cuts off the pages at the end all of whose elements are in `unused`, which they leave.
    pub(super) fn shorten(&mut self, unused: &mut RoaringBitmap) {
        while let Some(last) = self.pages.len().checked_sub(1) {
            let first = last as u32 * PAGE;
            if unused.range_cardinality(first..self.len) < u64::from(self.len - first) {
                break;
            }
            self.pages.pop();
            unused.remove_range(first..self.len);
            self.len = first;
        }
        self.pages.shrink_to(2 * self.pages.len());
    }
}

impl<T: Clone> Paged<T> {
    /// Puts an element at a place that is in use no more; `unused` fills the rest of a page that had no memory.
    pub(super) fn put(&mut self, id: u32, element: T, unused: T) {
        let page = &mut self.pages[(id / PAGE) as usize];
        if page.is_empty() {
            page.resize(PAGE as usize, unused);
        }
        page[(id % PAGE) as usize] = element;
    }

    /// Appends unused elements: whole pages take no memory.
    pub(super) fn push_unused(&mut self, mut count: u32, unused: &T) {
        while count > 0 {
            if self.len.is_multiple_of(PAGE) && count >= PAGE {
                self.pages.push(Vec::new());
                (self.len, count) = (self.len + PAGE, count - PAGE);
            } else {
                self.push(unused.clone());
                count -= 1;
            }
        }
    }
}

/// [`Paged`] elements that come and go.
#[derive(Debug)]
pub(super) struct Slots<T> {
    elements: Paged<T>,
    free: RoaringBitmap,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { elements: Paged::default(), free: RoaringBitmap::new() }
    }
}

impl<T: Clone> Slots<T> {
    /// Places, free ones included.
    pub(super) fn bound(&self) -> u32 {
        self.elements.len()
    }

    /// Elements.
    pub(super) fn len(&self) -> u32 {
        self.elements.len() - self.free.len() as u32
    }

    pub(super) fn is_free(&self, id: u32) -> bool {
        id >= self.elements.len() || self.free.contains(id)
    }

    /// Adds an element at the first free place, or behind all places where they must not be used again.
    pub(super) fn insert(&mut self, element: T, reuse: bool) -> u32 {
        match self.free.min().filter(|_| reuse) {
            Some(id) => {
                self.free.remove(id);
                self.elements.put(id, element.clone(), element);
                id
            }
            None => self.elements.push(element),
        }
    }

    /// Adds a free place behind all others, as big as `like`.
    pub(super) fn push_free(&mut self, like: T) {
        let id = self.elements.push(like);
        self.free.insert(id);
    }

    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.elements.get(id)
    }

    #[inline]
    pub(super) fn at(&self, id: u32) -> &T {
        self.elements.at(id)
    }

    pub(super) fn at_mut(&mut self, id: u32) -> &mut T {
        self.elements.at_mut(id)
    }

    /// Gives a place back. What is there stays readable until it is used again.
    pub(super) fn remove(&mut self, id: u32) {
        self.free.insert(id);
    }

    /// Returns memory.
    pub(super) fn trim(&mut self) {
        self.elements.shorten(&mut self.free);
        self.elements.vacate(&self.free);
    }
}

/// Slices of any length, one behind the other; a slice lies within one page, a longer one gets a page of its own.
#[derive(Debug)]
pub(super) struct Slices<T> {
    pages: Vec<Vec<T>>,
    /// Elements of each page that were given back.
    unused: Vec<u32>,
    /// Addresses of slices given back, by length.
    free: HashMap<u32, Vec<u32>>,
    /// Pages without memory.
    vacant: Vec<u32>,
    /// The page that is being filled, if it is one.
    current: usize,
}

impl<T> Default for Slices<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), unused: Vec::new(), free: HashMap::new(), vacant: Vec::new(), current: 0 }
    }
}

impl<T: Copy> Slices<T> {
    /// Whether addresses run out; nothing may be pushed then.
    pub(super) fn is_full(&self) -> bool {
        self.vacant.is_empty() && self.pages.len() + 2 >= 1 << (32 - SLICE_BITS)
    }

    pub(super) fn push(&mut self, slice: &[T]) -> u32 {
        if let Some(address) = self.free.get_mut(&(slice.len() as u32)).and_then(Vec::pop) {
            let (page, at) = split(address);
            self.pages[page][at..at + slice.len()].copy_from_slice(slice);
            self.unused[page] -= slice.len() as u32;
            return address;
        }
        let fits = self.pages.get(self.current).is_some_and(|page| page.len() + slice.len() <= SLICE_PAGE);
        if !fits {
            let capacity = if self.pages.is_empty() { slice.len() } else { SLICE_PAGE.max(slice.len()) };
            let page = Vec::with_capacity(capacity);
            match self.vacant.pop() {
                Some(number) => {
                    self.current = number as usize;
                    self.pages[self.current] = page;
                }
                None => {
                    self.current = self.pages.len();
                    self.pages.push(page);
                    self.unused.push(0);
                }
            }
        }
        let page = &mut self.pages[self.current];
        let at = page.len();
        page.extend_from_slice(slice);
        (self.current << SLICE_BITS | at) as u32
    }

    #[inline]
    pub(super) fn get(&self, address: u32, length: usize) -> &[T] {
        if length == 0 {
            return &[];
        }
        let (page, at) = split(address);
        &self.pages[page][at..at + length]
    }

    /// Gives a slice back.
    pub(super) fn remove(&mut self, address: u32, length: usize) {
        if length > 0 {
            self.free.entry(length as u32).or_default().push(address);
            self.unused[split(address).0] += length as u32;
        }
    }

    /// Returns the memory of pages of which everything was given back.
    pub(super) fn trim(&mut self) {
        let is_unused = |pages: &[Vec<T>], unused: &[u32], page: usize| {
            !pages[page].is_empty() && pages[page].len() == unused[page] as usize
        };
        let dead: Vec<bool> =
            (0..self.pages.len()).map(|page| is_unused(&self.pages, &self.unused, page)).collect();
        if !dead.contains(&true) {
            return;
        }
        self.free.retain(|_, addresses| {
            addresses.retain(|address| !dead[split(*address).0]);
            addresses.shrink_to(2 * addresses.len());
            !addresses.is_empty()
        });
        for page in (0..dead.len()).filter(|page| dead[*page]) {
            self.pages[page] = Vec::new();
            self.unused[page] = 0;
            self.vacant.push(page as u32);
            if page == self.current {
                self.current = usize::MAX;
            }
        }
        while self.pages.last().is_some_and(Vec::is_empty) {
            self.pages.pop();
        }
        self.vacant.retain(|page| (*page as usize) < self.pages.len());
        self.unused.truncate(self.pages.len());
        self.pages.shrink_to(2 * self.pages.len());
        self.unused.shrink_to(2 * self.unused.len());
        self.vacant.shrink_to(2 * self.vacant.len());
        if self.free.is_empty() {
            self.free = HashMap::new();
        }
    }
}

fn split(address: u32) -> (usize, usize) {
    (address as usize >> SLICE_BITS, address as usize & (SLICE_PAGE - 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_and_slices_keep_their_addresses() {
        let (mut paged, mut slices) = (Paged::default(), Slices::default());
        let addresses: Vec<_> = (0..10_000u32)
            .map(|n| {
                (paged.push(n), slices.push(&vec![n; n as usize % 17 + if n == 77 { 40_000 } else { 0 }]))
            })
            .collect();
        for (n, (id, address)) in addresses.into_iter().enumerate() {
            assert_eq!((id as usize, *paged.at(id) as usize), (n, n));
            let length = n % 17 + if n == 77 { 40_000 } else { 0 };
            assert_eq!(slices.get(address, length), vec![n as u32; length]);
        }
        assert_eq!(paged.len(), 10_000);
        assert!(paged.get(10_000).is_none());
    }

    #[test]
    fn memory_of_unused_pages_is_returned() {
        let (mut slots, mut slices) = (Slots::default(), Slices::default());
        let places: Vec<_> = (0..20_000u32).map(|n| (slots.insert(n, true), slices.push(&[n; 10]))).collect();
        for (id, address) in &places[..19_000] {
            slots.remove(*id);
            slices.remove(*address, 10);
        }
        slots.trim();
        slices.trim();
        assert_eq!(slots.elements.pages.iter().filter(|page| page.is_empty()).count(), 4);
        assert!(slices.pages.iter().filter(|page| page.is_empty()).count() >= 11);
        assert_eq!((slots.len(), *slots.at(places[19_500].0)), (1_000, 19_500));
        assert_eq!(slots.insert(7, true), 0, "the first free place");
        for (id, address) in &places[19_000..] {
            slots.remove(*id);
            slices.remove(*address, 10);
        }
        slots.remove(0);
        slots.trim();
        slices.trim();
        assert_eq!((slots.bound(), slots.elements.pages.capacity()), (0, 0));
        assert_eq!((slices.pages.capacity(), slices.free.capacity(), slices.unused.capacity()), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn slots_and_slices_never_mix(steps in proptest::collection::vec((0u8..12, 1usize..40, any::<prop::sample::Index>()), 1..400)) {
            let (mut slots, mut slices) = (Slots::default(), Slices::default());
            let mut held = BTreeMap::new();
            for (number, (what, length, which)) in steps.into_iter().enumerate() {
                match what {
                    0 => {
                        slots.trim();
                        slices.trim();
                    }
                    1..5 if !held.is_empty() => {
                        let id = *held.keys().nth(which.index(held.len())).expect("within");
                        let (address, content): (u32, Vec<usize>) = held.remove(&id).expect("held");
                        slots.remove(id);
                        slices.remove(address, content.len());
                    }
                    _ => {
                        // Long ones make pages go and come.
                        let content = vec![number; length * if what > 9 { 700 } else { 1 }];
                        let id = slots.insert(number, what != 6);
                        prop_assert!(held.insert(id, (slices.push(&content), content)).is_none());
                    }
                }
                for (id, (address, content)) in &held {
                    prop_assert_eq!(*slots.at(*id), content[0]);
                    prop_assert_eq!(slices.get(*address, content.len()), &content[..]);
                    prop_assert!(!slots.is_free(*id));
                }
                prop_assert_eq!(slots.len() as usize, held.len());
            }
        }
    }
}

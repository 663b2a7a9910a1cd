//! Growing storage whose elements never move: pages instead of one vector, so that a head with millions of series never copies
//! them all at once nor holds twice the memory while it grows. The first page grows like a vector, because most heads are small.

/// Elements of a page of [`Paged`].
const PAGE: usize = 4096;
/// Elements of a page of [`Slices`].
const SLICE_PAGE: usize = 1 << SLICE_BITS;
const SLICE_BITS: u32 = 14;

/// A vector of fixed-size elements addressed by `u32`.
#[derive(Debug)]
pub(super) struct Paged<T> {
    pages: Vec<Vec<T>>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Paged<T> {
    pub(super) fn len(&self) -> u32 {
        self.pages.last().map_or(0, |last| ((self.pages.len() - 1) * PAGE + last.len()) as u32)
    }

    pub(super) fn push(&mut self, element: T) -> u32 {
        let id = self.len();
        if self.pages.last().is_none_or(|last| last.len() == PAGE) {
            let capacity = if self.pages.is_empty() { 0 } else { PAGE };
            self.pages.push(Vec::with_capacity(capacity));
        }
        self.pages.last_mut().expect("a page was just made").push(element);
        id
    }

    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.pages.get(id as usize / PAGE)?.get(id as usize % PAGE)
    }

    pub(super) fn at(&self, id: u32) -> &T {
        &self.pages[id as usize / PAGE][id as usize % PAGE]
    }

    pub(super) fn at_mut(&mut self, id: u32) -> &mut T {
        &mut self.pages[id as usize / PAGE][id as usize % PAGE]
    }
}

/// Slices of any length, one behind the other; a slice lies within one page, a longer one gets a page of its own.
#[derive(Debug)]
pub(super) struct Slices<T> {
    pages: Vec<Vec<T>>,
}

impl<T> Default for Slices<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T: Copy> Slices<T> {
    /// Whether addresses run out; nothing may be pushed then.
    pub(super) fn is_full(&self) -> bool {
        self.pages.len() + 2 >= 1 << (32 - SLICE_BITS)
    }

    pub(super) fn push(&mut self, slice: &[T]) -> u32 {
        let fits = self.pages.last().is_some_and(|last| last.len() + slice.len() <= SLICE_PAGE);
        if !fits {
            let capacity = if self.pages.is_empty() { slice.len() } else { SLICE_PAGE.max(slice.len()) };
            self.pages.push(Vec::with_capacity(capacity));
        }
        let page = self.pages.len() - 1;
        let last = &mut self.pages[page];
        let at = last.len();
        last.extend_from_slice(slice);
        (page << SLICE_BITS | at) as u32
    }

    pub(super) fn get(&self, address: u32, length: usize) -> &[T] {
        if length == 0 {
            return &[];
        }
        let (page, at) = (address as usize >> SLICE_BITS, address as usize & (SLICE_PAGE - 1));
        &self.pages[page][at..at + length]
    }
}

#[cfg(test)]
mod tests {
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
}

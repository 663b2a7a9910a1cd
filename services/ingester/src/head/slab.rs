//! Bytes of open chunks, in slots of a few sizes that are reused.
//!
//! A vector per series would cost 24 bytes of header, allocator slack and spare capacity; a slot costs what it holds, and its
//! address is four bytes in the series. Freed slots are kept for the next chunk of their size; `trim` returns the memory of pages
//! that have free slots only.

/// Sizes of slots. A chunk moves to the next size when it outgrows its slot.
const SIZES: [usize; 11] = [16, 32, 48, 80, 128, 192, 288, 432, 640, 1280, 2880];
/// Slots of a page.
const SLOTS: usize = 64;

/// Largest slot, in bytes.
pub(super) const MAX_SLOT: usize = SIZES[SIZES.len() - 1];

#[derive(Debug, Default)]
struct Size {
    pages: Vec<Vec<u8>>,
    free: Vec<u32>,
    /// Pages without memory.
    vacant: Vec<u32>,
}

/// All slots of a head.
#[derive(Debug, Default)]
pub(super) struct Slab {
    sizes: [Size; SIZES.len()],
}

/// Address of a slot: its size's number and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) class: u8,
    pub(super) at: u32,
}

impl Slab {
    /// A slot for at least `length` bytes, which must not exceed [`MAX_SLOT`].
    pub(super) fn allocate(&mut self, length: usize) -> Slot {
        let class = SIZES.iter().position(|size| *size >= length).expect("callers stay within MAX_SLOT");
        let size = &mut self.sizes[class];
        let at = size.free.pop().unwrap_or_else(|| size.grow(SIZES[class]));
        Slot { class: class as u8, at }
    }

    /// Gives a slot back.
    pub(super) fn free(&mut self, slot: Slot) {
        self.sizes[usize::from(slot.class)].free.push(slot.at);
    }

    /// Returns memory.
    pub(super) fn trim(&mut self) {
        for (size, bytes) in self.sizes.iter_mut().zip(SIZES) {
            size.trim(bytes);
        }
    }

    /// Bytes that fit into a slot.
    pub(super) fn capacity(slot: Slot) -> usize {
        SIZES[usize::from(slot.class)]
    }

    /// The whole slot.
    pub(super) fn bytes(&self, slot: Slot) -> &[u8] {
        let size = SIZES[usize::from(slot.class)];
        let start = slot.at as usize % SLOTS * size;
        &self.sizes[usize::from(slot.class)].pages[slot.at as usize / SLOTS][start..start + size]
    }

    /// The whole slot, for writing.
    pub(super) fn bytes_mut(&mut self, slot: Slot) -> &mut [u8] {
        let size = SIZES[usize::from(slot.class)];
        let start = slot.at as usize % SLOTS * size;
        &mut self.sizes[usize::from(slot.class)].pages[slot.at as usize / SLOTS][start..start + size]
    }

    /// A slot for `length` bytes that begins with the first `used` bytes of `slot`, which is given back.
    pub(super) fn grow(&mut self, slot: Slot, used: usize, length: usize) -> Slot {
        let grown = self.allocate(length);
        let mut kept = [0; MAX_SLOT];
        kept[..used].copy_from_slice(&self.bytes(slot)[..used]);
        self.bytes_mut(grown)[..used].copy_from_slice(&kept[..used]);
        self.free(slot);
        grown
    }
}

impl Size {
    fn grow(&mut self, bytes: usize) -> u32 {
        if self.pages.last().is_none_or(|last| last.is_empty() || last.len() == SLOTS * bytes) {
            if let Some(page) = self.vacant.pop() {
                // Whole at once: only the last page grows slot by slot.
                self.pages[page as usize] = vec![0; SLOTS * bytes];
                let first = page * SLOTS as u32;
                self.free.extend((first + 1..first + SLOTS as u32).rev());
                return first;
            }
            let capacity = if self.pages.is_empty() { bytes } else { SLOTS * bytes };
            self.pages.push(Vec::with_capacity(capacity));
        }
        let page = self.pages.len() - 1;
        let last = &mut self.pages[page];
        let at = page * SLOTS + last.len() / bytes;
        last.resize(last.len() + bytes, 0);
        at as u32
    }

    fn trim(&mut self, bytes: usize) {
        let mut free = vec![0u32; self.pages.len()];
        self.free.iter().for_each(|slot| free[*slot as usize / SLOTS] += 1);
        let dead: Vec<bool> = self
            .pages
            .iter()
            .zip(free)
            .map(|(page, free)| !page.is_empty() && free as usize * bytes == page.len())
            .collect();
        if !dead.contains(&true) {
            return;
        }
        self.free.retain(|slot| !dead[*slot as usize / SLOTS]);
        for page in (0..dead.len()).filter(|page| dead[*page]) {
            self.pages[page] = Vec::new();
            self.vacant.push(page as u32);
        }
        while self.pages.last().is_some_and(Vec::is_empty) {
            self.pages.pop();
        }
        self.vacant.retain(|page| (*page as usize) < self.pages.len());
        self.pages.shrink_to(2 * self.pages.len());
        self.free.shrink_to(2 * self.free.len());
        self.vacant.shrink_to(2 * self.vacant.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_do_not_overlap_and_are_reused() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..500).map(|n| slab.allocate(1 + n * 37 % MAX_SLOT)).collect();
        for (n, slot) in slots.iter().enumerate() {
            slab.bytes_mut(*slot).fill(n as u8);
        }
        for (n, slot) in slots.iter().enumerate() {
            assert!(slab.bytes(*slot).iter().all(|byte| *byte == n as u8));
        }
        let grown = slab.grow(slots[3], 16, Slab::capacity(slots[3]) + 1);
        assert!(slab.bytes(grown)[..16].iter().all(|byte| *byte == 3));
        assert_eq!(slab.allocate(Slab::capacity(slots[3])), slots[3]);
    }

    #[test]
    fn memory_of_free_pages_is_returned() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..1000u32).map(|n| (n, slab.allocate(40))).collect();
        for (n, slot) in &slots {
            slab.bytes_mut(*slot).fill(*n as u8);
        }
        let (gone, kept): (Vec<_>, Vec<_>) = slots.into_iter().partition(|(n, _)| *n < 700 || *n > 900);
        gone.iter().for_each(|(_, slot)| slab.free(*slot));
        slab.trim();
        let pages = |slab: &Slab| {
            slab.sizes.iter().flat_map(|size| &size.pages).filter(|page| !page.is_empty()).count()
        };
        assert_eq!(pages(&slab), 5);
        let more: Vec<_> = (0..800).map(|_| slab.allocate(48)).collect();
        for slot in &more {
            slab.bytes_mut(*slot).fill(0xAA);
        }
        assert!(kept.iter().all(|(n, slot)| slab.bytes(*slot).iter().all(|byte| *byte == *n as u8)));
        more.iter().chain(kept.iter().map(|(_, slot)| slot)).for_each(|slot| slab.free(*slot));
        slab.trim();
        assert!(slab.sizes.iter().all(|size| size.pages.capacity() + size.free.capacity() == 0));
    }
}

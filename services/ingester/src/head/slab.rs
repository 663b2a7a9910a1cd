//! Bytes of open chunks, in slots of a few sizes that are reused.
//!
//! A vector per series would cost 24 bytes of header, allocator slack and spare capacity; a slot costs what it holds, and its
//! address is four bytes in the series. Freed slots are kept for the next chunk of their size.

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
        if self.pages.last().is_none_or(|last| last.len() == SLOTS * bytes) {
            let capacity = if self.pages.is_empty() { bytes } else { SLOTS * bytes };
            self.pages.push(Vec::with_capacity(capacity));
        }
        let page = self.pages.len() - 1;
        let last = &mut self.pages[page];
        let at = page * SLOTS + last.len() / bytes;
        last.resize(last.len() + bytes, 0);
        at as u32
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
}

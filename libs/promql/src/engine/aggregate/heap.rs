//! The best members of a group so far, the worst of them first: a binary heap that moves its items as Go's does, because which
//! of equal values `topk` and `bottomk` keep depends on that.

/// At most `k` members with their values.
#[derive(Debug)]
pub(super) struct Heap {
    top: bool,
    k: usize,
    items: Vec<(usize, f64)>,
}

impl Heap {
    /// Keeps the `k` greatest, or least, values.
    pub(super) fn new(top: bool, k: usize) -> Self {
        Self { top, k, items: Vec::new() }
    }

    /// What was kept, in no useful order.
    pub(super) fn into_items(self) -> Vec<(usize, f64)> {
        self.items
    }

    /// Whether `a` is worse than `b`.
    fn worse(&self, a: f64, b: f64) -> bool {
        if self.top { a < b } else { a > b }
    }

    /// Whether the item at `a` belongs above the one at `b`.
    fn above(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.items[a].1, self.items[b].1);
        a.is_nan() || self.worse(a, b)
    }

    /// Keeps a member if it is better than the worst, or there is room.
    pub(super) fn offer(&mut self, item: (usize, f64)) {
        if self.items.len() < self.k {
            self.items.push(item);
            self.rise(self.items.len() - 1);
        } else if let Some((_, worst)) = self.items.first()
            && (self.worse(*worst, item.1) || (worst.is_nan() && !item.1.is_nan()))
        {
            self.items[0] = item;
            self.sink();
        }
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.above(at, (at - 1) / 2) {
            self.items.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sink(&mut self) {
        let mut at = 0;
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            if left >= self.items.len() {
                return;
            }
            let child = if right < self.items.len() && self.above(right, left) { right } else { left };
            if !self.above(child, at) {
                return;
            }
            self.items.swap(at, child);
            at = child;
        }
    }
}

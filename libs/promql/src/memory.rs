//! Memory is taken from a budget before it is used.
//!
//! Whoever runs queries implements [`Memory`]; the engine and sources take from it through a [`Reservation`], which gives back
//! what it took when its last clone is dropped. Without a budget everything is granted. What is counted are the large things
//! (samples, rows, histograms, labels), by the bytes that they occupy; operators whose result is no larger than an operand
//! take for it once it is there.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::source::SourceError;

/// A budget of bytes.
pub trait Memory: fmt::Debug + Send + Sync {
    /// Takes bytes, or refuses with the error that the query ends with; then nothing is taken.
    fn grow(&self, bytes: usize) -> Result<(), SourceError>;

    /// Gives back bytes that were taken.
    fn shrink(&self, bytes: usize);

    /// Bytes that can still be taken, as far as is known.
    fn left(&self) -> usize {
        usize::MAX
    }
}

/// Bytes taken from a budget. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Reservation(Option<Arc<Taken>>);

#[derive(Debug)]
struct Taken {
    memory: Arc<dyn Memory>,
    bytes: AtomicUsize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.memory.shrink(*self.bytes.get_mut());
    }
}

impl Reservation {
    /// Nothing yet, of a budget.
    pub fn of(memory: Arc<dyn Memory>) -> Self {
        Self(Some(Arc::new(Taken { memory, bytes: AtomicUsize::new(0) })))
    }

    /// Nothing yet, of the same budget.
    #[must_use]
    pub fn another(&self) -> Self {
        self.0.as_ref().map_or_else(Self::default, |taken| Self::of(Arc::clone(&taken.memory)))
    }

    /// The budget.
    pub fn memory(&self) -> Option<Arc<dyn Memory>> {
        self.0.as_ref().map(|taken| Arc::clone(&taken.memory))
    }

    /// What can still be taken.
    pub fn left(&self) -> usize {
        self.0.as_ref().map_or(usize::MAX, |taken| taken.memory.left())
    }

    /// What is taken.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |taken| taken.bytes.load(Ordering::Relaxed))
    }

    /// Takes more.
    pub fn grow(&self, bytes: usize) -> Result<(), SourceError> {
        if let Some(taken) = self.0.as_ref().filter(|_| bytes > 0) {
            taken.memory.grow(bytes)?;
            taken.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Gives some back; at most what was taken.
    pub fn shrink(&self, bytes: usize) {
        if let Some(taken) = self.0.as_ref().filter(|_| bytes > 0) {
            let keep = |held: usize| Some(held.saturating_sub(bytes));
            let held =
                taken.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, keep).unwrap_or_default();
            taken.memory.shrink(held.min(bytes));
        }
    }

    /// Takes over what another of the same budget holds.
    pub fn absorb(&self, other: &Self) {
        if let (Some(taken), Some(other)) = (&self.0, &other.0) {
            debug_assert!(Arc::ptr_eq(&taken.memory, &other.memory), "of one budget");
            taken.bytes.fetch_add(other.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Takes or gives back until `bytes` are taken.
    pub fn resize(&self, bytes: usize) -> Result<(), SourceError> {
        let held = self.bytes();
        if bytes > held {
            return self.grow(bytes - held);
        }
        self.shrink(held - bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Hundred(AtomicUsize);

    impl Memory for Hundred {
        fn grow(&self, bytes: usize) -> Result<(), SourceError> {
            let used = self.0.load(Ordering::Relaxed) + bytes;
            if used > 100 {
                return Err(SourceError::LimitExceeded("more than 100".into()));
            }
            self.0.store(used, Ordering::Relaxed);
            Ok(())
        }

        fn shrink(&self, bytes: usize) {
            self.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_reservation_gives_back_exactly_what_it_took() {
        let budget = Arc::new(Hundred::default());
        let used = || budget.0.load(Ordering::Relaxed);
        let first = Reservation::of(Arc::clone(&budget) as Arc<dyn Memory>);
        let second = first.another();
        first.grow(60).expect("within");
        assert!(second.grow(41).is_err());
        assert_eq!((first.bytes(), second.bytes(), used()), (60, 0, 60));
        first.resize(20).expect("less");
        second.resize(80).expect("the rest");
        let clone = second.clone();
        drop(second);
        assert_eq!(used(), 100, "a clone keeps it");
        first.absorb(&clone);
        drop(clone);
        assert_eq!((first.bytes(), used()), (100, 100));
        first.shrink(1_000);
        assert_eq!((first.bytes(), used()), (0, 0));
        assert!(Reservation::default().grow(usize::MAX).is_ok(), "no budget, no bound");
    }
}

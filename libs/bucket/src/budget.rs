//! How many retries a process may afford.
//!
//! Retries help against single failures and harm in an outage: if every request is repeated four times, a provider that is
//! coming back is met with five times the load. So retries are paid from a budget that only success refills: ten requests
//! that the bucket answered buy one retry. In an outage the budget is spent within seconds and everyone fails fast.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Requests that succeed for one retry more.
const SUCCESSES_PER_RETRY: u64 = 10;

/// Retries in store, shared by all requests of a process.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// In units of one success.
    stock: AtomicU64,
    capacity: u64,
}

impl RetryBudget {
    /// A full budget.
    pub(crate) fn new(retries: u32) -> Self {
        let capacity = u64::from(retries) * SUCCESSES_PER_RETRY;
        Self { stock: AtomicU64::new(capacity), capacity }
    }

    /// The bucket answered.
    pub(crate) fn succeeded(&self) {
        let more = |stock| (stock < self.capacity).then_some(stock + 1);
        // An Err is a full budget.
        let _full = self.stock.fetch_update(Relaxed, Relaxed, more);
    }

    /// Pays for a retry, if there is one left.
    pub(crate) fn take(&self) -> bool {
        self.stock.fetch_update(Relaxed, Relaxed, |stock| stock.checked_sub(SUCCESSES_PER_RETRY)).is_ok()
    }

    /// Whole retries in store.
    pub(crate) fn left(&self) -> u64 {
        self.stock.load(Relaxed) / SUCCESSES_PER_RETRY
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_outage_spends_the_budget_and_success_refills_it() {
        let budget = RetryBudget::new(3);
        assert_eq!([(); 5].map(|()| budget.take()), [true, true, true, false, false]);
        for _ in 0..9 {
            budget.succeeded();
        }
        assert!(!budget.take(), "nine successes are no retry");
        budget.succeeded();
        assert!(budget.take() && !budget.take());
        assert!(!RetryBudget::new(0).take());
    }

    proptest! {
        #[test]
        fn retries_never_exceed_capacity_and_a_tenth_of_successes(retries in 0u32..20, calls: Vec<bool>) {
            let budget = RetryBudget::new(retries);
            let (mut taken, mut succeeded) = (0, 0);
            for success in calls {
                if success {
                    budget.succeeded();
                    succeeded += 1;
                } else if budget.take() {
                    taken += 1;
                }
                prop_assert!(taken <= u64::from(retries) + succeeded / SUCCESSES_PER_RETRY);
                prop_assert!(budget.left() <= u64::from(retries));
            }
        }
    }
}

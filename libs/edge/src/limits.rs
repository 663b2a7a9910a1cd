//! How much one process takes on at once: requests, and bytes of their bodies.
//!
//! Both are refused with 503 before anything is read, so that a process under pressure stays up and senders retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::gauge::Gauge;

/// A counter with a ceiling.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    used: Arc<AtomicU64>,
    limit: u64,
    gauge: Gauge,
}

impl Budget {
    pub(crate) fn new(limit: u64, gauge: Gauge) -> Self {
        Self { used: Arc::default(), limit, gauge }
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes `amount`, or nothing if the ceiling would be passed. One request larger than the ceiling passes when it is
    /// alone, so that no setting refuses it for ever.
    pub(crate) fn take(&self, amount: u64) -> Option<Taken> {
        let fits = |used: u64| {
            (used == 0 || used.saturating_add(amount) <= self.limit).then(|| used.saturating_add(amount))
        };
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        self.gauge.inc_by(i64::try_from(amount).unwrap_or(i64::MAX));
        Some(Taken { budget: self.clone(), amount })
    }
}

/// A share of a budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    budget: Budget,
    amount: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.amount, Ordering::AcqRel);
        self.budget.gauge.dec_by(i64::try_from(self.amount).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_and_given_back() {
        let gauge = Gauge::default();
        let budget = Budget::new(10, gauge.clone());
        let first = budget.take(6).expect("fits");
        assert!(budget.take(5).is_none());
        let second = budget.take(4).expect("fits exactly");
        assert_eq!(gauge.get(), 10);
        drop((first, second));
        assert_eq!(gauge.get(), 0);
        assert!(budget.take(11).is_some(), "alone, a larger one passes");
    }
}

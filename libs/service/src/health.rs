//! Readiness as named conditions with reasons.
//!
//! A process is ready when every condition is; until then `/ready` answers 503 with one line per reason, so that an
//! operator reads what it waits for. A condition that is met can carry a remark: something is wrong that requests do not feel yet.
//! Liveness is apart: a process is alive until a part of it says that only a restart
//! helps. A condition starts unmet, so one that is registered and forgotten shows.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;

/// The conditions of a process. Cloning shares them.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Keyed by name and a number that keeps equal names apart.
    conditions: RwLock<BTreeMap<(String, u64), State>>,
    next: AtomicU64,
    dead: RwLock<Option<String>>,
}

/// How a condition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Met,
    /// Met, and there is something to say.
    MetBut(String),
    /// Not met, and why.
    Unmet(String),
}

impl Health {
    /// No conditions: ready at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition, unmet with the reason "starting" until its owner says otherwise.
    pub fn condition(&self, name: &str) -> Condition {
        let key = (name.to_owned(), self.0.next.fetch_add(1, Ordering::Relaxed));
        self.0.conditions.write().insert(key.clone(), State::Unmet("starting".into()));
        Condition { health: self.clone(), key }
    }

    /// Whether every condition is met.
    pub fn is_ready(&self) -> bool {
        self.0.conditions.read().values().all(|state| !matches!(state, State::Unmet(_)))
    }

    /// `name: reason` of every condition that is not met, in the order of names.
    pub fn reasons(&self) -> Vec<String> {
        self.texts(|state| match state {
            State::Unmet(reason) => Some(reason),
            _ => None,
        })
    }

    /// `name: remark` of every condition that is met and has one, in the order of names.
    pub fn remarks(&self) -> Vec<String> {
        self.texts(|state| match state {
            State::MetBut(remark) => Some(remark),
            _ => None,
        })
    }

    fn texts(&self, text: impl Fn(&State) -> Option<&String>) -> Vec<String> {
        let conditions = self.0.conditions.read();
        let said = conditions.iter().filter_map(|((name, _), state)| Some((name, text(state)?)));
        said.map(|(name, text)| format!("{name}: {text}")).collect()
    }

    /// Says that the process can only be helped by a restart.
    pub fn dead(&self, reason: impl Into<String>) {
        *self.0.dead.write() = Some(reason.into());
    }

    /// Why a restart is needed, if it is.
    pub fn death(&self) -> Option<String> {
        self.0.dead.read().clone()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Health").field(&self.reasons()).finish()
    }
}

/// One thing that must hold before the process is ready. When the last clone is dropped the condition stays as it was.
#[derive(Debug, Clone)]
pub struct Condition {
    health: Health,
    key: (String, u64),
}

impl Condition {
    /// The condition does not hold; the text says what is waited for, and how far it got.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(State::Unmet(reason.into()));
    }

    /// The condition holds, but operators should know this: what is wrong, what it leads to, what to look at.
    pub fn remark(&self, remark: impl Into<String>) {
        self.set(State::MetBut(remark.into()));
    }

    /// The condition holds.
    pub fn ready(&self) {
        self.set(State::Met);
    }

    fn set(&self, state: State) {
        self.health.0.conditions.write().insert(self.key.clone(), state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_condition_is_and_reasons_until_then() {
        let health = Health::new();
        assert!(health.is_ready());
        let (wal, ring) = (health.condition("wal"), health.condition("ring"));
        assert_eq!(health.reasons(), ["ring: starting", "wal: starting"]);
        wal.not_ready("replaying segment 3 of 9");
        ring.ready();
        assert_eq!(health.reasons(), ["wal: replaying segment 3 of 9"]);
        assert!(!health.is_ready());
        wal.ready();
        assert!(health.is_ready() && health.reasons().is_empty());
    }

    #[test]
    fn a_remark_leaves_the_process_ready() {
        let health = Health::new();
        let bucket = health.condition("bucket");
        bucket.remark("away for 3 minutes");
        assert!(health.is_ready() && health.reasons().is_empty());
        assert_eq!(health.remarks(), ["bucket: away for 3 minutes"]);
        bucket.ready();
        assert!(health.remarks().is_empty());
    }

    #[test]
    fn equal_names_are_two_conditions() {
        let health = Health::new();
        let (first, _second) = (health.condition("wal"), health.condition("wal"));
        first.ready();
        assert_eq!(health.reasons(), ["wal: starting"]);
    }

    #[test]
    fn death_is_apart_from_readiness() {
        let health = Health::new();
        assert_eq!(health.death(), None);
        health.dead("fsync failed");
        assert_eq!(health.death().as_deref(), Some("fsync failed"));
        assert!(health.is_ready());
    }
}

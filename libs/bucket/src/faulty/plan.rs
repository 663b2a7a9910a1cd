//! Which operation is struck by which fault: rules, matched in order, and what was asked so far.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use narthex_service::Random;
use object_store::{Error, path::Path};
use parking_lot::Mutex;

use super::Gate;
use crate::{
    Operation,
    layout::{self, Key},
};

/// What happens to an operation.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It fails, and nothing was done.
    Before(Failure),
    /// It is done, and the caller is told that it failed: a lost reply.
    After(Failure),
    /// It begins later.
    Delay(Duration),
    /// It is done at once and its reply comes later.
    DelayReply(Duration),
    /// It waits at a gate, then goes on.
    Hold(Gate),
    /// Nothing is done and nobody ever answers; the caller has to give up.
    Lose,
    /// It is done and nobody ever answers.
    LoseReply,
}

/// What the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 503: try again later.
    Unavailable,
    /// No answer within the time limit; the effect is unknown.
    TimedOut,
    /// 409, or 412 to a put-if-absent: the key exists.
    AlreadyExists,
    /// 412: the object is not the expected one.
    Precondition,
    /// 404.
    NotFound,
    /// 403.
    PermissionDenied,
}

#[derive(Debug, thiserror::Error)]
#[error("injected: {0}")]
struct Injected(&'static str);

impl Failure {
    pub(super) fn error(self, key: &Path) -> Error {
        let path = key.to_string();
        let source = |text| Box::new(Injected(text));
        match self {
            Self::Unavailable => {
                Error::Generic { store: "faulty", source: source("503 Service Unavailable") }
            }
            Self::TimedOut => Error::Generic { store: "faulty", source: source("timed out") },
            Self::AlreadyExists => Error::AlreadyExists { path, source: source("409 Conflict") },
            Self::Precondition => Error::Precondition { path, source: source("412 Precondition Failed") },
            Self::NotFound => Error::NotFound { path, source: source("404 Not Found") },
            Self::PermissionDenied => Error::PermissionDenied { path, source: source("403 Forbidden") },
        }
    }
}

/// A set of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// All.
    Any,
    /// This one.
    Exactly(Path),
    /// This one and those below it.
    Under(Path),
    /// Those with this text anywhere.
    Containing(String),
    /// Manifest roots.
    Roots,
    /// Manifest segments.
    Segments,
    /// Data of blocks.
    Blocks,
}

impl Keys {
    /// Whether `key` is one of them.
    pub fn contain(&self, key: &Path) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(one) => key == one,
            Self::Under(prefix) => key.prefix_matches(prefix),
            Self::Containing(text) => key.as_ref().contains(text.as_str()),
            Self::Roots => matches!(layout::parse(key), Some(Key::Root(..))),
            Self::Segments => matches!(layout::parse(key), Some(Key::Segment(..))),
            Self::Blocks => matches!(layout::parse(key), Some(Key::Block(..))),
        }
    }
}

/// A fault and when it strikes: always, unless narrowed.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    operations: Option<Vec<Operation>>,
    keys: Keys,
    skip: u64,
    times: Option<u64>,
    odds: Option<f64>,
}

impl Rule {
    /// Strikes every operation.
    pub fn new(fault: Fault) -> Self {
        Self { fault, operations: None, keys: Keys::Any, skip: 0, times: None, odds: None }
    }

    /// Only these kinds of operations.
    #[must_use]
    pub fn on(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations = Some(operations.into_iter().collect());
        self
    }

    /// Only these keys.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Lets the first `count` operations that fit pass.
    #[must_use]
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Strikes at most `count` times.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Strikes an operation that fits with this probability, from 0 to 1.
    #[must_use]
    pub fn odds(mut self, probability: f64) -> Self {
        self.odds = Some(probability);
        self
    }

    fn fits(&self, operation: Operation, key: &Path) -> bool {
        let named = self.operations.as_ref().is_none_or(|operations| operations.contains(&operation));
        named && self.keys.contain(key)
    }
}

/// Names a rule that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId(usize);

#[derive(Debug)]
struct Active {
    rule: Rule,
    removed: bool,
    fitted: u64,
    struck: u64,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Active>,
    counts: BTreeMap<(Operation, Path), u64>,
}

/// The rules of a [`super::Faulty`] store and the counts of what it was asked. Cloning shares both.
#[derive(Clone)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    random: Random,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("rules", &self.state.lock().rules.len()).finish_non_exhaustive()
    }
}

impl Faults {
    pub(super) fn new(random: Random) -> Self {
        Self { state: Arc::default(), random }
    }

    /// Adds a rule behind those that are there.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut state = self.state.lock();
        state.rules.push(Active { rule, removed: false, fitted: 0, struck: 0 });
        RuleId(state.rules.len() - 1)
    }

    /// Ends a rule. Operations that it holds or lost stay so.
    pub fn remove(&self, id: RuleId) {
        if let Some(active) = self.state.lock().rules.get_mut(id.0) {
            active.removed = true;
        }
    }

    /// Ends all rules.
    pub fn clear(&self) {
        self.state.lock().rules.iter_mut().for_each(|active| active.removed = true);
    }

    /// How often a rule struck.
    pub fn struck(&self, id: RuleId) -> u64 {
        self.state.lock().rules.get(id.0).map_or(0, |active| active.struck)
    }

    /// How many operations of a kind were asked for these keys, those that failed included.
    pub fn count(&self, operation: Operation, keys: &Keys) -> u64 {
        let state = self.state.lock();
        let asked = state.counts.iter().filter(|((kind, key), _)| *kind == operation && keys.contain(key));
        asked.map(|(_, count)| count).sum()
    }

    /// How many operations were asked, by kind.
    pub fn totals(&self) -> BTreeMap<Operation, u64> {
        let mut totals = BTreeMap::new();
        for ((operation, _), count) in &self.state.lock().counts {
            *totals.entry(*operation).or_default() += count;
        }
        totals
    }

    /// Counts from zero again.
    pub fn reset_counts(&self) {
        self.state.lock().counts.clear();
    }

    /// Counts an operation and finds its fault.
    pub(super) fn strike(&self, operation: Operation, key: &Path) -> Option<Fault> {
        let mut state = self.state.lock();
        let State { rules, counts } = &mut *state;
        *counts.entry((operation, key.clone())).or_default() += 1;
        for active in rules.iter_mut().filter(|active| !active.removed && active.rule.fits(operation, key)) {
            active.fitted += 1;
            let rule = &active.rule;
            if active.fitted <= rule.skip || rule.times.is_some_and(|times| active.struck >= times) {
                continue;
            }
            if rule.odds.is_some_and(|odds| self.random.below(1_000_000) as f64 >= odds * 1e6) {
                continue;
            }
            active.struck += 1;
            return Some(rule.fault.clone());
        }
        None
    }
}

//! Which of the service's actions a statement is about: patterns matched once, when the policy is parsed, and kept as bits.

use super::{ACTIONS, Action};

const _: () = assert!(ACTIONS.len() <= u128::BITS as usize, "one bit for each action");

/// A bit for each row of the table of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered(u128);

impl Covered {
    /// Asks for every action of the service.
    pub(crate) fn new(covers: impl Fn(&str) -> bool) -> Self {
        let bits = ACTIONS.iter().enumerate().filter(|(_, info)| covers(info.name));
        Self(bits.fold(0, |bits, (place, _)| bits | 1 << place))
    }

    /// Whether the action is covered; `None` for actions of other services.
    pub(crate) fn has(self, action: &Action<'_>) -> Option<bool> {
        action.known.map(|place| self.0 >> place & 1 == 1)
    }
}

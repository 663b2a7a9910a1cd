//! Keys that seal session tokens (AWS STS's `SessionToken`). The newest seals, and every one that is kept opens.
//!
//! A key seals for a week. It stays for the longest life of a session and an hour of differing clocks after another has taken over, so
//! that no token dies before its time.

use std::fmt;

use narthex_model::TimestampMs;
use serde::{Deserialize, Serialize};

const SEALS_FOR_MS: i64 = 7 * 24 * 60 * 60 * 1000;
const OPENS_FOR_MS: i64 = 13 * 60 * 60 * 1000;

/// A key. The secret never shows in debug output.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionKeyRecord {
    /// Its number, which tokens carry.
    pub id: u32,
    /// 32 bytes, hexadecimal.
    pub secret: String,
    /// When it came.
    pub since: TimestampMs,
}

impl fmt::Debug for SessionKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeyRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether another key should come.
pub fn session_key_is_due(keys: &[SessionKeyRecord], now: TimestampMs) -> bool {
    keys.last().is_none_or(|newest| now.0.saturating_sub(newest.since.0) >= SEALS_FOR_MS)
}

/// Adds a key if it follows the newest, and lets those go that no token needs. Whether anything changed.
pub fn add_session_key(keys: &mut Vec<SessionKeyRecord>, key: SessionKeyRecord) -> bool {
    let at = key.since;
    if !session_key_is_due(keys, at) || key.id != next_session_key(keys) {
        return false;
    }
    // The newest so far has sealed until now; those before it have been without work since it came.
    let before: Vec<_> = keys.windows(2).map(|pair| (pair[0].id, pair[1].since)).collect();
    keys.retain(|key| {
        let idle = before.iter().find(|(id, _)| *id == key.id).map(|(_, since)| *since);
        idle.is_none_or(|since| at.0.saturating_sub(since.0) < OPENS_FOR_MS)
    });
    keys.push(key);
    true
}

/// The number of the key after the newest.
pub fn next_session_key(keys: &[SessionKeyRecord]) -> u32 {
    keys.last().map_or(1, |newest| newest.id + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_outlives_the_tokens_that_it_sealed() {
        let mut keys = Vec::new();
        let key = |id, hours: i64| SessionKeyRecord {
            id,
            secret: "hidden".into(),
            since: TimestampMs(hours * 3_600_000),
        };
        assert!(add_session_key(&mut keys, key(1, 0)));
        assert!(!add_session_key(&mut keys, key(2, 100)), "too early");
        assert!(!add_session_key(&mut keys, key(1, 168)), "proposed by somebody who knew less");
        assert!(add_session_key(&mut keys, key(2, 168)));
        assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [1, 2], "the first still opens");
        assert!(add_session_key(&mut keys, key(3, 340)));
        assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [2, 3]);
        assert!(!format!("{keys:?}").contains("hidden"));
    }
}

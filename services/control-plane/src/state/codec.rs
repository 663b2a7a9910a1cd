//! The stored form of the state: JSON with a version in front. A newer version than this build knows is refused rather
//! than guessed at, because a state that is understood in part would differ between nodes (C-1).
//!
//! While nodes of two releases work together, the state stays in the version that both know: [`State::version`] says which, and rises
//! by [`super::Command::Upgrade`] once every member knows a higher one. Until then nothing of the higher one is proposed
//! ([`super::Command::since`]) or written.
//!
//! Versions: 1 began; 2 has identities and resources; 3 says its version itself.

use serde::{Deserialize, Serialize};

use super::State;

/// Newest version that this build knows.
pub const VERSION: u32 = 3;

/// Version of every state that does not say its own: the newest that could not.
const UNSAID: u32 = 2;

/// Which version of the state is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateVersion(pub u32);

impl Default for StateVersion {
    fn default() -> Self {
        Self(UNSAID)
    }
}

impl StateVersion {
    /// Whether a build that does not know the field would write the same without it.
    pub(super) fn is_unsaid(&self) -> bool {
        self.0 == UNSAID
    }
}

/// Why a stored state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A newer build wrote it.
    #[error("the state has version {0}, this build knows up to {VERSION}: run a newer narthex-control-plane")]
    Newer(u32),
    /// It is damaged.
    #[error("the stored state cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}

#[derive(Deserialize)]
struct Stored {
    state: State,
}

#[derive(Serialize)]
struct Storing<'a> {
    version: u32,
    state: &'a State,
}

/// The bytes of a state; equal states have equal bytes.
pub fn encode(state: &State) -> Vec<u8> {
    serde_json::to_vec(&Storing { version: state.version.0, state })
        .expect("plain data with text keys always serialises")
}

/// Reads [`encode`]'s bytes.
pub fn decode(bytes: &[u8]) -> Result<State, StateError> {
    let Header { version } = serde_json::from_slice(bytes)?;
    if version > VERSION {
        return Err(StateError::Newer(version));
    }
    let Stored { mut state } = serde_json::from_slice(bytes)?;
    if version < 2 {
        state.identities.adopt(&state.credentials);
    }
    Ok(state)
}

//! The stored form of the state: JSON with a version in front. A newer version than this build knows is refused rather
//! than guessed at, because a state that is understood in part would differ between nodes (C-1).

use serde::{Deserialize, Serialize};

use super::State;

/// Version that this build writes.
pub const VERSION: u32 = 2;

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
    serde_json::to_vec(&Storing { version: VERSION, state })
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

//! Answers to client tokens: the one place that makes a repeated call harmless (section 3 of the API, API-C-19).
//!
//! A token is looked at before anything else, so that a repeated call gets its first answer even when what it changed has
//! gone on since (or is gone). Only answers are remembered, not refusals: a call that was refused may be tried again.

use narthex_model::{AccountId, TimestampMs};

use super::{
    ClientToken, Key, Refusal, Response, State, TOKEN_LIFE_MS, TokenRecord,
    apply::{Changes, Outcome},
};

/// A token in the scope of its account and operation.
pub(super) struct Scoped {
    key: String,
    fingerprint: String,
    at: TimestampMs,
}

impl Scoped {
    pub(super) fn new(
        operation: &str,
        account: &AccountId,
        token: Option<ClientToken>,
        at: TimestampMs,
    ) -> Option<Self> {
        let ClientToken { token, fingerprint } = token?;
        Some(Self { key: format!("{account} {operation} {token}"), fingerprint, at })
    }
}

/// Does the work, unless the token was used for it before; then the answer is that of the first time.
pub(super) fn once(
    state: &mut State,
    token: Option<Scoped>,
    changes: &mut Changes,
    work: impl FnOnce(&mut State, &mut Changes) -> Result<Outcome, Refusal>,
) -> Result<Outcome, Refusal> {
    if let Some(answer) = answered(state, token.as_ref())? {
        return Ok(Outcome::Answer(answer));
    }
    let outcome = work(state, changes)?;
    if let Some(Scoped { key, fingerprint, at }) = token {
        changes.note(Key::Internal);
        let answer = match &outcome {
            Outcome::Answer(answer) => answer.clone(),
            _ => Response::Done { revision: changes.revision },
        };
        state.tokens.insert(key, TokenRecord { at, fingerprint, answer });
    }
    Ok(outcome)
}

/// The first answer, if the token was used before.
fn answered(state: &State, token: Option<&Scoped>) -> Result<Option<Response>, Refusal> {
    let Some(token) = token else { return Ok(None) };
    match state.tokens.get(&token.key) {
        Some(known) if token.at.0.saturating_sub(known.at.0) >= TOKEN_LIFE_MS => Ok(None),
        Some(known) if known.fingerprint == token.fingerprint => Ok(Some(known.answer.clone())),
        Some(_) => Err(Refusal::TokenReused),
        None => Ok(None),
    }
}

pub(super) fn expire(state: &mut State, before: TimestampMs, changes: &mut Changes) {
    let count = state.tokens.len();
    state.tokens.retain(|_, token| token.at >= before);
    if state.tokens.len() < count {
        changes.note(Key::Internal);
    }
}

//! Changes of identities and keys, and which principals and keys they concern.

use std::collections::BTreeSet;

use super::{
    Key, Refusal, State,
    apply::{Changes, Outcome},
};
use crate::identity::IdentityChange;

/// All of the changes or none. Watchers hear of a principal if what it may do is another, whichever policy or group did it.
pub(super) fn change(
    state: &mut State,
    wanted: Vec<IdentityChange>,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let (identities, credentials) = (state.identities.clone(), state.credentials.clone());
    state
        .identities
        .change(&mut state.credentials, wanted)
        .map_err(|error| Refusal::Identity(error.to_string()))?;
    let arns = |identities: &crate::identity::Identities| -> BTreeSet<String> {
        identities.principals().map(|(arn, _)| arn).collect()
    };
    for arn in arns(&identities).union(&arns(&state.identities)) {
        if identities.principal(arn) != state.identities.principal(arn) {
            changes.note(Key::Principal(arn.clone()));
        }
    }
    for id in credentials.keys().chain(state.credentials.keys()).collect::<BTreeSet<_>>() {
        if credentials.get(id) != state.credentials.get(id) {
            changes.note(Key::Credential(id.clone()));
        }
    }
    if identities != state.identities {
        // What no watcher sees, such as a provider.
        changes.note(Key::Internal);
    }
    Ok(Outcome::Done)
}

//! Tags of workspaces and of what is in them (tags.md). They may change at any time: they are no part of a content.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Key, Refusal, State, Tagged,
    apply::{Changes, Outcome},
    resources::{Asker, store},
};

pub(super) fn tag(
    state: &mut State,
    asker: &Asker,
    target: Tagged,
    new: BTreeMap<String, String>,
    limit: u32,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    edit(state, asker, target, changes, |tags| {
        tags.extend(new);
        // All or none of a call (TAG-9).
        if tags.len() > limit as usize { Err(Refusal::TooManyTags { limit }) } else { Ok(()) }
    })
}

pub(super) fn untag(
    state: &mut State,
    asker: &Asker,
    target: Tagged,
    keys: &BTreeSet<String>,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    edit(state, asker, target, changes, |tags| {
        tags.retain(|key, _| !keys.contains(key));
        Ok(())
    })
}

fn edit(
    state: &mut State,
    asker: &Asker,
    target: Tagged,
    changes: &mut Changes,
    work: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal>,
) -> Result<Outcome, Refusal> {
    match target {
        Tagged::Workspace(id) => {
            let record = state.workspaces.get_mut(&id).filter(|record| record.account == asker.account);
            let record = record.ok_or(Refusal::UnknownWorkspace)?;
            let mut tags = record.tags.clone();
            work(&mut tags)?;
            if record.tags != tags {
                record.tags = tags;
                changes.note(Key::Workspace(id));
            }
            Ok(Outcome::Done)
        }
        Tagged::Resource(id) => {
            let record = state.resources.get(&id).filter(|record| record.account == asker.account);
            let mut record = (**record.ok_or(Refusal::UnknownResource)?).clone();
            let mut tags = record.tags.clone();
            work(&mut tags)?;
            if record.tags != tags {
                record.tags = tags;
                store(state, id, record, changes);
            }
            Ok(Outcome::Done)
        }
    }
}

//! Life of a partition: PENDING, ACTIVE, INACTIVE, gone (rules 3, 7 and 11).
//!
//! A new disk behind an owner of an ACTIVE partition begins a new epoch. Whether a transition is due is decided by [`crate::reconcile`]; here it is only carried out, and only from the state
//! and revision that the decision was made on.

use std::collections::BTreeMap;

use narthex_model::{Epoch, InstanceId, PartitionId, RingRevision, Zone};
use narthex_ring::PartitionState;

use super::{
    InstanceRecord, Key, OwnerRecord, PartitionRecord, Refusal, Registration, State,
    apply::{Changes, Outcome},
};

/// Makes a registered ingester the owner of its partition in its zone; begins the partition when all zones have one.
pub(super) fn place(state: &mut State, id: PartitionId, instance: &InstanceId, changes: &mut Changes) {
    let Some(record) = state.instances.get(instance) else { return };
    let owner = owner_of(instance, record);
    let zone = record.registration.zone.clone();
    match state.partitions.get_mut(&id) {
        Some(partition) => {
            let before = partition.owners.get(&zone);
            if before == Some(&owner) {
                return;
            }
            let same_disk = before.is_some_and(|before| before.incarnation == owner.incarnation);
            if partition.state == PartitionState::Active && !same_disk {
                // What the lost disk acknowledged must never count together with what others acknowledge after the new
                // disk copied from them: a quorum counts one epoch only (rule 3). Readers know the partition already.
                partition.epoch = Epoch(changes.revision);
            }
            partition.owners.insert(zone, owner);
            changes.note(Key::Ring);
        }
        None if !state.retired.contains(&id) => begin(state, id, changes),
        None => {}
    }
}

/// PENDING, if every zone has an ingester of this ordinal.
fn begin(state: &mut State, id: PartitionId, changes: &mut Changes) {
    let owners = candidates(state, id);
    let zones = state.setup.as_ref().map_or(usize::MAX, |setup| setup.zones.len());
    if owners.len() < zones {
        return;
    }
    let since = changes.ring_revision();
    let partition =
        PartitionRecord { state: PartitionState::Pending, since, epoch: Epoch(0), removal: false, owners };
    state.retired.remove(&id);
    state.partitions.insert(id, partition);
    changes.note(Key::Ring);
}

fn candidates(state: &State, id: PartitionId) -> BTreeMap<Zone, OwnerRecord> {
    let present = state.ingesters(id).filter(|(_, record)| record.leaving_since.is_none());
    present.map(|(instance, record)| (record.registration.zone.clone(), owner_of(instance, record))).collect()
}

fn owner_of(instance: &InstanceId, record: &InstanceRecord) -> OwnerRecord {
    let Registration { address, incarnation, .. } = &record.registration;
    OwnerRecord { instance: instance.clone(), address: address.clone(), incarnation: *incarnation }
}

pub(super) fn activate(
    state: &mut State,
    id: PartitionId,
    since: RingRevision,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let partition = state.partitions.get_mut(&id).ok_or(Refusal::UnknownPartition)?;
    if partition.state == PartitionState::Pending && partition.since == since {
        partition.state = PartitionState::Active;
        partition.since = changes.ring_revision();
        partition.epoch = Epoch(changes.revision);
        changes.note(Key::Ring);
    }
    Ok(Outcome::Done)
}

pub(super) fn drain(state: &mut State, id: PartitionId, changes: &mut Changes) -> Result<Outcome, Refusal> {
    let partition = state.partitions.get_mut(&id).ok_or(Refusal::UnknownPartition)?;
    if partition.state != PartitionState::Inactive {
        partition.state = PartitionState::Inactive;
        partition.since = changes.ring_revision();
        partition.removal = false;
        changes.note(Key::Ring);
    }
    Ok(Outcome::Done)
}

pub(super) fn bring_back(
    state: &mut State,
    id: PartitionId,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    match state.partitions.get_mut(&id) {
        None => begin(state, id, changes),
        Some(partition) if partition.state == PartitionState::Inactive => {
            partition.state = PartitionState::Pending;
            partition.since = changes.ring_revision();
            partition.removal = false;
            changes.note(Key::Ring);
        }
        Some(_) => {}
    }
    if state.partitions.contains_key(&id) { Ok(Outcome::Done) } else { Err(Refusal::UnknownPartition) }
}

pub(super) fn request_removal(
    state: &mut State,
    id: PartitionId,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let partition = state.partitions.get_mut(&id).ok_or(Refusal::UnknownPartition)?;
    if partition.state != PartitionState::Inactive {
        let found = partition.state.as_str().to_owned();
        return Err(Refusal::WrongPartitionState { found, needed: "INACTIVE: drain it first".to_owned() });
    }
    if !partition.removal {
        partition.removal = true;
        changes.note(Key::Internal);
    }
    Ok(Outcome::Done)
}

pub(super) fn remove(
    state: &mut State,
    id: PartitionId,
    since: RingRevision,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let due = state.partitions.get(&id).is_some_and(|partition| {
        partition.state == PartitionState::Inactive && partition.since == since && partition.removal
    });
    if due {
        state.partitions.remove(&id);
        changes.note(Key::Ring);
        if state.ingesters(id).next().is_some() {
            state.retired.insert(id);
        }
    }
    Ok(Outcome::Done)
}

//! Registration, leaving and forgetting of instances.
//!
//! An ingester's registration also places it: it becomes the owner of its ordinal's partition in its zone, and the
//! partition begins as PENDING once every zone has its ingester (rule 7).

use narthex_cluster::Role;
use narthex_model::{Epoch, InstanceId, PartitionId, TimestampMs};

use super::{
    InstanceRecord, Key, Refusal, Registration, State,
    apply::{Changes, Outcome},
    partitions,
};

/// Partitions whose tokens a ring can hold in reasonable memory.
const MAX_ORDINAL: u32 = 9_999;

/// Longest name or address of an instance, in bytes.
const MAX_TEXT: usize = 256;

/// Whether a role reads partitions, so that ring changes wait for it (rule 7).
pub(crate) const fn is_reader(role: Role) -> bool {
    matches!(role, Role::Distributor | Role::Querier | Role::Ruler)
}

pub(super) fn register(
    state: &mut State,
    instance: InstanceId,
    registration: Registration,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    check(state, &instance, &registration)?;
    let known = state.instances.get(&instance);
    let before_first_activation = match known {
        Some(known) if known.registration.incarnation == registration.incarnation => {
            known.before_first_activation
        }
        _ => registration.role == Role::Ingester && never_active(state, PartitionId(registration.ordinal)),
    };
    let role = registration.role;
    let partition = PartitionId(registration.ordinal);
    let record =
        InstanceRecord { registration, before_first_activation, leaving_since: None, must_return: false };
    if known != Some(&record) {
        changes.note(Key::Instance(instance.clone()));
        state.instances.insert(instance.clone(), record);
        if role == Role::Ingester {
            partitions::place(state, partition, &instance, changes);
        }
    }
    Ok(Outcome::Registered(before_first_activation))
}

fn never_active(state: &State, partition: PartitionId) -> bool {
    state.partitions.get(&partition).is_none_or(|partition| partition.epoch == Epoch(0))
}

fn check(state: &State, instance: &InstanceId, registration: &Registration) -> Result<(), Refusal> {
    let setup = state.setup.as_ref().ok_or(Refusal::NotSetUp)?;
    let bad = |text: &str| Err(Refusal::BadRegistration(text.to_owned()));
    if instance.as_str().is_empty()
        || instance.as_str().len() > MAX_TEXT
        || registration.address.len() > MAX_TEXT
    {
        return bad("the name must have 1 to 256 bytes, the address at most 256");
    }
    if registration.role != Role::Ingester {
        return Ok(());
    }
    if registration.incarnation.is_none() || registration.address.is_empty() {
        return bad("an ingester needs an address and an incarnation");
    }
    if registration.ordinal > MAX_ORDINAL {
        return bad("the ordinal of an ingester is at most 9999");
    }
    if !setup.zones.contains(&registration.zone) {
        return Err(Refusal::UnknownZone { zone: registration.zone.clone(), zones: setup.zones.clone() });
    }
    if let Some(known) = state.instances.get(instance) {
        let known = &known.registration;
        if (known.role, known.ordinal, &known.zone)
            != (registration.role, registration.ordinal, &registration.zone)
        {
            return Err(Refusal::IdentityChanged);
        }
    }
    let holder = state.ingesters(PartitionId(registration.ordinal)).find(|(id, record)| {
        *id != instance && record.registration.zone == registration.zone && record.leaving_since.is_none()
    });
    match holder {
        Some((holder, _)) => Err(Refusal::SlotTaken { holder: holder.clone() }),
        None => Ok(()),
    }
}

pub(super) fn leave(
    state: &mut State,
    instance: InstanceId,
    at: TimestampMs,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let record = state.instances.get_mut(&instance).ok_or(Refusal::UnknownInstance)?;
    if record.leaving_since.is_none() {
        record.leaving_since = Some(at);
        changes.note(Key::Instance(instance));
    }
    Ok(Outcome::Done)
}

pub(super) fn forget(
    state: &mut State,
    instance: &InstanceId,
    leaving_since: Option<TimestampMs>,
    changes: &mut Changes,
) -> Result<Outcome, Refusal> {
    let record = state.instances.get(instance).ok_or(Refusal::UnknownInstance)?;
    if leaving_since.is_some() && record.leaving_since != leaving_since {
        return Ok(Outcome::Done);
    }
    let was_ingester = record.registration.role == Role::Ingester;
    let partition = PartitionId(record.registration.ordinal);
    state.instances.remove(instance);
    changes.note(Key::Instance(instance.clone()));
    if was_ingester && state.ingesters(partition).next().is_none() {
        // The next ingesters of this ordinal are a new partition, not the removed one.
        state.retired.remove(&partition);
    }
    Ok(Outcome::Done)
}

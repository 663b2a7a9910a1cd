//! A state that comes from a backup, in parts.
//!
//! The parts are kept until all are there; then the state is the backup's, adapted to the world that went on without it:
//! - Revisions go on far above the backup's, so that no service that saw later ones believes the restored state to be older (C-2) and no
//!   epoch comes twice.
//! - An ACTIVE partition begins a new epoch: what was cut in the backup's epoch after it was written is not known here, and a window that is
//!   committed in an epoch takes no more samples of that epoch (rules 3 and 4).
//! - Transitions wait for readers anew: what a reader acknowledged was another history (rule 7).
//! - Instances have to register again, with the addresses and disks that they have now. Until they do, transitions wait for them.

use std::fmt;

use narthex_model::{Epoch, RingRevision};
use narthex_ring::PartitionState;
use serde::{Deserialize, Serialize};

use super::{
    Key, Refusal, State,
    apply::{Changes, Outcome},
    base64_text,
};
use crate::backup::unpack;

/// More revisions than a control plane makes between a backup and its loss, so few that thousands of restores fit into a JSON number.
const REVISIONS_AHEAD: u64 = 1 << 32;

/// Bytes of a backup. In JSON they are base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed(#[serde(with = "base64_text")] Vec<u8>);

impl Packed {
    /// These bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} bytes)", self.0.len())
    }
}

/// A restore that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restoring {
    /// Name of the backup.
    pub backup: String,
    /// Its first parts.
    pub parts: Vec<Packed>,
}

impl Restoring {
    /// Name of the backup, and how many of its parts are there.
    pub(crate) fn progress(&self) -> (String, usize) {
        (self.backup.clone(), self.parts.len())
    }
}

/// One part of a backup.
pub(super) struct Part {
    pub(super) backup: String,
    pub(super) part: u32,
    pub(super) parts: u32,
    pub(super) data: Packed,
}

/// Takes the next part. One that is there already changes nothing; another backup begins anew.
pub(super) fn part(state: &mut State, part: Part, changes: &mut Changes) -> Result<Outcome, Refusal> {
    let Part { backup, part, parts, data } = part;
    if state.setup.is_some() {
        return Ok(Outcome::Done);
    }
    let begun = state.restoring.take().filter(|begun| begun.backup == backup);
    let mut restoring = begun.unwrap_or(Restoring { backup, parts: Vec::new() });
    let (there, next) = (restoring.parts.len(), part as usize);
    if next == there {
        restoring.parts.push(data);
    }
    if restoring.parts.len() < parts as usize {
        state.restoring = Some(restoring);
        changes.note(Key::Internal);
        return Ok(Outcome::Done);
    }
    let packed: Vec<u8> = restoring.parts.into_iter().flat_map(|Packed(bytes)| bytes).collect();
    match unpack(&packed) {
        Ok(backup) => adopt(state, backup, changes),
        // Another build wrote it, or it was damaged on its way: the leader begins anew.
        Err(error) => {
            tracing::error!(backup = restoring.backup, %error, "the parts of a backup make no state");
            changes.note(Key::Internal);
        }
    }
    Ok(Outcome::Done)
}

fn adopt(state: &mut State, backup: State, changes: &mut Changes) {
    changes.revision = changes.revision.max(backup.revision + REVISIONS_AHEAD);
    let version = state.version.max(backup.version);
    // The nodes are those of now.
    let joined = std::mem::take(&mut state.joined);
    *state = State { version, joined, restoring: None, ..backup };
    let since = RingRevision(changes.revision);
    for partition in state.partitions.values_mut() {
        if partition.state == PartitionState::Active {
            partition.epoch = Epoch(changes.revision);
        } else {
            partition.since = since;
        }
    }
    state.instances.values_mut().for_each(|record| record.must_return = true);
    changes.note(Key::Ring);
    changes.note(Key::Everything);
}

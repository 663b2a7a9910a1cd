//! What the owner can do at the moment, and in which words it says so.
//!
//! Reads are answered in one phase only; everywhere else they get UNAVAILABLE with the reason, never an empty answer
//! (rule 2). Writes are taken while recovering as well.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::recovery::Doubt;

/// Stages of an owner's life, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The data directory is being opened; the text tells how far it is.
    Replaying(String),
    /// Storage is open; the control plane has not answered yet.
    Joining,
    /// Takes writes, answers no reads: the disk is incomplete and is being filled from the other owners.
    Recovering(Doubt),
    /// Takes writes and answers reads.
    Serving,
    /// The disk failed; nothing is acknowledged any more and the process ends.
    Broken(String),
    /// Shutting down.
    Stopping,
}

impl Phase {
    /// The phase in a sentence.
    pub fn describe(&self) -> String {
        match self {
            Self::Replaying(progress) => format!("replaying: {progress}"),
            Self::Joining => "waiting for the control plane to register this owner".to_owned(),
            Self::Recovering(doubt) => {
                format!("RECOVERING ({}): copying from the other owners of the partition", doubt.as_str())
            }
            Self::Serving => "serving".to_owned(),
            Self::Broken(reason) => format!("not writing any more: {reason}"),
            Self::Stopping => "shutting down".to_owned(),
        }
    }
}

/// The phase as all parts of the owner see it. Cloning shares it.
#[derive(Debug, Clone)]
pub struct SharedPhase(Arc<RwLock<Phase>>);

impl Default for SharedPhase {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Phase::Replaying("opening the data directory".to_owned()))))
    }
}

impl SharedPhase {
    /// The phase now.
    pub fn get(&self) -> Phase {
        self.0.read().clone()
    }

    /// Moves on. A broken or stopping owner stays what it is: neither takes part again.
    pub fn set(&self, next: Phase) {
        let mut phase = self.0.write();
        let last =
            matches!(*phase, Phase::Broken(_)) || (*phase == Phase::Stopping && next != Phase::Stopping);
        if !last || matches!(next, Phase::Broken(_)) {
            *phase = next;
        }
    }

    /// Fails with the reason while writes are refused.
    pub fn check_writes(&self) -> Result<(), String> {
        match &*self.0.read() {
            Phase::Recovering(_) | Phase::Serving => Ok(()),
            other => Err(other.describe()),
        }
    }

    /// Fails with the reason while reads are refused.
    pub fn check_reads(&self) -> Result<(), String> {
        match &*self.0.read() {
            Phase::Serving => Ok(()),
            other => Err(other.describe()),
        }
    }
}

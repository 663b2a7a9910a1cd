//! Edits: what shall change, as conditions on the manifest that it is applied to (rule 9).
//!
//! An edit says which blocks must be present, which cuts must be absent, and what it adds and removes. It never says "replace
//! the manifest": whatever others committed meanwhile stays, and an edit whose conditions fail is refused (B-4).

use std::collections::BTreeSet;

use narthex_model::{BlockId, Cut, Window, WindowLength};

use crate::{BucketTime, Entry, Manifest, Object};

/// A change to a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Adds the block of one or more cuts; none of the cuts may be committed (F-1).
    Commit(Entry),
    /// Replaces blocks by others that hold the same samples; all inputs must be present. Every output takes over the cuts of all
    /// inputs (rule 4), and a level above theirs: what `outputs` says of both is not looked at.
    Compact {
        /// Blocks that leave.
        inputs: BTreeSet<BlockId>,
        /// Blocks that come instead.
        outputs: Vec<Entry>,
    },
    /// Takes blocks out without replacement, because an operator gave them up; all must be present. Their cuts stay committed.
    Remove(BTreeSet<BlockId>),
    /// Ends the retention of windows before this one: blocks that lie wholly before it leave, and their cuts count as committed.
    RaiseFloor(Window),
    /// Makes ready for the collection of objects: what was put at `before` or earlier and is not named can never be named any
    /// more, and what is `gone` from the bucket needs no removal note.
    Collect {
        /// The newest date that is given up.
        before: BucketTime,
        /// Removed objects that were seen to be gone.
        gone: BTreeSet<Object>,
    },
    /// Deletes the workspace: a final tombstone, after which no edit applies.
    Delete,
}

impl Edit {
    /// Blocks that are added: they must have been put, and be young enough, before the edit is tried (rule 10).
    pub fn added(&self) -> &[Entry] {
        match self {
            Self::Commit(entry) => std::slice::from_ref(entry),
            Self::Compact { outputs, .. } => outputs,
            _ => &[],
        }
    }

    /// Blocks that must be present.
    pub(crate) fn inputs(&self) -> Option<&BTreeSet<BlockId>> {
        match self {
            Self::Compact { inputs, .. } | Self::Remove(inputs) => Some(inputs),
            _ => None,
        }
    }

    /// Whether a manifest holds what this edit, and no other like it, would bring about: it was applied already. Nothing else
    /// tells so after a lost reply.
    pub fn holds(&self, manifest: &Manifest) -> bool {
        let known = |id: BlockId| manifest.names(id) || manifest.has_removed(Object::Block(id));
        let removed = |id: &BlockId| manifest.has_removed(Object::Block(*id));
        match self {
            Self::Delete => manifest.is_deleted(),
            _ if manifest.is_deleted() => false,
            Self::Commit(entry) => known(entry.id),
            Self::Compact { inputs, outputs } if outputs.is_empty() => inputs.iter().all(removed),
            Self::Compact { outputs, .. } => outputs.iter().all(|entry| known(entry.id)),
            Self::Remove(blocks) => blocks.iter().all(removed),
            Self::RaiseFloor(floor) => manifest.floor().is_some_and(|own| own >= *floor),
            Self::Collect { before, gone } => {
                manifest.collected_before() >= *before
                    && manifest.removals().iter().all(|removal| !gone.contains(&removal.object))
            }
        }
    }

    /// Whether the edit may be applied to a manifest by a writer whose windows have this length (rule 9). That the added blocks
    /// are young enough is looked at when it is applied.
    pub fn check(&self, manifest: &Manifest, window_length: WindowLength) -> Result<(), Refused> {
        if manifest.is_deleted() {
            return Err(Refused::Deleted);
        }
        if manifest.window_length() != window_length {
            return Err(Refused::WindowLength { manifest: manifest.window_length(), writer: window_length });
        }
        for (at, entry) in self.added().iter().enumerate() {
            let known = manifest.names(entry.id) || manifest.has_removed(Object::Block(entry.id));
            if known || self.added()[..at].iter().any(|other| other.id == entry.id) {
                return Err(Refused::BlockKnown(entry.id));
            }
        }
        if let Some(inputs) = self.inputs() {
            if inputs.is_empty() {
                return Err(Refused::Nothing);
            }
            if let Some(id) = inputs.iter().find(|id| !manifest.names(**id)) {
                return Err(Refused::BlockMissing(*id));
            }
        }
        if let Self::Commit(entry) = self {
            let below = |cut: &Cut| manifest.is_committed(cut);
            match (entry.cuts.earliest(), manifest.committed().first_common(&entry.cuts)) {
                (None, _) => return Err(Refused::Nothing),
                (_, Some(cut)) => return Err(Refused::CutCommitted(cut)),
                (Some(cut), None) if below(&cut) => return Err(Refused::CutCommitted(cut)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Why an edit does not apply to a manifest. Final if the manifest is proven newest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The cut is committed already, or its window has passed out of retention.
    #[error("{0} is committed already")]
    CutCommitted(Cut),
    /// The workspace was deleted.
    #[error("the workspace was deleted")]
    Deleted,
    /// A block that the edit takes for granted is not there (any more).
    #[error("block {0} is not in the manifest")]
    BlockMissing(BlockId),
    /// A block that the edit adds is, or was, in the manifest.
    #[error("block {0} is in the manifest already, or was")]
    BlockKnown(BlockId),
    /// The writer numbers windows another way.
    #[error(
        "the workspace was written with windows of {} ms and this process is configured for {} ms: the window length of a deployment never changes",
        manifest.as_millis(), writer.as_millis()
    )]
    WindowLength {
        /// What the manifest counts by.
        manifest: WindowLength,
        /// What the writer counts by.
        writer: WindowLength,
    },
    /// An added object is so old that it may have been collected: it must be written again (rule 10).
    #[error("an object of this edit was put {put:?}; objects until {before:?} may have been collected")]
    Collected {
        /// When the oldest of them was put.
        put: BucketTime,
        /// What was given up.
        before: BucketTime,
    },
    /// The edit names no cut and no block.
    #[error("the edit changes nothing")]
    Nothing,
    /// The manifest would grow beyond what readers accept.
    #[error("the manifest would take {bytes} bytes; readers accept {limit}")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// What is accepted.
        limit: usize,
    },
}

impl Refused {
    /// Whether owners of the cut may forget it, once this was found on a manifest that is proven newest.
    pub const fn releases_cut(&self) -> bool {
        matches!(self, Self::CutCommitted(_) | Self::Deleted)
    }
}

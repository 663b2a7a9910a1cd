//! What one read still needs from blocks, as a state machine: rule 6 of the design.
//!
//! Pure: manifests, owners' answers and blocks' answers go in, the next [`BlockStep`] comes out. Blocks of the manifest that
//! is known are asked for while owners still answer; once they did, the manifest must be as new as each of them, and
//! only blocks that were not read yet are asked for. A block that a newer manifest replaced and that was read all the same
//! does no harm: its samples are in its successor, and equal samples merge.
//!
//! a failure counts only if the newest manifest of the read still names the block, but then it is final. A block that
//! is missing or damaged makes the newest manifest be listed, once.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use narthex_manifest::{Entry, Manifest};
use narthex_model::{BlockId, ManifestRevision, RingRevision};

use super::{BlockFilter, catalogue::Proven};

/// Why a block could not be read, in words for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockFailure {
    /// It is not in the bucket.
    Missing(String),
    /// Its bytes are damaged.
    Damaged(String),
    /// No gateway could serve it.
    Unreachable(String),
}

/// What the shell does next.
#[derive(Debug, Clone)]
pub enum BlockStep {
    /// Ask gateways for these blocks; call again.
    Ask(Vec<Arc<Entry>>),
    /// Get the newest manifest by a LIST; call again.
    List,
    /// Get a manifest as new as this revision and as the departures of partitions; call again.
    Follow(ManifestRevision),
    /// Wait for what is under way.
    Wait,
    /// All blocks are read.
    Complete,
    /// The read fails: part of the data cannot be read.
    Failed(String),
}

/// The blocks of one read.
#[derive(Debug)]
pub struct BlockPlan {
    filter: BlockFilter,
    manifest: Option<Proven>,
    needed: BTreeMap<BlockId, Arc<Entry>>,
    /// Under way or read; what failed is neither.
    asked: HashSet<BlockId>,
    read: HashSet<BlockId>,
    failed: BTreeMap<BlockId, BlockFailure>,
    /// What the owners' answers demand of the manifest.
    demand: Option<(ManifestRevision, RingRevision)>,
    following: bool,
    listing: Listing,
    pruned: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    NotYet,
    UnderWay,
    Done,
}

impl BlockPlan {
    /// A read before anything is known, which begins by finding a manifest: answer [`Self::found`].
    pub fn new(filter: BlockFilter) -> Self {
        Self {
            filter,
            manifest: None,
            needed: BTreeMap::new(),
            asked: HashSet::new(),
            read: HashSet::new(),
            failed: BTreeMap::new(),
            demand: None,
            following: true,
            listing: Listing::NotYet,
            pruned: 0,
        }
    }

    /// Blocks in the read's time that the newest manifest's statistics ruled out.
    pub const fn pruned(&self) -> u64 {
        self.pruned
    }

    /// A manifest was found: at the beginning, or as [`BlockStep::Follow`] wanted.
    pub fn found(&mut self, found: Proven) {
        self.following = false;
        self.take(found);
    }

    /// The newest manifest was listed.
    pub fn listed(&mut self, found: Proven) {
        self.listing = Listing::Done;
        // What failed and is still named failed for good; what was not named any more is forgotten.
        self.take(found);
    }

    /// All owners answered: the newest manifest that one of them acted on, and the ring since which no partition left.
    pub fn heads(&mut self, revision: ManifestRevision, departed: RingRevision) {
        self.demand = Some((revision, departed));
    }

    /// Blocks were read.
    pub fn read(&mut self, blocks: impl IntoIterator<Item = BlockId>) {
        self.read.extend(blocks);
    }

    /// Of blocks that were asked for together nothing came, because of these.
    pub fn failed(&mut self, asked: &[BlockId], because_of: &[BlockId], failure: &BlockFailure) {
        self.asked.retain(|id| !asked.contains(id));
        self.failed.extend(because_of.iter().map(|id| (*id, failure.clone())));
    }

    /// The next step.
    pub fn step(&mut self) -> BlockStep {
        if let Some(step) = self.trouble() {
            return step;
        }
        let unasked =
            |(id, entry): (&BlockId, &Arc<Entry>)| (!self.asked.contains(id)).then(|| Arc::clone(entry));
        let blocks: Vec<_> = self.needed.iter().filter_map(unasked).collect();
        if !blocks.is_empty() {
            self.asked.extend(blocks.iter().map(|entry| entry.id));
            return BlockStep::Ask(blocks);
        }
        let Some((revision, departed)) = self.demand else { return BlockStep::Wait };
        let meets = |known: &Proven| known.manifest.revision() >= revision && known.ring >= departed;
        if !self.manifest.as_ref().is_some_and(meets) {
            return if std::mem::replace(&mut self.following, true) {
                BlockStep::Wait
            } else {
                BlockStep::Follow(revision)
            };
        }
        if self.needed.keys().all(|id| self.read.contains(id)) {
            BlockStep::Complete
        } else {
            BlockStep::Wait
        }
    }

    /// What to do about blocks that failed, if there are any.
    fn trouble(&mut self) -> Option<BlockStep> {
        let (id, failure) = self.failed.first_key_value()?;
        if let Some(BlockFailure::Unreachable(text)) =
            self.failed.values().find(|failure| matches!(failure, BlockFailure::Unreachable(_)))
        {
            return Some(BlockStep::Failed(text.clone()));
        }
        match self.listing {
            Listing::NotYet => {
                self.listing = Listing::UnderWay;
                Some(BlockStep::List)
            }
            Listing::UnderWay => Some(BlockStep::Wait),
            Listing::Done => Some(BlockStep::Failed(self.describe(*id, failure))),
        }
    }

    /// The error of a block that cannot be read and that the newest manifest names.
    fn describe(&self, id: BlockId, failure: &BlockFailure) -> String {
        let revision = self.manifest.as_ref().map_or(ManifestRevision(0), |known| known.manifest.revision());
        match failure {
            BlockFailure::Missing(text) => format!(
                "block {id} is missing: revision {revision} of the manifest names it and the bucket does not have it ({text}); restore \
                 the object from a copy of the bucket, or take the block out of the manifest (admin remove-block) to give its samples up"
            ),
            BlockFailure::Damaged(text) => format!(
                "block {id} is damaged ({text}); restore the object from a copy of the bucket, or take the block out of the manifest \
                 (admin remove-block) to give its samples up"
            ),
            BlockFailure::Unreachable(text) => text.clone(),
        }
    }

    /// Plans on a manifest, unless a newer one was planned on.
    fn take(&mut self, found: Proven) {
        let Proven { manifest, ring } = found;
        let ring = self.manifest.as_ref().map_or(ring, |known| known.ring.max(ring));
        match &self.manifest {
            Some(known) if known.manifest.revision() > manifest.revision() => {
                let manifest = Arc::clone(&known.manifest);
                self.manifest = Some(Proven { manifest, ring });
            }
            _ => {
                self.plan(&manifest);
                self.manifest = Some(Proven { manifest, ring });
            }
        }
    }

    fn plan(&mut self, manifest: &Manifest) {
        let (mut in_time, mut needed) = (0, BTreeMap::new());
        for entry in manifest.entries().filter(|entry| self.filter.is_in_time(entry)) {
            in_time += 1;
            if self.filter.needs(entry) {
                needed.insert(entry.id, Arc::clone(entry));
            }
        }
        self.pruned = in_time - needed.len() as u64;
        self.needed = needed;
        self.failed.retain(|id, _| self.needed.contains_key(id));
    }
}

/// Blocks that a text names; all of them if it names none. Gateways name what they cannot read.
pub(crate) fn named_in(text: &str, blocks: &[BlockId]) -> Vec<BlockId> {
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let named: Vec<_> = blocks.iter().copied().filter(|id| words.contains(id.to_string().as_str())).collect();
    if named.is_empty() { blocks.to_vec() } else { named }
}

//! Whether an owner is complete: the pure core of rule 2.
//!
//! Two steps: [`assess`] judges the disk and what is known of its place before it registers, [`standing`] adds what the
//! registration answered. The proof that the outcome is safe (F-5) is in the parent module's documentation; the
//! property tests state it as a table that no combination of facts escapes.

use narthex_model::{BootId, Incarnation};
use narthex_ring::Replication;

use super::{
    adopt::Adopted,
    record::{Record, RecordStanding},
};

/// Why an owner cannot vouch for its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The disk has no record: it is new, or the record was removed.
    NewDisk,
    /// There is a record of a used disk, but its samples are gone.
    LostFiles,
    /// Part of the WAL did not pass its checks and was set aside.
    Quarantined,
    /// The machine restarted, or a sync failed, while writes were not synced before their acknowledgement.
    UnsyncedWrites,
    /// Another disk took this owner's place meanwhile and may have acknowledged what this one never saw.
    Superseded,
}

impl Doubt {
    /// The words in logs, readiness and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewDisk => "new disk",
            Self::LostFiles => "lost files",
            Self::Quarantined => "quarantined wal",
            Self::UnsyncedWrites => "writes that were not synced",
            Self::Superseded => "another disk was in its place",
        }
    }
}

/// What was found at start-up.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The record that the disk carried, if any.
    pub record: Option<&'a Record>,
    /// Storage found nothing to open and started empty.
    pub empty: bool,
    /// Storage holds WAL segments that it had to set aside, and the record does not know of all of them.
    pub quarantined: bool,
    /// Id of the running kernel; 0 when it cannot be read.
    pub boot: BootId,
    /// Incarnation that the control plane has for this owner's place (zone and ordinal), by a snapshot proven current;
    /// `None` if it has none.
    pub registered: Option<Incarnation>,
}

/// What the disk and its place tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assessment {
    /// All that was acknowledged by this incarnation is here; the incarnation stays.
    Intact,
    /// The incarnation was incomplete before and still is, but has all that it acknowledged itself; it stays, the copy begins
    /// again.
    Resumed(Doubt),
    /// Acknowledged samples may be missing from now on: a new incarnation begins.
    Doubtful(Doubt),
}

/// Judges the disk.
pub fn assess(found: &Found<'_>) -> Assessment {
    let Some(record) = found.record else { return Assessment::Doubtful(Doubt::NewDisk) };
    if found.quarantined {
        return Assessment::Doubtful(Doubt::Quarantined);
    }
    let same_boot = record.boot == found.boot && found.boot != BootId(0);
    if record.unsynced && !record.clean && !same_boot {
        return Assessment::Doubtful(Doubt::UnsyncedWrites);
    }
    // Also while recovering: the lost files may hold what this incarnation has acknowledged since it began.
    if found.empty {
        return Assessment::Doubtful(Doubt::LostFiles);
    }
    // A disk that was put aside and comes back is intact, but its owner went on without it.
    if found.registered != Some(record.incarnation) {
        return Assessment::Doubtful(Doubt::Superseded);
    }
    match record.standing {
        RecordStanding::Recovering(doubt) => Assessment::Resumed(doubt),
        RecordStanding::Complete => Assessment::Intact,
    }
}

/// The record to write before storage takes anything: a doubtful disk begins a new incarnation, RECOVERING; any other goes
/// on as what it was. `unsynced`: this run acknowledges before it syncs. `quarantined`: segments set aside so far.
pub fn begin(
    found: &Found<'_>,
    fresh: Incarnation,
    unsynced: bool,
    quarantined: u64,
) -> (Record, Assessment) {
    let assessment = assess(found);
    let before = found.record.map(|record| (record.incarnation, record.standing));
    let (incarnation, standing) = match assessment {
        Assessment::Doubtful(doubt) => (fresh, RecordStanding::Recovering(doubt)),
        // A disk without a record is always doubtful.
        Assessment::Intact | Assessment::Resumed(_) => before.expect("only a record is intact or resumed"),
    };
    let adopted = found.record.map_or_else(Adopted::default, |record| record.adopted);
    let record =
        Record { incarnation, standing, boot: found.boot, unsynced, clean: false, quarantined, adopted };
    (record, assessment)
}

/// Whether an owner counts in read and seal quorums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Complete,
    /// It counts for writes only, until it copied from both other owners.
    Recovering(Doubt),
}

/// Adds what registration told to what the disk told.
///
/// `before_first_activation`: this incarnation was first registered when its partition had never been ACTIVE, so no sample
/// can have been acknowledged that it was not asked to keep. `accept_loss`: the operator gave up what cannot be copied.
pub fn standing(
    assessment: Assessment,
    replication: Replication,
    before_first_activation: bool,
    accept_loss: bool,
) -> Standing {
    match assessment {
        Assessment::Intact => Standing::Complete,
        Assessment::Resumed(_) | Assessment::Doubtful(_)
            if replication == Replication::One || before_first_activation || accept_loss =>
        {
            Standing::Complete
        }
        Assessment::Resumed(doubt) | Assessment::Doubtful(doubt) => Standing::Recovering(doubt),
    }
}

//! Deliberate breaks of a rule. A simulation that cannot see them proves nothing, so each has a test that finds a failing
//! seed.
//!
//! | rule of the design | broken by |
//! |---|---|
//! | 1, seal | `DoNotSeal`, `SealUnsynced`, `FlushAlone`, `ReplyBeforeWal` |
//! | 2, incomplete owners | `CountRecovering`, `SealRecovering`, `KeepSeals`, `CopyFromOne`, `TrustEveryDisk`, `TrustOldDisk`, `CopyWithoutActing` |
//! | 3, epochs | `DropEpoch`, `IgnoreEpochs`, `KeepEpoch`, `NoBarrier`, `SealAnyEpoch`, `ForgetWithoutPass` |
//! | 4, cut history | `ForgetCutHistory` |
//! | 5, what a commit is | `TrustPutReply` |
//! | 6, heads and blocks meet | `IgnoreActedRevision`, `CopyWithoutActing`, `IgnoreDepartures` |
//! | 7, ring changes | `ActivateUnacknowledged` |
//! | 8, lost replies | `TrustExists`, `DeleteOnUnknown` |
//! | 9, edits are conditions | `OverwriteRoot` |
//! | 10, garbage | `SkipHead`, `LocalClock`, `NeverGiveUp` |
//! | 11, leaving | `LeaveWithCuts`, `LeaveOnOneReport`, `IgnoreDepartures` |

/// What a cut is named by where its history is forgotten: the epoch and this.
pub(crate) const ALIAS: u64 = 1 << 40;

/// Which rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// None: the system as it is.
    None,
    /// A RECOVERING owner answers reads with what it has (breaks F-5).
    CountRecovering,
    /// An owner completes after copying from one other owner only.
    CopyFromOne,
    /// Every owner is complete at once, also with a new disk.
    TrustEveryDisk,
    /// A disk that was taken out and comes back counts as if its owner had not gone on without it.
    TrustOldDisk,
    /// Owners store pushes of any epoch and quorums mix epochs (breaks rule 3).
    IgnoreEpochs,
    /// A new incarnation does not begin a new epoch.
    KeepEpoch,
    /// An owner acts on a new epoch while pushes of the old one are still on their way to its WAL.
    NoBarrier,
    /// A partition becomes ACTIVE before readers acknowledged it (breaks rule 7, P-1).
    ActivateUnacknowledged,
    /// A write is acknowledged when one owner has it (breaks W-1).
    WriteQuorumOfOne,
    /// A read is answered when one owner answered (breaks R-2).
    ReadQuorumOfOne,
    /// An owner replies before the sample is in its WAL.
    ReplyBeforeWal,
    /// Digests are given without keeping pushes out of the window (breaks rule 1).
    DoNotSeal,
    /// A seal is answered before it is synced (breaks rule 1).
    SealUnsynced,
    /// A block is written from what one owner sealed (breaks rule 1).
    FlushAlone,
    /// A RECOVERING owner seals and gives digests (breaks rule 2).
    SealRecovering,
    /// What a doubtful disk had sealed stands after it copied (breaks rule 2).
    KeepSeals,
    /// Whoever copies from other owners does not take over by which manifest they forgot (breaks rules 2 and 6).
    CopyWithoutActing,
    /// Cuts are named without their epoch (breaks rule 3).
    DropEpoch,
    /// An owner seals for any epoch, whichever it acts on (breaks rule 3).
    SealAnyEpoch,
    /// An owner takes up a new epoch while it forgets a cut (breaks rule 3).
    ForgetWithoutPass,
    /// A cut counts as committed only while the block that it came with is there (breaks rule 4).
    ForgetCutHistory,
    /// A root that was written counts as committed without a LIST (breaks rule 5).
    TrustPutReply,
    /// Blocks are planned on any manifest, whatever owners forgot (breaks rule 6).
    IgnoreActedRevision,
    /// "Already exists" counts as the own root (breaks rule 8).
    TrustExists,
    /// Whoever does not know whether a commit went through deletes the block and begins anew (breaks rule 8).
    DeleteOnUnknown,
    /// A root is written over the one that came in between, and its edit never evaluated on that (breaks rule 9).
    OverwriteRoot,
    /// Blocks are named without a look at them (breaks rule 10).
    SkipHead,
    /// Orphans are deleted by the local clock (breaks rule 10).
    LocalClock,
    /// Orphans are deleted although a commit that began in time may still name them (breaks rule 10).
    NeverGiveUp,
    /// A partition leaves while its owners hold cuts (breaks rule 11).
    LeaveWithCuts,
    /// A partition leaves when one owner holds no cut (breaks rule 11).
    LeaveOnOneReport,
    /// The departure of a partition is no reason to look for a newer manifest (breaks rules 6 and 11).
    IgnoreDepartures,
}

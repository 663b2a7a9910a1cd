//! Deliberate breaks of a rule. A simulation that cannot see them proves nothing, so each has a test that finds a failing
//! seed.

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
}

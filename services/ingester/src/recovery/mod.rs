//! Recovery: how an owner that may lack acknowledged samples becomes complete again (rule 2, invariant F-5).
//!
//! # What has to hold
//! A sample is acknowledged when two of the three owners of its partition have it in the WAL, in one epoch. A read asks two
//! owners. Reads therefore see every acknowledged sample as long as **at most one owner that answers reads lacks any
//! given acknowledged sample**. An owner that answers reads is called complete; all others are RECOVERING and answer
//! UNAVAILABLE (F-5). The statement is kept by every step:
//!
//! * *Acknowledging* a sample puts it on two owners; at most the third lacks it.
//! * *Losing a disk* (or doubting it: quarantined WAL, unsynced writes and another kernel boot, another disk that was in its
//!   place meanwhile) takes the owner out of the complete ones before it answers anything. The doubt is decided before
//!   the owner registers and serves, and written down first.
//! * *Completing*: the owner copied all workspaces from both other owners, each complete when it was asked. At most one of
//!   the two lacks a given sample, so the union has it, and so has the new copy. Hence both sources are needed, and a
//!   RECOVERING owner is never a source.
//!
//! # The acknowledgement of a disk that is gone
//! One hole is left: the old disk stored a sample and said so, the disk was lost, the new disk copied from its peers, and only
//! then a peer stores the same sample: two acknowledgements, one copy. Three things close it. Doubt always begins a *new
//! incarnation*. Registering a new incarnation of an owner of an ACTIVE partition begins a *new epoch* in the control
//! plane, and a quorum counts replies of one epoch only. And a peer that is asked with a ring revision of the new epoch
//! first *adopts* it (`service::gate`): it waits for pushes of the old epoch to end and refuses them from then on, across
//! restarts. So whatever is acknowledged with the old disk's help was on a peer before that peer was copied.
//!
//! # Cuts that the lost disk had sealed
//! A new disk has sealed nothing. A disk that is doubted may carry seals of cuts whose samples it lost in part. What is copied is
//! stored above their boundaries, also in windows that are closed to pushes: it was acknowledged before, so no seal of another
//! owner can miss it for good. The seals themselves are *void* from the moment that copying begins. Where the partition is
//! ACTIVE that changes nothing, because the new incarnation began a new epoch: its cuts are sealed anew and hold all that is
//! held. Where it is not, the epoch goes on, and a seal that stood would let this owner count in a quorum (F-2) with the content
//! from before the copy; void, it is made again and covers the copy. The windows stay closed throughout (F-4), and
//! what earlier epochs sealed is in no danger: nothing is forgotten for a seal that is void unless the commit is of the
//! adopted epoch or a later one, and then the block has it.
//!
//! # First start
//! Three owners that all start empty must not wait for each other. The control plane tells with the registration whether the
//! incarnation was first registered *before the partition was ever ACTIVE*. If so, no sample can have been acknowledged that
//! this incarnation was not asked to keep: every epoch of the partition is later, so any acknowledgement counts this
//! incarnation or does without it, and in the second case only this owner lacks the sample. It is complete with nothing
//! copied. If not, it copies, also when it joins a young partition as the last owner. With one copy there is nobody to copy from and
//! nothing that counts without this disk: never RECOVERING; storage refuses to open a damaged WAL instead.
//!
//! # When two owners are lost
//! Two doubtful disks at once are beyond what three copies survive: acknowledged samples may be gone, and neither owner becomes
//! complete by itself. Reads of the partition fail and say so until a disk comes back or an operator starts one owner
//! with `--recovery.accept-loss`; the other then copies from it and the third.

mod adopt;
mod copy;
mod decision;
mod merge;
mod record;
mod run;

pub use adopt::{Adopted, Step};
pub(crate) use copy::{CopyError, Source};
pub use decision::{Assessment, Doubt, Found, Standing, assess, begin, standing};
pub use merge::{missing, normalise, settle};
pub use record::{Record, RecordError, RecordFile, RecordStanding};
pub(crate) use run::recover;

#[cfg(test)]
mod run_test;
#[cfg(test)]
mod tests;

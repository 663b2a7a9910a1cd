//! Why the bucket gave no answer.

use narthex_bucket::layout::SegmentId;
use narthex_model::{ManifestRevision, WindowLength, WorkspaceId};
use narthex_service::Elapsed;

use crate::FormatError;

/// A question about manifests that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bucket failed, or refused. Try again later.
    #[error("the bucket: {0}")]
    Bucket(#[from] object_store::Error),
    /// The bucket did not answer in time. Try again later.
    #[error("the bucket: {0}")]
    Timeout(#[from] Elapsed),
    /// A commit whose end is open, because the bucket did not answer well enough. Commit the same edit again later.
    #[error("whether the edit of {workspace} is committed is open: {why}")]
    Undecided {
        /// Whose manifest.
        workspace: WorkspaceId,
        /// The last failure.
        why: String,
    },
    /// The bucket does not have a revision that somebody acted on. Try again later.
    #[error(
        "the manifest of {workspace} is at revision {newest} in the bucket, and revision {wanted} is needed"
    )]
    Behind {
        /// Whose manifest.
        workspace: WorkspaceId,
        /// What is needed.
        wanted: ManifestRevision,
        /// What is there.
        newest: ManifestRevision,
    },
    /// The newest root kept moving, or was never there when it was read. Try again later.
    #[error("the newest manifest of {workspace} could not be read: it changed all the time")]
    Unsettled {
        /// Whose manifest.
        workspace: WorkspaceId,
    },
    /// A root or segment that cannot be read. Needs an operator.
    #[error("{path}: {source}")]
    Format {
        /// The object.
        path: object_store::path::Path,
        /// Why.
        source: FormatError,
    },
    /// A root names a segment that is not there: the root is old, or the bucket lost it. Try again once.
    #[error(
        "the manifest of {workspace} at revision {revision} names segment {segment}, which is not in the bucket"
    )]
    SegmentMissing {
        /// Whose manifest.
        workspace: WorkspaceId,
        /// Which root.
        revision: ManifestRevision,
        /// What is missing.
        segment: SegmentId,
    },
    /// This process numbers windows another way. Needs an operator.
    #[error(
        "{workspace} was written with windows of {} ms and this process is configured for {} ms: the window length of a deployment never changes",
        manifest.as_millis(), own.as_millis()
    )]
    WindowLength {
        /// Whose manifest.
        workspace: WorkspaceId,
        /// What it counts by.
        manifest: WindowLength,
        /// What this process counts by.
        own: WindowLength,
    },
}

//! Roots and segments as bytes (`proto/narthex/v1/manifest.proto`).
//!
//! A file says its format before anything else: one that is newer than this program is refused, never read in part. A checksum
//! tells damage, so that no block goes missing unnoticed. Bytes from the bucket are bounded before they are decoded (`scan`),
//! and nothing here panics on them.

mod decode;
mod encode;
mod scan;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use narthex_bucket::layout::SegmentId;
use narthex_model::{ManifestRevision, WorkspaceId};

use crate::Manifest;
pub(crate) use decode::{decode_root, decode_segment, resolve};
pub(crate) use encode::{encode_root, encode_segment};

/// The newest format that this program reads, and the one that it writes.
pub const FORMAT: u32 = 1;
/// Size of the largest file that is read or written.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Generated from `manifest.proto`.
#[allow(missing_debug_implementations, unreachable_pub, clippy::all, reason = "generated")]
pub(crate) mod v1 {
    include!(concat!(env!("OUT_DIR"), "/narthex.v1.rs"));
}

/// Bytes that are no manifest of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Written by a newer program.
    #[error(
        "format {found} of the manifest is newer than {FORMAT}, which this version reads: upgrade this process"
    )]
    Newer {
        /// The format of the file.
        found: u32,
    },
    /// Larger than any file that is written.
    #[error("a manifest file of {0} bytes: at most {MAX_FILE_BYTES} are read")]
    Size(usize),
    /// The checksum does not fit.
    #[error("the checksum of a manifest file does not fit: the object is damaged")]
    Checksum,
    /// Not what it must be.
    #[error("damaged manifest: {0}")]
    Damaged(&'static str),
    /// The root names a segment that is not there.
    #[error("segment {0} is missing")]
    SegmentMissing(SegmentId),
    /// Another object's bytes.
    #[error("the object holds the manifest of {found} at revision {revision}")]
    Elsewhere {
        /// Whose manifest it is.
        found: WorkspaceId,
        /// Which revision it says it is.
        revision: ManifestRevision,
    },
}

impl Manifest {
    /// A manifest from the file of its root and those of its segments, which `segment` finds: for tools and simulations, which
    /// have the bytes already. `workspace` and `revision` are what the root's name says.
    pub fn from_files(
        workspace: WorkspaceId,
        revision: ManifestRevision,
        root: Bytes,
        segment: impl Fn(SegmentId) -> Option<Bytes>,
    ) -> Result<Self, FormatError> {
        let root = decode_root(root, workspace, revision)?;
        let mut segments = BTreeMap::new();
        for (id, crc32c) in root.segments() {
            let bytes = segment(id).ok_or(FormatError::SegmentMissing(id))?;
            segments.insert(id, Arc::new(decode_segment(bytes, workspace, id, crc32c)?));
        }
        resolve(root, &segments)
    }
}

#[cfg(test)]
mod tests;

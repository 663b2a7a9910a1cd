//! What one selection in one block may cost, checked before data moves.

use object_store::path::Path;

use crate::BlockError;

/// What is left for a selection. The default sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Series that may match.
    pub series: u64,
    /// Samples of the rows that match: all of a window's, also where the range takes a part of it.
    pub samples: u64,
    /// Bytes that may be read from the object.
    pub bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { series: u64::MAX, samples: u64::MAX, bytes: u64::MAX }
    }
}

impl Budget {
    pub(super) fn take_series(&mut self, path: &Path) -> Result<(), BlockError> {
        take(&mut self.series, 1, "series", path)
    }

    pub(super) fn take_samples(&mut self, path: &Path, samples: u64) -> Result<(), BlockError> {
        take(&mut self.samples, samples, "samples", path)
    }

    pub(super) fn take_bytes(&mut self, path: &Path, bytes: u64) -> Result<(), BlockError> {
        take(&mut self.bytes, bytes, "bytes", path)
    }
}

/// An exceeded budget is told as what was left of it.
fn take(left: &mut u64, wanted: u64, what: &'static str, path: &Path) -> Result<(), BlockError> {
    match left.checked_sub(wanted) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(BlockError::Budget { path: path.clone(), what, limit: *left }),
    }
}

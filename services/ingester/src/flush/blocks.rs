//! Where blocks go: the bucket and the manifests in it.

use std::sync::Arc;

use narthex_bucket::{Bucket, BucketArgs, BucketError};
use narthex_manifest::{ManifestSettings, ManifestStore, MarginsError};
use narthex_model::WindowLengthError;
use narthex_service::Components;
use object_store::ObjectStore;

use super::CutArgs;

/// A bucket and its manifests, shared by all services of a process.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// The bucket. It is verified before the first block goes there, so that it may be away when the process starts.
    pub bucket: Bucket,
    /// Its manifests.
    pub manifests: ManifestStore,
}

/// Why there is no place for blocks.
#[derive(Debug, thiserror::Error)]
pub enum BlocksError {
    /// The bucket's settings are wrong.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// No such windows.
    #[error("--cut.window: {0}")]
    Window(#[from] WindowLengthError),
    /// No such margins.
    #[error(transparent)]
    Margins(#[from] MarginsError),
}

impl Blocks {
    /// Opens the bucket of the settings; `None` where they name none. Asks nothing of it.
    pub fn open(
        bucket: &BucketArgs,
        cuts: &CutArgs,
        components: &Components,
    ) -> Result<Option<Self>, BlocksError> {
        if bucket.url.is_none() {
            return Ok(None);
        }
        let settings = ManifestSettings {
            window_length: cuts.window_length()?,
            margins: cuts.margins.margins()?,
            request_timeout: bucket.request_timeout.get(),
            ..ManifestSettings::default()
        };
        let bucket = narthex_bucket::open(bucket, components)?;
        let manifests = ManifestStore::new(bucket.store(), settings, components);
        Ok(Some(Self { bucket, manifests }))
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.bucket.store()
    }
}

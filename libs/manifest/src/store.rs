//! Manifests in a bucket: the protocol's requests, one by one, over any [`ObjectStore`].
//!
//! Nothing is decided here: [`Committer`](crate::Committer), [`Reader`] and [`plan`](crate::plan) decide, and this asks the bucket
//! what they want to know. It adds what a core has not: waiting, time limits, metrics, and the manifests that were read, of
//! which segments are shared between revisions.

mod clocks;
mod commit;
mod error;
mod follow;
mod metrics;
mod objects;
mod sweep;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use narthex_model::{ManifestRevision, WindowLength, WorkspaceId};
use narthex_service::{Components, Random, SharedClock};
use object_store::ObjectStore;
use parking_lot::{Mutex, RwLock};

use crate::{Limits, Manifest, Margins, Reader};
use clocks::{AgeClock, BucketClock};
pub use error::ManifestError;
use metrics::Metrics;
pub use sweep::Collected;

/// What a deployment chooses, once.
#[derive(Debug, Clone, Copy)]
pub struct ManifestSettings {
    /// How long windows are.
    pub window_length: WindowLength,
    /// What may begin and what may be deleted.
    pub margins: Margins,
    /// When entries move to segments.
    pub limits: Limits,
    /// How long one request may take.
    pub request_timeout: Duration,
}

impl Default for ManifestSettings {
    fn default() -> Self {
        Self {
            window_length: WindowLength::DEFAULT,
            margins: Margins::DEFAULT,
            limits: Limits::DEFAULT,
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// The manifests of all workspaces in a bucket. Cloning shares it.
#[derive(Debug, Clone)]
pub struct ManifestStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    settings: ManifestSettings,
    clock: SharedClock,
    random: Random,
    metrics: Metrics,
    ages: AgeClock,
    bucket_clock: BucketClock,
    shelves: RwLock<HashMap<WorkspaceId, Arc<Shelf>>>,
}

/// What is known of one workspace.
#[derive(Debug)]
struct Shelf {
    /// Locked while somebody looks: others wait for the answer and mostly need not ask again.
    reader: tokio::sync::Mutex<Reader>,
    /// Locked while somebody commits: writers of one process need not race each other.
    committing: tokio::sync::Mutex<()>,
    known: Mutex<Option<Arc<Manifest>>>,
    hinted: AtomicU64,
}

impl ManifestStore {
    /// Manifests in `store`, whose lists must be in key order and current, as those of `narthex_bucket` are. Registers
    /// `narthex_manifest_...` metrics: once per process.
    pub fn new(store: Arc<dyn ObjectStore>, settings: ManifestSettings, components: &Components) -> Self {
        Self(Arc::new(Inner {
            store,
            settings,
            clock: Arc::clone(&components.clock),
            random: components.random.clone(),
            metrics: Metrics::register(&mut components.registry.lock()),
            ages: AgeClock::new(Arc::clone(&components.clock)),
            bucket_clock: BucketClock::new(Arc::clone(&components.clock)),
            shelves: RwLock::default(),
        }))
    }

    /// What was chosen.
    pub fn settings(&self) -> &ManifestSettings {
        &self.0.settings
    }

    /// The manifest as last read or committed by this process; asks nobody.
    pub fn known(&self, workspace: WorkspaceId) -> Option<Arc<Manifest>> {
        let shelf = Arc::clone(self.0.shelves.read().get(&workspace)?);
        shelf.known.lock().clone()
    }

    /// Notes that somebody told of a revision. The next [`Self::follow`] will look for it, and [`Self::behind`] names the
    /// workspace until then.
    pub fn hint(&self, workspace: WorkspaceId, revision: ManifestRevision) {
        self.shelf(workspace).hinted.fetch_max(revision.0, Ordering::Relaxed);
    }

    /// Workspaces of which a hint told something newer than is known.
    pub fn behind(&self) -> Vec<WorkspaceId> {
        let shelves = self.0.shelves.read();
        let behind = shelves.iter().filter(|(_, shelf)| {
            let known = shelf.known.lock().as_ref().map_or(0, |manifest| manifest.revision().0);
            shelf.hinted.load(Ordering::Relaxed) > known
        });
        behind.map(|(workspace, _)| *workspace).collect()
    }

    /// Forgets what is known of a workspace, as when it was deleted.
    pub fn forget(&self, workspace: WorkspaceId) {
        self.0.shelves.write().remove(&workspace);
    }

    fn shelf(&self, workspace: WorkspaceId) -> Arc<Shelf> {
        if let Some(shelf) = self.0.shelves.read().get(&workspace) {
            return Arc::clone(shelf);
        }
        let mut shelves = self.0.shelves.write();
        let shelf = shelves.entry(workspace).or_insert_with(|| {
            let ManifestSettings { window_length, margins, .. } = self.0.settings;
            Arc::new(Shelf {
                reader: Reader::new(Manifest::empty(workspace, window_length), margins).into(),
                committing: tokio::sync::Mutex::default(),
                known: Mutex::default(),
                hinted: AtomicU64::new(0),
            })
        });
        Arc::clone(shelf)
    }
}

impl Shelf {
    /// Makes a manifest the known one, unless a newer one is.
    fn place(&self, manifest: &Arc<Manifest>) {
        let mut known = self.known.lock();
        if known.as_ref().is_none_or(|known| known.revision() <= manifest.revision()) {
            *known = Some(Arc::clone(manifest));
        }
    }
}

#[cfg(test)]
mod tests;

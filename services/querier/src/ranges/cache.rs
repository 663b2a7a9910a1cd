//! Extents of all workspaces, in memory and, where a folder is set, on disk.
//!
//! Memory is looked at first; what is found on disk comes back to memory. Only segments that are over are written: others grow
//! with every query.

use std::sync::Arc;

use narthex_model::WorkspaceId;

use super::{
    disk::Disk,
    extent::{Extent, with},
    settings::CacheSettings,
    shares::{Shares, Weighs},
};
use crate::{metrics::Metrics, reads::History};

/// What is evaluated, and when: extents are found only for the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The query's text. Notes name places in it, so not even spaces are alike.
    pub(super) text: Arc<str>,
    pub(super) lookback_ms: i64,
    pub(super) step_ms: i64,
    pub(super) phase_ms: i64,
    /// The ends of the query, where the expression depends on them.
    pub(super) ends: Option<(i64, i64)>,
    /// The number of the segment.
    pub(super) segment: i64,
}

/// Extents of a segment, in order.
pub(super) type Extents = Arc<[Arc<Extent>]>;

impl Weighs<Key> for Extents {
    fn bytes(&self, key: &Key) -> u64 {
        /// Bytes of an entry besides its extents and text.
        const ENTRY: usize = 256;
        (ENTRY + key.text.len() + self.iter().map(|extent| extent.bytes()).sum::<usize>()) as u64
    }
}

/// The cache of a process.
#[derive(Debug)]
pub(super) struct Cache {
    memory: Shares<Key, Extents>,
    disk: Option<Disk>,
}

impl Cache {
    /// An empty one, or what is on disk.
    pub(super) fn new(settings: &CacheSettings, metrics: &Metrics) -> Self {
        let evictions = metrics.range_evictions.clone();
        let on_evict = move |_, _: &Key| {
            evictions.inc();
        };
        let memory = Shares::new(settings.process, settings.workspace, metrics.range_bytes.clone(), on_evict);
        let disk = settings.folder.as_deref().and_then(|folder| {
            let opened = Disk::open(folder, settings.disk, settings.disk / 2, metrics);
            let told = opened.inspect_err(|error| {
                tracing::error!(folder = %folder.display(), %error, "results are kept in memory alone: the folder cannot be used");
            });
            told.ok()
        });
        Self { memory, disk }
    }

    /// The most bytes that an extent can be kept with.
    pub(super) const fn most(&self) -> u64 {
        self.memory.most()
    }

    /// What is kept of a segment.
    pub(super) async fn get(&self, workspace: WorkspaceId, key: &Key) -> Option<Extents> {
        if let Some(extents) = self.memory.get(workspace, key) {
            return Some(extents);
        }
        let extents: Extents = self.disk.as_ref()?.get(workspace, key, self.most()).await?.into();
        self.memory.add(workspace, key.clone(), Arc::clone(&extents));
        Some(extents)
    }

    /// Adds an extent to those of its segment, and drops what does not hold any more.
    pub(super) fn add(&self, workspace: WorkspaceId, key: Key, extent: Extent, now: &History, is_over: bool) {
        let known = self.memory.get(workspace, &key).unwrap_or_default();
        // Copies samples, so not under a lock. Of two that do it at once one is in vain.
        let extents: Extents = with(&known, extent, now).into();
        if let Some(disk) = self.disk.as_ref().filter(|_| is_over) {
            disk.put(workspace, key.clone(), Arc::clone(&extents));
        }
        self.memory.add(workspace, key, extents);
    }

    /// Forgets workspaces that are no more.
    pub(super) fn retain(&self, exists: impl Fn(&WorkspaceId) -> bool) {
        self.memory.retain(&exists);
        if let Some(disk) = &self.disk {
            disk.retain(exists);
        }
    }
}

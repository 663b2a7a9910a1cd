//! Newest manifest revisions that somebody told of. Hints only: what is not told is found by looking.

use std::{collections::HashMap, sync::Arc};

use narthex_model::{ManifestRevision, WorkspaceId};
use parking_lot::RwLock;
use tokio::sync::watch;

/// The hints heard so far. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Hints(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    newest: RwLock<HashMap<WorkspaceId, ManifestRevision>>,
    heard: watch::Sender<u64>,
}

impl Default for Hints {
    fn default() -> Self {
        let (heard, _) = watch::channel(0);
        Self(Arc::new(Inner { newest: RwLock::default(), heard }))
    }
}

impl Hints {
    /// Notes that a workspace's manifest has at least a revision.
    pub fn note(&self, workspace: WorkspaceId, revision: ManifestRevision) {
        let mut newest = self.0.newest.write();
        let known = newest.entry(workspace).or_default();
        if revision > *known {
            *known = revision;
            drop(newest);
            self.0.heard.send_modify(|count| *count += 1);
        }
    }

    /// The newest revision told of; 0 if none was.
    pub fn newest(&self, workspace: WorkspaceId) -> ManifestRevision {
        self.0.newest.read().get(&workspace).copied().unwrap_or_default()
    }

    /// All workspaces with hints.
    pub fn all(&self) -> Vec<(WorkspaceId, ManifestRevision)> {
        self.0.newest.read().iter().map(|(workspace, revision)| (*workspace, *revision)).collect()
    }

    /// Changes whenever a hint was news.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.heard.subscribe()
    }

    /// Forgets workspaces that do not exist any more.
    pub(crate) fn retain(&self, mut exists: impl FnMut(&WorkspaceId) -> bool) {
        self.0.newest.write().retain(|workspace, _| exists(workspace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_is_told_and_revisions_never_go_back() {
        let (hints, workspace) = (Hints::default(), WorkspaceId::from_random(1));
        let mut changes = hints.changes();
        hints.note(workspace, ManifestRevision(3));
        assert!(changes.has_changed().expect("open"));
        changes.mark_unchanged();
        hints.note(workspace, ManifestRevision(2));
        assert!(!changes.has_changed().expect("open"));
        assert_eq!(hints.newest(workspace), ManifestRevision(3));
        hints.retain(|_| false);
        assert_eq!(hints.all(), []);
    }
}

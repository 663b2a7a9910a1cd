//! What the HTTP API needs from storage, one workspace at a time.
//!
//! The quorum reader implements it; tests put memory in its place. Answers are complete or an error, never a part.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use narthex_model::{Labels, ManifestRevision, Matcher, MetricMetadata, TimeRange, TimestampMs, WorkspaceId};
use narthex_promql::{Reservation, SeriesSource, SourceError};

/// Which series a request for names, values or series looks at.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Alternatives, each a conjunction; none means every series.
    pub selectors: Vec<Vec<Matcher>>,
    /// Only series with samples around this time; sources may answer more, by whole windows or chunks.
    pub range: TimeRange,
    /// Most results that are wanted, from the start of their order.
    pub limit: Option<usize>,
    /// What the answers occupy, of all sources together.
    pub memory: Reservation,
}

/// What the past of a workspace stands on. Of times that no sample can be added to, and of which none was added since, the same is
/// read as long as it [holds](Self::holds): blocks may come in place of heads and of other blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// The newest manifest that gave samples up.
    pub lost: ManifestRevision,
    /// What lies before may have passed out of retention.
    pub retained_from: TimestampMs,
}

impl History {
    /// Whether what was read from a time on is read again, now that the history is `now`.
    pub fn holds(&self, now: &Self, from: TimestampMs) -> bool {
        self.lost == now.lost && (self.retained_from == now.retained_from || from >= now.retained_from)
    }
}

/// Reads of all workspaces. Dropping a future cancels what it reads.
#[async_trait]
pub trait Reads: Send + Sync + 'static {
    /// The samples of a workspace for one query, whose steps lie in a range; the limits of reading hold for its reads together.
    /// What is read takes its memory from the budget of `memory`.
    fn source(&self, workspace: WorkspaceId, range: TimeRange, memory: Reservation) -> Arc<dyn SeriesSource>;

    /// What the past of a workspace stands on now; none if that is not known, and then no answer can be kept. Asks nobody as long as
    /// reads would not.
    async fn history(&self, workspace: WorkspaceId) -> Option<History> {
        let _ = workspace;
        None
    }

    /// Names of labels, ascending.
    async fn label_names(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Vec<String>, SourceError>;

    /// Values of one label, ascending.
    async fn label_values(
        &self,
        workspace: WorkspaceId,
        name: &str,
        lookup: &Lookup,
    ) -> Result<Vec<String>, SourceError>;

    /// Label sets, ascending.
    async fn series(&self, workspace: WorkspaceId, lookup: &Lookup) -> Result<Vec<Labels>, SourceError>;

    /// What is known of one metric, or of all where `metric` is empty.
    async fn metadata(
        &self,
        workspace: WorkspaceId,
        metric: &str,
    ) -> Result<BTreeSet<MetricMetadata>, SourceError>;
}

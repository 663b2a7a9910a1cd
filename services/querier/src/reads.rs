//! What the HTTP API needs from storage, one workspace at a time.
//!
//! The quorum reader implements it; tests put memory in its place. Answers are complete or an error, never a part.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use narthex_model::{Labels, Matcher, MetricMetadata, TimeRange, WorkspaceId};
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

/// Reads of all workspaces. Dropping a future cancels what it reads.
#[async_trait]
pub trait Reads: Send + Sync + 'static {
    /// The samples of a workspace for one query, whose steps lie in a range; the limits of reading hold for its reads together.
    /// What is read takes its memory from the budget of `memory`.
    fn source(&self, workspace: WorkspaceId, range: TimeRange, memory: Reservation) -> Arc<dyn SeriesSource>;

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

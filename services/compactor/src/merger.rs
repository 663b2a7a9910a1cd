//! The loop that merges blocks, workspace after workspace.
//!
//! One merge at a time, on a blocking thread, so that reads and writes of the same process do not feel it. Several compactors do no
//! harm but write in vain: whoever commits first wins, and the other's blocks are orphans, which the collector deletes.

use std::{convert::Infallible, sync::Arc, time::Duration};

use narthex_bucket::layout;
use narthex_manifest::{Edit, Freshness, ManifestError, ManifestStore, Outcome};
use narthex_model::{BlockId, WorkspaceId};
use narthex_service::{Components, Condition, Random, SharedClock};
use object_store::ObjectStore;
use tokio::{runtime::Handle, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::{
    CompactArgs,
    merge::{Merge, MergeError},
    metrics::MergeMetrics,
    plan::{Job, jobs},
};

/// Merges blocks, round after round.
#[derive(Debug)]
pub struct Merger {
    store: Arc<dyn ObjectStore>,
    manifests: ManifestStore,
    interval: Duration,
    block_bytes: u64,
    clock: SharedClock,
    random: Random,
    shutdown: CancellationToken,
    metrics: MergeMetrics,
    condition: Condition,
}

impl Merger {
    /// A merger of the bucket `store`, whose manifests are `manifests`; nothing happens before [`Self::run`].
    pub fn new(
        store: Arc<dyn ObjectStore>,
        manifests: ManifestStore,
        args: &CompactArgs,
        components: &Components,
    ) -> Self {
        let condition = components.health.condition("merger");
        condition.ready();
        Self {
            store,
            manifests,
            interval: args.compact_interval.get(),
            block_bytes: args.compact_block_size.bytes(),
            clock: components.clock.clone(),
            random: components.random.clone(),
            shutdown: components.shutdown.clone(),
            metrics: MergeMetrics::register(&components.registry),
            condition,
        }
    }

    /// Works for as long as it is polled. The first round comes after at least half of the interval, so that restarts are not felt.
    pub async fn run(&self) -> Infallible {
        let part = 500 + self.random.below(500) as u32;
        self.clock.sleep(self.interval * part / 1_000).await;
        loop {
            match self.round().await {
                Ok(None) => self.condition.ready(),
                Ok(Some(error)) => self.condition.remark(format!("blocks are not merged: {error}")),
                Err(error) => {
                    self.metrics.failed("bucket");
                    tracing::warn!(%error, "the bucket cannot be looked through for blocks to merge; the next round tries again");
                    self.condition.remark(format!("blocks are not merged: {error}"));
                }
            }
            self.metrics.rounds.inc();
            self.clock.sleep(self.interval).await;
        }
    }

    /// Merges all that is to be merged, in every workspace; gives the first failure that only an operator can mend or that may last.
    /// None keeps another merge from its turn. Fails if the bucket cannot be listed at all.
    pub async fn round(&self) -> Result<Option<MergeError>, ManifestError> {
        let listed = self.store.list_with_delimiter(Some(&layout::workspaces_prefix())).await?;
        let mut first = None;
        for workspace in listed.common_prefixes.iter().filter_map(layout::parse_workspace) {
            for error in self.workspace(workspace).await {
                let reason = reason(&error);
                self.metrics.failed(reason);
                if !matches!(error, MergeError::Refused(_) | MergeError::Stopping) {
                    tracing::warn!(%workspace, %error, reason, "blocks are not merged; the next round tries again");
                    first.get_or_insert(error);
                }
            }
        }
        Ok(first)
    }

    /// Merges what is to be merged in one workspace; gives what failed.
    async fn workspace(&self, workspace: WorkspaceId) -> Vec<MergeError> {
        let manifest = match self.manifests.follow(workspace, Freshness::Newest).await {
            Ok(manifest) => manifest,
            Err(error) => return vec![error.into()],
        };
        let mut failures = Vec::new();
        let mut jobs = jobs(&manifest, self.block_bytes).into_iter();
        while let Some(job) = jobs.next() {
            self.metrics.pending.set(jobs.len() as i64 + 1);
            failures.extend(self.merge(workspace, job).await.err());
        }
        self.metrics.pending.set(0);
        failures
    }

    async fn merge(&self, workspace: WorkspaceId, job: Job) -> Result<(), MergeError> {
        let (blocks, bytes, began) = (job.inputs.len(), job.bytes(), self.clock.monotonic());
        let window = self.manifests.settings().window_length;
        let (from, until) = (window.start(job.first).0, window.end(job.last).0);
        tracing::info!(%workspace, blocks, bytes, from_ms = from, until_ms = until, "merging blocks");
        let name = || BlockId::new(self.clock.now().0.max(0).cast_unsigned(), self.random.bits128());
        // The thread that merges goes on until it looks, so it is told when nobody waits for it any more.
        let stop = self.shutdown.child_token();
        let _stop_when_dropped = stop.clone().drop_guard();
        let inputs = job.inputs.iter().map(|entry| entry.id).collect();
        let merge = Merge {
            store: Arc::clone(&self.store),
            workspace,
            window,
            names: (0..job.outputs).map(|_| name()).collect(),
            job,
            metrics: self.metrics.clone(),
            stop,
        };
        let runtime = Handle::current();
        let merged = spawn_blocking(move || runtime.block_on(merge.run())).await;
        let outputs = merged.map_err(|_| MergeError::Lost)??;
        let (merged, written) = (outputs.len(), outputs.iter().map(|entry| entry.bytes).sum());
        self.commit(workspace, Edit::Compact { inputs, outputs }).await?;
        self.metrics.merges.inc();
        self.metrics.inputs.inc_by(blocks as u64);
        self.metrics.read_bytes.inc_by(bytes);
        self.metrics.written_bytes.inc_by(written);
        let seconds = self.clock.monotonic().saturating_sub(began).as_secs_f64();
        tracing::info!(%workspace, blocks, merged, bytes, written, seconds, "merged blocks");
        Ok(())
    }

    async fn commit(&self, workspace: WorkspaceId, edit: Edit) -> Result<(), MergeError> {
        match self.manifests.commit(workspace, edit).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Refused { refused, .. } => Err(MergeError::Refused(refused)),
            Outcome::Rewrite(rewrite) => Err(MergeError::Late(rewrite)),
            Outcome::Undecided => {
                let why = "the bucket does not answer".to_owned();
                Err(ManifestError::Undecided { workspace, why }.into())
            }
        }
    }
}

/// A failure's name in metrics and logs.
fn reason(error: &MergeError) -> &'static str {
    match error {
        MergeError::Block(narthex_block::BlockError::Store { .. }) | MergeError::Manifest(_) => "bucket",
        MergeError::Block(_) | MergeError::Samples { .. } => "block",
        MergeError::Refused(_) | MergeError::Late(_) => "overtaken",
        MergeError::Stopping => "stopping",
        MergeError::Lost => "lost",
    }
}

#[cfg(test)]
#[path = "merger_test.rs"]
mod tests;

//! The loop that goes over all workspaces in the bucket.

use std::{convert::Infallible, sync::Arc, time::Duration};

use narthex_bucket::layout;
use narthex_manifest::{BucketTime, Collected, ManifestError, ManifestStore};
use narthex_model::WorkspaceId;
use narthex_service::{Components, Condition, Random, SharedClock};
use object_store::ObjectStore;

use crate::{CollectArgs, metrics::Metrics};

/// Deletes garbage, round after round.
#[derive(Debug)]
pub struct Collector {
    store: Arc<dyn ObjectStore>,
    manifests: ManifestStore,
    interval: Duration,
    clock: SharedClock,
    random: Random,
    metrics: Metrics,
    condition: Condition,
}

impl Collector {
    /// A collector of the bucket `store`, whose manifests are `manifests`; nothing happens before [`Self::run`].
    pub fn new(
        store: Arc<dyn ObjectStore>,
        manifests: ManifestStore,
        args: &CollectArgs,
        components: &Components,
    ) -> Self {
        let condition = components.health.condition("collector");
        condition.ready();
        Self {
            store,
            manifests,
            interval: args.interval.get(),
            clock: components.clock.clone(),
            random: components.random.clone(),
            metrics: Metrics::register(&components.registry),
            condition,
        }
    }

    /// Works for as long as it is polled. The first round comes after a part of the interval, so that restarts are not felt.
    pub async fn run(&self) -> Infallible {
        let part = self.random.below(1_000) as u32;
        self.clock.sleep(self.interval * part / 1_000).await;
        loop {
            match self.round().await {
                Ok(()) => self.condition.ready(),
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::warn!(%error, "the bucket cannot be tidied; the next round tries again");
                    self.condition.remark(format!("the bucket cannot be tidied: {error}"));
                }
            }
            self.metrics.rounds.inc();
            self.clock.sleep(self.interval).await;
        }
    }

    /// Tidies every workspace; one that fails keeps no other from its turn. Fails if the bucket cannot be listed at all.
    pub async fn round(&self) -> Result<(), ManifestError> {
        let now = self.manifests.bucket_time().await?;
        let listed = self.store.list_with_delimiter(Some(&layout::workspaces_prefix())).await?;
        let workspaces: Vec<_> = listed.common_prefixes.iter().filter_map(layout::parse_workspace).collect();
        self.metrics.workspaces.set(workspaces.len() as i64);
        let mut strays = 0;
        for workspace in workspaces {
            match self.tidy(workspace, now).await {
                Ok(collected) => strays += collected.strays,
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::warn!(%workspace, %error, "a workspace cannot be tidied; the next round tries again");
                }
            }
        }
        self.metrics.strays.set(strays as i64);
        Ok(())
    }

    async fn tidy(&self, workspace: WorkspaceId, now: BucketTime) -> Result<Collected, ManifestError> {
        let collected = self.manifests.collect(workspace, now).await?;
        let Collected { roots, segments, blocks, .. } = collected;
        for (kind, count) in [("root", roots), ("segment", segments), ("block", blocks)] {
            self.metrics.deleted(kind, count);
        }
        if blocks + segments > 0 {
            tracing::info!(%workspace, blocks, segments, roots, "deleted what no manifest has named for the grace period");
        }
        Ok(collected)
    }
}

#[cfg(test)]
mod tests {
    use narthex_bucket::layout;
    use narthex_manifest::{ManifestSettings, Margins};
    use narthex_model::BlockId;
    use narthex_service::HumanDuration;
    use object_store::{Error, ObjectStoreExt, memory::InMemory};

    use super::*;

    #[tokio::test]
    async fn orphans_go_after_the_grace_period_in_every_workspace() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let components = Components::from_system(None);
        let age = Duration::from_millis(400);
        let margins = Margins::new(age / 4, age, age).expect("room");
        let settings = ManifestSettings { margins, ..ManifestSettings::default() };
        let manifests = ManifestStore::new(store.clone(), settings, &components);
        let args = CollectArgs { interval: HumanDuration::from_secs(3_600) };
        let collector = Collector::new(store.clone(), manifests, &args, &components);
        let orphans: Vec<_> = (1..=3u128)
            .map(|number| layout::block_data(WorkspaceId::from_random(number << 64), BlockId::new(1, number)))
            .collect();
        for orphan in &orphans {
            store.put(orphan, "a block that nobody committed".into()).await.expect("put");
        }
        collector.round().await.expect("a round");
        assert_eq!(collector.metrics.workspaces.get(), 3);
        for orphan in &orphans {
            store.head(orphan).await.expect("too young to go");
        }
        loop {
            components.clock.sleep(age / 4).await;
            collector.round().await.expect("a round");
            let deleted =
                collector.metrics.deleted.get_or_create(&crate::metrics::KindLabel { kind: "block" }).get();
            if deleted == 3 {
                break;
            }
        }
        for orphan in &orphans {
            assert!(matches!(store.head(orphan).await, Err(Error::NotFound { .. })), "{orphan} is there");
        }
    }
}

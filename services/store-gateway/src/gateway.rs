//! The wiring of a gateway inside of a process: cache, blocks, threads, service.

use std::sync::Arc;

use narthex_cluster::Cluster;
use narthex_rpc::LocalPeer;
use narthex_service::{Components, Condition};
use object_store::ObjectStore;

use crate::{
    CacheError, GatewayService, GatewaySettings, admission::Admission, blocks::Blocks, cache::DiskCache,
    metrics::Metrics, service::Parts, workers::Workers,
};

/// A store-gateway. It serves from the start; whether the bucket answers tells [`Self::reach_bucket`].
#[derive(Debug)]
pub struct StoreGateway {
    service: GatewayService,
    blocks: Arc<Blocks>,
    bucket: Condition,
    components: Components,
}

impl StoreGateway {
    /// Opens the disk cache and starts the threads that read blocks. No block is touched, and the bucket is not asked. Adds the
    /// readiness condition `bucket`, and metrics: once per registry.
    pub async fn open(
        settings: GatewaySettings,
        store: Arc<dyn ObjectStore>,
        cluster: Cluster,
        components: &Components,
    ) -> Result<Self, CacheError> {
        let metrics = Metrics::register(&components.registry);
        let cache = match settings.cache.clone() {
            None => None,
            Some(cache) => {
                let metrics = metrics.cache.clone();
                let opened = tokio::task::spawn_blocking(move || DiskCache::open(&cache, metrics));
                Some(opened.await.map_err(|error| CacheError::Threads(error.into()))??)
            }
        };
        if let Some(settings) = &settings.cache {
            let (directory, pages) = (settings.directory.display(), metrics.cache.pages.get());
            tracing::info!(%directory, bytes = settings.bytes, pages, "opened the disk cache");
        }
        let workers = Workers::new(settings.threads).map_err(CacheError::Threads)?;
        let blocks = Arc::new(Blocks::new(store, cache, &settings, metrics.clone()));
        let service = GatewayService::new(Parts {
            workers: Arc::new(workers),
            blocks: Arc::clone(&blocks),
            admission: Admission::new(&settings, metrics.clone()),
            max_series: settings.max_series,
            max_read: settings.max_read,
            cluster,
            metrics,
        });
        let bucket = components.health.condition("bucket");
        Ok(Self { service, blocks, bucket, components: components.clone() })
    }

    /// The gRPC service, for the server or for callers in this process.
    pub fn service(&self) -> GatewayService {
        self.service.clone()
    }

    /// The service as callers in this process use it.
    pub fn local_peer(&self) -> LocalPeer {
        LocalPeer { source: Some(Arc::new(self.service())), ..LocalPeer::default() }
    }

    /// Asks the bucket until it answers, telling the readiness condition meanwhile; `false` if the shutdown came first. Later
    /// outages do not end readiness: what is cached is still served, and every other read says what it lacks.
    pub async fn reach_bucket(&self) -> bool {
        tokio::select! {
            () = self.blocks.reach(&self.bucket, &self.components.clock) => true,
            () = self.components.shutdown.cancelled() => false,
        }
    }
}

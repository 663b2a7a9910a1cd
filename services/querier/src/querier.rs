//! The wiring: from a cluster snapshot and a pool of peers to the API's routes.

use std::{collections::HashSet, fmt, sync::Arc};

use axum::Router;
use narthex_cluster::{Cluster, Snapshot};
use narthex_model::Zone;
use narthex_rpc::Peers;
use narthex_service::{Components, Condition};

use crate::{
    config::QuerySettings,
    http::{Api, router},
    metrics::Metrics,
    ranges::Ranges,
    read::{Catalogue, Limits, Owners, PeerOwners, Reader, ReaderParts, registered},
    reads::Reads,
};

/// A querier inside of a process: its reader, and the routes that the edge wraps.
pub struct Querier {
    reader: Reader,
    routes: Router,
    cluster: Cluster,
    peers: Option<Peers>,
    ranges: Arc<Ranges>,
    ring: Condition,
}

impl Querier {
    /// Reads through the process's peers. Owners and gateways of `zone` are asked first. `catalogue` lists blocks; without one
    /// only heads are read, and a read fails once ingesters moved samples to blocks. Adds the readiness condition
    /// `querier-ring`; [`Self::follow_ring`] keeps it.
    pub fn new(
        settings: QuerySettings,
        cluster: Cluster,
        peers: Peers,
        catalogue: Option<Arc<dyn Catalogue>>,
        zone: Zone,
        components: &Components,
    ) -> Self {
        let owners = PeerOwners { peers: peers.clone(), deadline: settings.timeout };
        let querier = Self::over(settings, cluster, Arc::new(owners), catalogue, zone, components);
        Self { peers: Some(peers), ..querier }
    }

    /// Reads through any [`Owners`], which gateways are too, as tests and simulations have them.
    pub fn over(
        settings: QuerySettings,
        cluster: Cluster,
        owners: Arc<dyn Owners>,
        catalogue: Option<Arc<dyn Catalogue>>,
        zone: Zone,
        components: &Components,
    ) -> Self {
        let metrics = Metrics::register(&mut components.registry.lock());
        let limits = Limits {
            series: settings.max_series,
            samples: settings.max_samples,
            bytes: settings.max_bytes,
            chunks: settings.max_chunks,
        };
        let reader = Reader::new(ReaderParts {
            cluster: cluster.clone(),
            owners,
            catalogue,
            clock: components.clock.clone(),
            random: components.random.clone(),
            metrics: metrics.clone(),
            zone,
            limits,
            hedge_after: settings.hedge_after,
        });
        let api = Api::new(Arc::new(reader.clone()), settings, components, metrics);
        let ranges = Arc::clone(&api.ranges);
        let routes = router(Arc::new(api));
        let ring = components.health.condition("querier-ring");
        judge(&ring, &cluster.snapshot());
        Self { reader, routes, cluster, peers: None, ranges, ring }
    }

    /// Follows the ring as long as it is polled: readiness, what partitions leave, and connections to owners and gateways that
    /// left are closed.
    pub async fn follow_ring(&self) {
        let mut changes = self.cluster.changes();
        loop {
            let snapshot = self.cluster.snapshot();
            judge(&self.ring, &snapshot);
            self.reader.observe(&snapshot);
            if snapshot.revision > 0 {
                self.ranges.retain(|workspace| snapshot.workspaces.contains_key(workspace));
            }
            let owners = snapshot.ring.partitions().iter().flat_map(|partition| &partition.owners);
            let gateways = registered(&snapshot).map(|gateway| gateway.address.as_str());
            let known: HashSet<&str> = owners.map(|owner| owner.address.as_str()).chain(gateways).collect();
            if let Some(peers) = &self.peers
                && !known.is_empty()
            {
                peers.retain(|address| known.contains(address));
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The reads behind the API, for whoever evaluates in the same process.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The routes of the query API; a public service wraps them with its edge.
    pub fn routes(&self) -> Router {
        self.routes.clone()
    }
}

fn judge(ring: &Condition, snapshot: &Snapshot) {
    if snapshot.revision == 0 {
        ring.not_ready("waiting for the control plane's first answer");
    } else if snapshot.ring.partitions().is_empty() {
        ring.not_ready("the ring has no partition; are the ingesters registered?");
    } else {
        ring.ready();
    }
}

impl fmt::Debug for Querier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Querier")
    }
}

/// The routes of the query API over any storage, without an edge: for tests.
pub fn routes_over(reads: Arc<dyn Reads>, settings: QuerySettings, components: &Components) -> Router {
    let metrics = Metrics::register(&mut components.registry.lock());
    router(Arc::new(Api::new(reads, settings, components, metrics)))
}

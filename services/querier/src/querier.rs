//! The wiring: from a cluster snapshot and a pool of peers to the API's routes.

use std::{fmt, sync::Arc};

use axum::{Router, middleware};
use narthex_cluster::Cluster;
use narthex_model::Zone;
use narthex_rpc::Peers;
use narthex_service::Components;

use crate::{
    config::QuerySettings,
    http::{Api, allow_browsers, router},
    metrics::Metrics,
    read::{Limits, Owners, PeerOwners, Reader, ReaderParts},
    reads::Reads,
};

/// A querier inside of a process: its reader, and the routes that the edge wraps.
pub struct Querier {
    reader: Reader,
    routes: Router,
}

impl Querier {
    /// Reads through the process's peers. Owners of `zone` are asked first.
    pub fn new(
        settings: QuerySettings,
        cluster: Cluster,
        peers: Peers,
        zone: Zone,
        components: &Components,
    ) -> Self {
        let owners = PeerOwners { peers, deadline: settings.timeout };
        Self::over(settings, cluster, Arc::new(owners), zone, components)
    }

    /// Reads through any [`Owners`], as tests and simulations have them.
    pub fn over(
        settings: QuerySettings,
        cluster: Cluster,
        owners: Arc<dyn Owners>,
        zone: Zone,
        components: &Components,
    ) -> Self {
        let metrics = Metrics::register(&mut components.registry.lock());
        let limits =
            Limits { series: settings.max_series, samples: settings.max_samples, bytes: settings.max_bytes };
        let reader = Reader::new(ReaderParts {
            cluster,
            owners,
            clock: components.clock.clone(),
            random: components.random.clone(),
            metrics: metrics.clone(),
            zone,
            limits,
            hedge_after: settings.hedge_after,
        });
        let routes = router(Arc::new(Api::new(Arc::new(reader.clone()), settings, components, metrics)));
        Self { reader, routes }
    }

    /// The quorum reads behind the API, for whoever evaluates in the same process.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The routes of the query API; a public service wraps them with its edge.
    pub fn routes(&self) -> Router {
        self.routes.clone()
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

/// Puts the answers to browsers' preflights in front of everything, the edge included.
pub fn with_cors(router: Router) -> Router {
    router.layer(middleware::from_fn(allow_browsers))
}

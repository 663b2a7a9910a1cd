//! The data plane in one process: ingester, store-gateway, distributor, querier and compactor over one bucket and one set of peers, where
//! calls between them are handed over by pointer.

use std::{future, net::SocketAddr, sync::Arc};

use anyhow::{Result, bail};
use axum::Router;
use narthex_cluster::{Member, Registration, Role};
use narthex_compactor::{Collector, Merger};
use narthex_distributor::Distributor;
use narthex_ingester::{DataArgs, Identity, Ingester};
use narthex_model::{InstanceId, Zone};
use narthex_querier::Querier;
use narthex_rpc::{PeerOptions, Peers};
use narthex_service::Components;
use narthex_store_gateway::{BlockArgs, StoreGateway};
use tonic::Code;

use super::{Config, bucket};

const ZONE: &str = "zone-a";

/// Under this address the ring knows the ingester; calls to it stay in the process.
const INGESTER_ADDRESS: &str = "in-process:0";

/// Under this address the cluster knows the store-gateway; likewise.
const GATEWAY_ADDRESS: &str = "in-process:1";

/// The services that have no disk to lose: they work until the process ends.
pub(super) struct Plane {
    gateway: StoreGateway,
    distributor: Distributor,
    querier: Querier,
    merger: Merger,
    collector: Collector,
    member: Member,
    components: Components,
}

impl Plane {
    /// Opens the bucket and builds every service, each after those that it needs. Nothing is replayed yet.
    pub(super) async fn build(
        config: &Config,
        member: Member,
        components: &Components,
    ) -> Result<(Self, Ingester)> {
        let (cluster, data_dir) = (member.cluster(), &config.data.data_dir);
        let peers = Peers::new(PeerOptions::default(), components.clock.clone());
        let bucket_args = config.bucket()?;
        let blocks = bucket::open(&bucket_args, &config.data.cuts, components).await?;

        let cache = config.blocks.cache_dir.clone().unwrap_or_else(|| data_dir.join("store-gateway"));
        let settings = BlockArgs { cache_dir: Some(cache), ..config.blocks.clone() }.settings(&bucket_args);
        let gateway =
            StoreGateway::open(settings, blocks.bucket.store(), cluster.clone(), components).await?;
        peers.add_local(GATEWAY_ADDRESS, gateway.local_peer());

        let catalogue = Arc::new(blocks.manifests.clone());
        let merger =
            Merger::new(blocks.bucket.store(), blocks.manifests.clone(), &config.compact, components);
        let collector =
            Collector::new(blocks.bucket.store(), blocks.manifests.clone(), &config.collect, components);
        let data = DataArgs { data_dir: data_dir.join("ingester"), ..config.data.clone() };
        let ingester =
            Ingester::new(identity(), data, member.clone(), peers.clone(), Some(blocks), components);
        peers.add_local(INGESTER_ADDRESS, ingester.service().local_peer());

        let distributor =
            Distributor::new((&config.write).into(), cluster.clone(), peers.clone(), components);
        let query = (&config.query).into();
        let querier = Querier::new(query, cluster, peers, Some(catalogue), ZONE.into(), components);
        let components = components.clone();
        Ok((Self { gateway, distributor, querier, merger, collector, member, components }, ingester))
    }

    /// The routes of remote write and of queries.
    pub(super) fn routes(&self) -> Router {
        self.distributor.routes().merge(self.querier.routes())
    }

    /// Takes part in the cluster under the address of the process; returns only if the control plane refuses a service.
    pub(super) async fn take_part(&self, address: SocketAddr) -> anyhow::Error {
        let address = address.to_string();
        let joined = async {
            let joined = tokio::try_join!(
                self.join(Role::Distributor, "distributor", address.clone()),
                self.join(Role::Querier, "querier", address),
                self.join_gateway(),
            );
            match joined {
                Ok(_) => future::pending().await,
                Err(refused) => refused,
            }
        };
        let follow = async { tokio::join!(self.distributor.follow_ring(), self.querier.follow_ring()) };
        tokio::select! {
            refused = joined => refused,
            never = self.merger.run() => match never {},
            never = self.collector.run() => match never {},
            // They end only with the process.
            _ = follow => future::pending().await,
        }
    }

    /// Registers the gateway once the bucket answers, so that no querier asks it in vain.
    async fn join_gateway(&self) -> Result<()> {
        if self.gateway.reach_bucket().await {
            self.join(Role::StoreGateway, "store-gateway", GATEWAY_ADDRESS.into()).await?;
        }
        Ok(())
    }

    async fn join(&self, role: Role, name: &str, address: String) -> Result<()> {
        let registration = Registration {
            instance: InstanceId::from(name),
            role,
            zone: Zone::from(ZONE),
            address,
            ordinal: 0,
            incarnation: None,
        };
        let condition = self.components.health.condition(&format!("{name}-membership"));
        match self.member.another().register(registration, &condition).await {
            Err(status) if status.code() != Code::Cancelled => {
                bail!("the control plane refuses the {name}: {}", status.message())
            }
            // Also a shutdown that came first.
            _ => Ok(()),
        }
    }
}

/// The only ingester, of the only partition.
fn identity() -> Identity {
    Identity { instance: "ingester".into(), zone: ZONE.into(), ordinal: 0, address: INGESTER_ADDRESS.into() }
}

//! The ingester: accepts pushes, keeps recent samples in WAL, head and chunk files, and serves them.
//!
//! `storage` keeps samples, `head` is one workspace in memory, `wal` the log. `flush` brings cuts into the bucket.
//! `recovery` decides whether this owner is complete and makes it so, `service` answers gRPC and drives the owner's life. [`run`]
//! is the process; the all-in-one uses [`Ingester`] itself.

#![deny(unsafe_code)]

mod config;
pub mod flush;
pub mod head;
pub mod recovery;
mod service;
pub mod storage;
mod wal;

use axum::Router;
use narthex_cluster::{ControlPlane, Member};
use narthex_model::{InstanceId, Zone};
use narthex_rpc::{
    PeerOptions, Peers,
    v1::{cuts_server::CutsServer, push_server::PushServer, series_source_server::SeriesSourceServer},
};
use narthex_service::{
    Components,
    server::{self, MAX_GRPC_MESSAGE_BYTES, ServerOptions},
};
use narthex_telemetry::{Protocol, RequestLayer, RequestMetrics, admin_router};
use tonic::service::Routes;
use tower::Layer;

pub use config::{Config, DataArgs, SyncMode};
pub use flush::{Blocks, CutArgs};
pub use service::{Identity, Ingester, IngesterError, IngesterService, Phase, SharedPhase};

/// Runs an ingester until the components' shutdown, then drains and closes it. Fails when it cannot start or its disk fails.
pub async fn run(config: Config, components: Components) -> anyhow::Result<()> {
    let grpc_listener = server::bind(config.grpc_listen).await?;
    let admin_listener = server::bind(config.admin.admin_listen.unwrap_or(config.listen)).await?;
    let member = config.member;
    let identity = Identity {
        instance: InstanceId::from(member.instance_name("ingester")),
        zone: Zone::from(member.zone),
        ordinal: member.ordinal,
        address: match member.advertise_address {
            Some(address) => address,
            None => grpc_listener.local_addr()?.to_string(),
        },
    };
    let clock = components.clock.clone();
    let control =
        ControlPlane::remote(&member.control_plane_addresses, components.random.bits64(), clock.clone())?;
    let peers = Peers::new(PeerOptions::default(), clock);
    let watch = Member::watch(control, &components);
    let blocks = Blocks::open(&config.bucket, &config.data.cuts, &components)?;
    let ingester = Ingester::new(identity, config.data, watch, peers, blocks, &components);
    let service = ingester.service();
    let grpc =
        server::serve(grpc_listener, grpc_router(&service, &components), ServerOptions::grpc(), &components)?;
    let operators = admin_router(components.registry.clone(), components.health.clone());
    let admin = server::serve(admin_listener, operators, ServerOptions::http(), &components)?;
    tracing::info!(grpc = %grpc.local_addr(), operators = %admin.local_addr(), "listening");
    let outcome = ingester.live().await;
    // A failed disk ends the process like a shutdown does, but for its exit code.
    components.shutdown.cancel();
    grpc.stopped().await;
    service.close().await;
    admin.stopped().await;
    Ok(outcome?)
}

/// The gRPC services with their traces and request metrics.
fn grpc_router(service: &IngesterService, components: &Components) -> Router {
    let push = PushServer::new(service.clone())
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let source = SeriesSourceServer::new(service.clone())
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let cuts = CutsServer::new(service.clone())
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let routes = Routes::new(push).add_service(source).add_service(cuts).prepare().into_axum_router();
    let metrics = RequestMetrics::new(&components.registry, "ingester", Protocol::Grpc);
    Router::new()
        .fallback_service(RequestLayer::new(Protocol::Grpc, metrics, components.clock.clone()).layer(routes))
}

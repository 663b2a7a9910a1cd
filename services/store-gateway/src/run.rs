//! The store-gateway as a process: listeners, the bucket, its place in the cluster.
//!
//! It registers once the bucket answers, so that queriers ask no gateway that cannot answer; until then `/ready` says why.

use axum::Router;
use narthex_cluster::{ControlPlane, Member, Registration, Role};
use narthex_rpc::v1::series_source_server::SeriesSourceServer;
use narthex_service::{
    Components, MemberSettings,
    server::{self, MAX_GRPC_MESSAGE_BYTES, ServerOptions},
};
use narthex_telemetry::{Protocol, RequestLayer, RequestMetrics, admin_router};
use tonic::{Code, service::Routes};
use tower::Layer;

use crate::{Config, GatewayService, StoreGateway};

/// Runs a store-gateway until the components' shutdown, then drains and leaves. Fails when it cannot start or the control plane
/// refuses it.
pub async fn run(config: Config, components: Components) -> anyhow::Result<()> {
    let grpc_listener = server::bind(config.grpc_listen).await?;
    let admin_listener = server::bind(config.admin.admin_listen.unwrap_or(config.listen)).await?;
    let address = match &config.member.advertise_address {
        Some(address) => address.clone(),
        None => grpc_listener.local_addr()?.to_string(),
    };
    let start = components.random.bits64();
    let control =
        ControlPlane::remote(&config.member.control_plane_addresses, start, components.clock.clone())?;
    let bucket = narthex_bucket::open(&config.bucket, &components)?;
    let member = Member::watch(control, &components);
    let settings = config.blocks.settings(&config.bucket);
    let gateway = StoreGateway::open(settings, bucket.store(), member.cluster(), &components).await?;
    let routes = grpc_router(gateway.service(), &components);
    let grpc = server::serve(grpc_listener, routes, ServerOptions::grpc(), &components)?;
    let operators = admin_router(components.registry.clone(), components.health.clone());
    let admin = server::serve(admin_listener, operators, ServerOptions::http(), &components)?;
    tracing::info!(grpc = %grpc.local_addr(), operators = %admin.local_addr(), bucket = %bucket.url(), "listening");
    let outcome = take_part(&config.member, address, &gateway, &member, &components).await;
    // A refusal ends the process like a shutdown does, but for its exit code.
    components.shutdown.cancel();
    // Queriers turn to others first, then requests under way end.
    member.leave().await;
    grpc.stopped().await;
    admin.stopped().await;
    outcome
}

/// Reaches the bucket, registers, and serves until the shutdown.
async fn take_part(
    settings: &MemberSettings,
    address: String,
    gateway: &StoreGateway,
    member: &Member,
    components: &Components,
) -> anyhow::Result<()> {
    let condition = components.health.condition("cluster");
    if !gateway.reach_bucket().await || !member.first_snapshot(&condition).await {
        return Ok(());
    }
    let registration = Registration {
        instance: settings.instance_name("store-gateway").into(),
        role: Role::StoreGateway,
        zone: settings.zone.as_str().into(),
        address,
        ordinal: settings.ordinal,
        incarnation: None,
    };
    match member.register(registration, &condition).await {
        Ok(_) => {}
        Err(status) if status.code() == Code::Cancelled => return Ok(()),
        Err(status) => {
            anyhow::bail!("the control plane refuses this store-gateway: {}", status.message())
        }
    }
    components.shutdown.cancelled().await;
    Ok(())
}

/// The gRPC service with its traces and request metrics.
fn grpc_router(service: GatewayService, components: &Components) -> Router {
    let source = SeriesSourceServer::new(service)
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let routes = Routes::new(source).prepare().into_axum_router();
    let metrics = RequestMetrics::new(&components.registry, "store-gateway", Protocol::Grpc);
    Router::new()
        .fallback_service(RequestLayer::new(Protocol::Grpc, metrics, components.clock.clone()).layer(routes))
}

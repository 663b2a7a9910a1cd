//! The whole process: one node, its gRPC and REST listeners, and the endpoints for operators.

use axum::Router;
use narthex_cluster::{ControlPlane as Control, Member};
use narthex_edge::{Audit, Edge, Plane, Sharing};
use narthex_service::{
    Components,
    server::{ServerOptions, Serving, bind, serve, serve_public},
};
use narthex_telemetry::{Protocol, RequestLayer, RequestMetrics, admin_router};
use tower::Layer;

use crate::{Config, ControlPlane, Error};

const SERVICE: &str = "control-plane";

/// Runs a node until the components' shutdown token is cancelled and everything has drained, or until consensus fails.
pub async fn run(config: Config, components: Components) -> Result<(), Error> {
    let condition = components.health.condition("consensus");
    let bucket = config.bucket.url.is_some().then(|| narthex_bucket::open(&config.bucket, &components));
    let bucket = bucket.transpose()?;
    let plane = ControlPlane::start(&config, bucket.as_ref(), &components).await?;
    let audit = Audit::start(&config.edge.audit, &config.public.region, &components)?;
    let servers = listen(&config, &components, &plane, audit.clone()).await?;
    tracing::info!(node = config.node_id, api = %config.listen, grpc = %config.grpc_listen, "control plane started");
    tokio::spawn(plane.clone().report_readiness(condition, components.clone()));
    let outcome = tokio::select! {
        () = components.shutdown.cancelled() => Ok(()),
        error = plane.failed() => {
            components.health.dead(error.to_string());
            components.shutdown.cancel();
            Err(error)
        }
    };
    for server in servers {
        server.stopped().await;
    }
    audit.close().await;
    plane.stop().await;
    outcome
}

async fn listen(
    config: &Config,
    components: &Components,
    plane: &ControlPlane,
    audit: Audit,
) -> Result<Vec<Serving>, Error> {
    let grpc_listener = bind(config.grpc_listen).await?;
    let listener = bind(config.listen).await?;
    let url = config.public.url(listener.local_addr().unwrap_or(config.listen));

    let grpc_metrics = RequestMetrics::new(&components.registry, SERVICE, Protocol::Grpc);
    let grpc = RequestLayer::new(Protocol::Grpc, grpc_metrics, components.clock.clone())
        .layer(plane.grpc_routes().prepare().into_axum_router());
    let grpc = Router::new().fallback_service(grpc);
    let mut servers = vec![serve(grpc_listener, grpc, ServerOptions::grpc(), components)?];

    // The edge reads keys from the same watched snapshot as everywhere else.
    let member = Member::watch(Control::local(plane.control(), components.clock.clone()), components);
    let options = config.edge.options(&config.public).shared_by(Sharing::Processes(config.members().len()));
    let options = options.with_sts();
    let edge = Edge::audited(options, member.cluster(), components, SERVICE, audit);
    let metrics = RequestMetrics::new(&components.registry, SERVICE, Protocol::Http);
    let api = edge.wrap(plane.api(config, &url, &components.random));
    let api = RequestLayer::new(Protocol::Http, metrics, components.clock.clone()).layer(api);
    let mut public = Router::new().fallback_service(api);
    servers.extend(
        config.edge.private_endpoints().serve(&[Plane::Control], &public, &config.public, components).await?,
    );
    let admin = admin_router(components.registry.clone(), components.health.clone());
    match config.admin.admin_listen {
        Some(address) => servers.push(serve(bind(address).await?, admin, ServerOptions::http(), components)?),
        None => public = public.merge(admin),
    }
    servers.push(serve_public(listener, public, &config.public, components)?);
    Ok(servers)
}
